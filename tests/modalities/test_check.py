"""The checker for those who wrap a system."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.toys import CAT, EYES, READER, Dropping, Split, Toy, linear, picture, reads_cat, sees_red
from veridical.errors import ContractError, InputError
from veridical.modalities.check import check_system

SEE = {"vision": picture()}
READ = {"text": "stop if you meet a cat"}


def both_or_either(inputs: Mapping[str, Tensor]) -> Tensor:
    return torch.stack([f(inputs) for m, f in (("vision", sees_red), ("text", reads_cat)) if m in inputs]).sum(0)


def test_a_sound_system_is_told_what_was_checked():
    assert check_system(Toy(sees_red, EYES), SEE) == (
        "scores of shape (1, 2)",
        "scores are finite",
        "two calls agree",
        "no part is in training mode",
        "inputs are left as they are",
        "a call leaves nothing behind",
        "members of a batch do not mix",
        "non-contiguous inputs give the same scores",
        "a finite gradient arrives at vision",
    )


def test_of_two_senses_their_order_is_checked_and_each_is_left_out():
    def score(inputs: Mapping[str, Tensor]) -> Tensor:
        return both_or_either(inputs)

    right = check_system(Toy(score, EYES, READER), {**SEE, **READ})
    assert set(right) > {
        "the senses in another order give the same scores",
        "vision can be left out",
        "text can be left out",
    }


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


class Module(torch.nn.Module):
    """A system of a torch module, in evaluation mode: what it does at each call is a test's."""

    actions = ("STOP", "GO")
    count: Tensor

    def __init__(self, act=lambda module, inputs: None) -> None:
        super().__init__()
        self.modalities, self.act = {"vision": EYES, "text": READER}, act
        self.layer = torch.nn.Linear(1, 1)
        self.register_buffer("count", torch.zeros(1))
        self.eval()

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        added = self.act(self, inputs)
        score = both_or_either(inputs)
        score = score if added is None else score + added
        return torch.stack((score, torch.zeros_like(score)), 1)


def test_a_module_with_parameters_that_learn_and_a_buffer_that_counts_is_sound_and_left_as_it_was():
    system = Module(lambda module, inputs: module.count.add_(1) and None)
    check_system(system, {**SEE, **READ})
    assert float(system.count) == 0
    assert system.layer.weight.requires_grad
    assert system.layer.weight.grad is None


def counting(module: Module, inputs: Mapping[str, Tensor]) -> Tensor:
    module.count = module.count + 1
    return module.count


def test_of_scores_that_differ_the_buffer_behind_it_is_named_and_put_back():
    system = Module(counting)
    with pytest.raises(ContractError, match=r"two calls differ by 1; .*; a call changes the buffer count"):
        check_system(system, {**SEE, **READ})
    assert float(system.count) == 0


def in_place(module, inputs):
    inputs["vision"].mul_(0.5)


def popping(module, inputs):
    return inputs.pop("text")[:, :, CAT].sum(1) if "text" in inputs else None


def hooking(module, inputs):
    module.layer.register_forward_hook(lambda *given: None)


def learning(module, inputs):
    module.layer.weight.requires_grad_(not module.layer.weight.requires_grad)


def training(module, inputs):
    module.layer.train(not module.layer.training)


def switching(module, inputs):
    torch.set_grad_enabled(False)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (in_place, r"a call changes its input vision; work on a copy \(x = x.clone"),
        (popping, "a call changes its input text; work on a copy"),
        (hooking, r"a call leaves behind a change of hooks \(remove them by their handles\) at layer"),
        (learning, "a call leaves behind a change of requires_grad of parameters at layer"),
        (training, "a call leaves behind a change of training mode at layer"),
        (switching, r"a call leaves behind a change of gradients switched off \(use torch.no_grad as a context\)"),
    ],
)
def test_what_a_call_leaves_behind_is_found(act, message: str):
    try:
        with pytest.raises(ContractError, match=message):
            check_system(Module(act), {**SEE, **READ})
        assert torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)


def test_a_view_that_needs_contiguous_inputs_is_found():
    with pytest.raises(
        ContractError, match=r"the call fails for non-contiguous inputs: RuntimeError: view size.*reshape"
    ):
        check_system(Toy(lambda i: i["text"].view(len(i["text"]), -1).sum(1), READER), READ)


def test_memory_read_by_its_layout_is_found():
    def raw(inputs: Mapping[str, Tensor]) -> Tensor:
        x = inputs["text"]
        return x.as_strided((len(x), 8), (x[0].numel(), 1)).sum(1) + x.sum((1, 2))

    with pytest.raises(ContractError, match=r"non-contiguous inputs change the scores by"):
        check_system(Toy(raw, READER), READ)


def test_senses_told_apart_by_their_place_are_found():
    def first(inputs: Mapping[str, Tensor]) -> Tensor:
        return next(iter(inputs.values())).flatten(1).sum(1) + 2 * list(inputs.values())[-1].flatten(1).sum(1)

    with pytest.raises(ContractError, match=r"the senses in another order change the scores by .*by name"):
        check_system(Toy(first, EYES, READER), {**SEE, **READ})


def test_a_sense_that_cannot_be_left_out_is_found_unless_the_system_says_so():
    def both(inputs: Mapping[str, Tensor]) -> Tensor:
        return sees_red(inputs) + reads_cat(inputs)

    def telling(inputs: Mapping[str, Tensor]) -> Tensor:
        if len(inputs) < 2:
            raise InputError("toy: two senses are wanted")
        return both(inputs)

    with pytest.raises(
        ContractError, match=r"the call fails without vision: KeyError.*; the call fails without text: Key"
    ):
        check_system(Toy(both, EYES, READER), {**SEE, **READ})
    assert "text cannot be left out, and the system says so" in check_system(
        Toy(telling, EYES, READER), {**SEE, **READ}
    )


def test_names_that_do_not_fit_are_found():
    toy = Toy(sees_red, EYES)
    toy.actions = ("STOP", "STOP")
    with pytest.raises(ContractError, match=r"actions \['STOP', 'STOP'\]; a name for each score"):
        check_system(toy, SEE)
    toy = Toy(lambda i: 3 * i["eyes"].flatten(1).mean(1), EYES)
    vars(toy)["modalities"] = {"eyes": EYES}
    with pytest.raises(ContractError, match="the modality 'vision' stands under 'eyes'; one name for both"):
        check_system(toy, {"eyes": picture()})


def test_inputs_of_whole_numbers_are_found():
    class Ids(type(READER)):
        def prepare(self, signal):
            found = super().prepare(signal)
            ids = torch.from_numpy(found.detail["ids"])[None]
            return replace(found, tensor=ids, baseline=torch.zeros_like(ids))

    sense = Ids(READER.tokenizer, READER.embedding)
    with pytest.raises(ContractError, match="text is prepared to int64, which has no gradient; prepare embeddings"):
        check_system(Toy(lambda i: i["text"].float().sum(1), sense), READ)


def test_a_gradient_that_fails_is_told():
    def spoilt(inputs: Mapping[str, Tensor]) -> Tensor:
        x = inputs["text"].exp()
        y = x * x
        x += 1
        return y.sum((1, 2))

    with pytest.raises(ContractError, match=r"the gradient fails: .*inplace operation.*; work on copies"):
        check_system(Toy(spoilt, READER), READ)
