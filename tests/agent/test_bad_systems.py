"""Systems and inputs that cannot bear an explanation: inconclusive with the reason, never supported, never a crash."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.toys import (
    CAT,
    EARS,
    EYES,
    READER,
    SENTENCE,
    TABLE,
    TOKENIZER,
    Split,
    Toy,
    hears_tone,
    picture,
    reads_cat,
    sees_red,
    sound,
)
from veridical import explain
from veridical.agent.explainer import Settings
from veridical.errors import ContractError

MASK = TABLE[TOKENIZER.convert_tokens_to_ids("[MASK]")]


def judged(system: Any, observation: dict[str, Any], salt: str = "s") -> tuple[str, str, Any]:
    found = explain(system, observation, Settings(namer=None, salt=salt))
    return found.verdict, found.result["verdict"]["reasons"][0], found


def masked(inputs) -> torch.Tensor:
    """How many words are masked."""
    return ((inputs["text"] - MASK).abs().sum(-1) < 1e-4).sum(1)


def breaks_at_three_masked_words(inputs) -> torch.Tensor:
    """Neither the word nor the empty text breaks it, but two and more words do."""
    gone = masked(inputs)
    return reads_cat(inputs) + torch.where((gone > 2) & (gone < 30), torch.nan, 0.0)


def breaks_without_the_word(inputs) -> torch.Tensor:
    """At the baseline all words are gone, and it bears that; with some of them left it does not bear to miss one."""
    lost = (inputs["text"][:, :, CAT] == 0).all(1) & (masked(inputs) < 30)
    return reads_cat(inputs) + torch.where(lost, torch.nan, 0.0)


@pytest.mark.parametrize("kind", [Toy, Split])
@pytest.mark.parametrize(
    ("score", "observation", "told"),
    [
        (lambda i: 0 * reads_cat(i) + 1, {"text": SENTENCE}, "Nothing speaks for the decision"),
        (lambda i: 0 * sees_red(i) + 1, {"vision": picture()}, "Nothing speaks for the decision"),
        (lambda i: 0 * hears_tone(i) + 1, {"audio": sound()}, "Nothing speaks for the decision"),
        (lambda i: 1e-9 * reads_cat(i) + 1, {"text": SENTENCE}, "No edit changes the score"),
        (lambda i: 1e-9 * sees_red(i) + 1, {"vision": picture()}, "No edit changes the score"),
        (breaks_without_the_word, {"text": SENTENCE}, "the scores are not finite under the text operator"),
        (breaks_at_three_masked_words, {"text": SENTENCE}, "the scores are not finite under the text operator"),
        (reads_cat, {"text": "cat"}, "too small for the test"),
        (reads_cat, {"text": "stop cat"}, "too small for the test"),
        (reads_cat, {"text": ""}, "Nothing speaks for the decision"),
        (sees_red, {"vision": np.full((32, 32, 3), 90, np.uint8)}, "Nothing speaks for the decision"),
        (hears_tone, {"audio": np.zeros(8000, np.float32)}, "Nothing speaks for the decision"),
    ],
    ids=[
        "constant text", "constant picture", "constant sound", "unmoved text", "unmoved picture", "broken at the claim",
        "broken farther off", "one word", "two words", "no word", "blank picture", "silence",
    ],
)  # fmt: skip
def test_it_is_inconclusive_with_the_reason(kind: type[Toy], score: Callable, observation: dict, told: str):
    sense = {"text": READER, "vision": EYES, "audio": EARS}[next(iter(observation))]
    verdict, reason, found = judged(kind(score, sense), observation)
    assert verdict == "inconclusive"
    assert told in reason
    assert found.justification


@pytest.mark.parametrize(
    "score",
    [
        lambda i: i["text"][:, :, CAT].sum(1).log() + 1,  # not at the baseline
        lambda i: (
            reads_cat(i) + torch.where(i["text"][:, :, CAT].sum(1) < 0.5, torch.nan, 0.0)
        ),  # nor at some neighbours
    ],
)
def test_without_a_score_at_the_baseline_it_is_inconclusive(score: Callable):
    verdict, reason, _ = judged(Toy(score, READER), {"text": SENTENCE})
    assert verdict == "inconclusive"
    assert "the scores are not finite under the text operator" in reason


def answers_by_chance() -> Callable:
    generator = torch.Generator().manual_seed(4)
    return lambda i: reads_cat(i) + torch.randn(len(i["text"]), generator=generator)


def counts_its_calls() -> Callable:
    count = itertools.count()
    return lambda i: reads_cat(i) + 0.3 * next(count)


@pytest.mark.parametrize(
    "build", [answers_by_chance, counts_its_calls, lambda: lambda i: reads_cat(i) + 9 * i["text"][:, :, CAT].mean()]
)
@pytest.mark.parametrize("attempt", range(3))
def test_a_system_that_does_not_answer_the_same_twice_is_never_supported(build: Callable, attempt: int):
    verdict, reason, _ = judged(Toy(build(), READER), {"text": SENTENCE}, f"salt {attempt}")
    assert verdict == "inconclusive"
    assert "the same input scores" in reason


def test_what_is_inconclusive_can_be_reported_and_recorded(tmp_path: Path):
    for name, score in (("broken", breaks_without_the_word), ("constant", lambda i: 0 * reads_cat(i) + 1)):
        _, _, found = judged(Toy(score, READER), {"text": SENTENCE})
        assert found.report(tmp_path / f"{name}.html").stat().st_size > 1000
        assert (found.record(tmp_path / name) / "manifest.json").is_file()


@pytest.mark.parametrize(
    ("score", "told"),
    [
        (lambda i: reads_cat(i) * float("nan"), "the scores are not finite for one observation"),
        (lambda i: reads_cat(i) + i["text"].sum().sub(i["text"].sum()).sqrt(), "the gradient of text is not finite"),
    ],
)
def test_a_system_that_cannot_answer_the_observation_itself_is_an_error_of_one_line(score: Callable, told: str):
    with pytest.raises(ContractError, match=told) as caught:
        explain(Toy(score, READER), {"text": SENTENCE}, Settings(namer=None))
    assert "\n" not in str(caught.value)
