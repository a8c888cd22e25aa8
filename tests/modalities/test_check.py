"""The checker for those who wrap a system."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from tests.toys import CAT, EYES, READER, Dropping, Split, Toy, linear, picture, reads_cat, sees_red
from veridical.errors import ContractError, InputError
from veridical.modalities.check import check_system

SEE = {"vision": picture()}
READ = {"text": "stop if you meet a cat"}


def test_a_sound_system_is_told_what_was_checked():
    assert check_system(Toy(sees_red, EYES), SEE) == (
        "scores of shape (1, 2)",
        "scores are finite",
        "two calls agree",
        "no part is in training mode",
        "members of a batch do not mix",
        "a finite gradient arrives at vision",
    )


def test_a_split_system_is_checked_both_ways():
    assert "encode and decide agree with the call" in check_system(Split(sees_red, EYES), SEE)

    class Other(Split):
        def encode(self, modality: str, x: Tensor) -> Tensor:
            return x + 1

        def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
            return self.decide(inputs)

    with pytest.raises(ContractError, match=r"decide\(encode\(x\)\) differs from the call by"):
        check_system(Other(reads_cat, READER), READ)


def test_dropout_left_on_is_found_in_both_ways():
    torch.manual_seed(0)
    with pytest.raises(
        ContractError, match=r"two calls differ by .*in training mode: the system itself, drop; call eval"
    ):
        check_system(Dropping(), READ)
    assert "no part is in training mode" in check_system(Dropping().eval(), READ)


def test_a_part_in_training_mode_is_named_and_no_property_is_evaluated():
    class Holding(Toy):
        def __init__(self) -> None:
            super().__init__(reads_cat, READER)
            self.head = torch.nn.Sequential(torch.nn.Linear(2, 2))

        @property
        def digest(self) -> str:
            raise RuntimeError("costly")

    with pytest.raises(ContractError, match="in training mode: head; call eval"):
        check_system(Holding(), READ)


def test_state_that_leaks_is_found():
    count = itertools.count()
    with pytest.raises(ContractError, match=r"two calls differ by 1; .*state that leaks"):
        check_system(Toy(lambda i: reads_cat(i) + next(count), READER), READ)


@pytest.mark.parametrize(
    "score",
    [
        lambda i: reads_cat(i) + reads_cat(i).mean(),
        lambda i: reads_cat(i) + i["text"].sum((1, 2)).roll(1) * (torch.arange(len(i["text"])) > 0),
    ],
    ids=["mean", "the one before"],
)
def test_members_of_a_batch_that_mix_are_found(score):
    with pytest.raises(ContractError, match="in a batch of two the scores differ"):
        check_system(Toy(score, READER), READ)


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (lambda i: i["text"].detach().sum((1, 2)), "no gradient reaches any input"),
        (lambda i: i["text"].round().detach().sum((1, 2)) + sees_red(i), "no gradient arrives at text"),
        (
            lambda i: (3 * i["text"][:, :, CAT]).round().sum(1) + sees_red(i),
            "the gradient at text is zero everywhere from the baseline to the input, yet edits of it change the score "
            "by up to 10; a rounding, a threshold or an argmax",
        ),
        (lambda i: reads_cat(i) + (sees_red(i) * 0).sqrt(), "the gradient at vision is not finite"),
        (lambda i: reads_cat(i) / 0 + sees_red(i), r"scores are not finite for one observation: \[inf, 0.0\]"),
        (lambda i: reads_cat(i)[:, None] + sees_red(i), r"of shape \(1, 2, 1\) for one observation"),
        (
            lambda i: (i["text"] @ torch.ones(3)).sum(1) + sees_red(i),
            "the call fails for one observation: RuntimeError",
        ),
        (lambda i: i["text"].view(1, -1).sum(1) + sees_red(i), "in a batch of two the scores differ"),
    ],
)
def test_what_is_wrong_is_said(score, message: str):
    with pytest.raises(ContractError, match=message):
        check_system(Toy(score, EYES, READER), {**SEE, **READ})


@pytest.mark.parametrize(
    ("score", "text", "said"),
    [
        # Saturated: above 0.7 of the way from the baseline the word adds nothing.
        (lambda i: reads_cat(i).clamp(max=1.8), READ["text"], "a finite gradient arrives at text (zero at the input"),
        (
            lambda i: reads_cat(i).relu(),
            "stop if you meet a dog",
            "text changes nothing here, and its gradient says so",
        ),
        (lambda i: i["text"].square().sum((1, 2)), "", "a finite gradient arrives at text"),
    ],
)
def test_a_gradient_that_is_zero_with_reason_is_no_fault(score, text: str, said: str):
    assert any(line.startswith(said) for line in check_system(Toy(score, READER), {"text": text}))


def test_what_is_no_system_or_no_observation(unchecked: None):
    with pytest.raises(ContractError, match="int lacks modalities, actions or __call__"):
        check_system(3, SEE)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a mapping from sense to signal"):
        check_system(Toy(linear({})), [1])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="empty; give at least one of vision, audio, text"):
        check_system(Toy(linear({})), {"text": None})
