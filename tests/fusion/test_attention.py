"""Attention as an account of evidence units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor, nn

from tests.toys import EARS, EYES, RATE, READER, SENTENCE, Split, Toy, picture, sound
from veridical.errors import ContractError, InputError
from veridical.fusion.attention import ROLLOUT, STEPS, attended, evenly, rule_of, spread_rows
from veridical.modalities.audio import Audio
from veridical.modalities.engines.attention import Read
from veridical.modalities.evidence import EvidenceUnit, Segmentation
from veridical.modalities.observation import prepare
from veridical.scenarios.courier.model import load

WINDOWS = 4


def nothing(inputs: Mapping[str, Tensor]) -> Tensor:
    return sum((x.flatten(1).sum(1) for x in inputs.values()), torch.zeros(1))


class Attentive(Split):
    """Shows the attention that it is given, step by step."""

    def __init__(self, *steps: Mapping[str, Tensor]) -> None:
        super().__init__(nothing, EYES, EARS, READER)
        self.steps = steps

    def attention(self, features: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], ...]:
        return self.steps


class Told(Attentive):
    """And when the rows of its sound are: two of half a second, and two beyond the recording."""

    def row_times(self, modality: str, rows: int) -> np.ndarray | None:
        if modality != "audio":
            return None
        assert rows == WINDOWS
        return np.array([[0.0, 0.5], [0.5, 1.0], [1.0, 1.5], [1.5, 2.0]])


def ready(system: Any, observation: Mapping[str, Any]) -> tuple[Any, Any]:
    prepared = prepare(system, observation)
    return prepared, {m: system.modalities[m].segment(p) for m, p in prepared.items()}


def frames(units: int, shape: tuple[int, ...], labels: np.ndarray | None = None) -> Segmentation:
    labels = np.arange(units).reshape(shape) if labels is None else labels
    return Segmentation(labels, tuple(EvidenceUnit("vision", i, (0.0, 1.0)) for i in range(units)), ((),) * units)


def test_cells_go_onto_the_area_that_they_cover():
    """Three pixels a side, two cells: the middle row and column are shared half and half."""
    found = spread_rows(np.array([[[4.0, 0.0], [0.0, 8.0]]]), frames(9, (1, 3, 3)))
    one = np.outer([2, 1, 0], [2, 1, 0]) / 9
    other = np.outer([0, 1, 2], [0, 1, 2]) / 9
    np.testing.assert_allclose(found, (4 * one + 8 * other).ravel())


def test_a_weight_for_each_frame_covers_it_evenly():
    labels = np.stack([np.repeat([[0, 0, 0, 1]], 4, 0), np.full((4, 4), 2)])
    np.testing.assert_allclose(spread_rows(np.array([1.0, 3.0]), frames(3, (), labels)), [0.75, 0.25, 3.0])


@given(
    arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)), elements=st.floats(0, 1)),
    st.integers(5, 20),
)
@settings(deadline=None, max_examples=40)
def test_what_is_spread_over_a_partition_keeps_its_sum(weights, side: int):
    labels = np.random.default_rng(0).integers(0, 7, (len(weights), side, side))
    found = spread_rows(weights, frames(7, (), labels))
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(weights.sum())


def test_tokens_go_onto_their_words_and_special_ones_onto_none():
    labels = np.array([-1, 0, 0, 1, -1])
    np.testing.assert_allclose(spread_rows(np.array([9.0, 1, 2, 4, 8]), frames(2, (), labels)), [3, 4])


def test_rows_of_sound_go_onto_the_time_that_they_share_and_over_bands_alike():
    prepared, segmentations = ready(Toy(nothing, EARS), {"audio": sound()})
    columns, bands = 8, 5  # of an eighth of a second, and one second in all
    assert len(segmentations["audio"]) == columns * bands
    found = spread_rows(np.array([1.0, 3.0]), segmentations["audio"], duration=prepared["audio"].duration)
    np.testing.assert_allclose(
        found.reshape(columns, bands), np.repeat([[1 / 20], [3 / 20]], 4, 0) * np.ones((1, bands))
    )
    spans = np.array([[0.0, 0.25], [0.9375, 1.5], [1.0, 2.0]])
    found = spread_rows(np.array([2.0, 4.0, 100.0]), segmentations["audio"], spans).reshape(columns, bands).sum(1)
    np.testing.assert_allclose(found, [1, 1, 0, 0, 0, 0, 0, 4])  # of the second all that is inside; of the third none


def test_rows_share_a_duration_evenly():
    np.testing.assert_allclose(evenly(3, 1.5), [[0, 0.5], [0.5, 1], [1, 1.5]])


@pytest.mark.parametrize("weights", [np.ones(3), np.ones((2, 3)), np.ones((2, 2, 2))])
def test_rows_that_fit_nothing_are_refused(weights):
    with pytest.raises(
        InputError, match=r"attention: weights of shape \(.*\) fit no evidence units of shape \(1, 3, 3\)"
    ):
        spread_rows(weights, frames(9, (1, 3, 3)))


def test_spans_are_one_for_each_row():
    _, segmentations = ready(Toy(nothing, EARS), {"audio": sound()})
    with pytest.raises(InputError, match=r"spans of shape \(2, 2\) for 3 rows"):
        spread_rows(np.ones(3), segmentations["audio"], evenly(2, 1.0))


OBSERVATION: dict[str, Any] = {"vision": picture(2), "audio": (sound(), RATE), "text": SENTENCE}


def steps(tokens: int) -> tuple[dict[str, Tensor], ...]:
    """Two steps: the second sees the other frame, and hears nothing."""
    seen = torch.zeros(2, 1, 2, 2, 2)
    seen[0, 0, 0, 0, 0], seen[1, 0, 1, 1, 1] = 0.25, 0.5
    read = torch.full((1, tokens), 0.5 / tokens)
    return {"vision": seen[0], "audio": torch.full((1, WINDOWS), 0.05), "text": read}, {"vision": seen[1], "text": read}


def test_a_system_that_shows_its_attention_is_believed_and_steps_count_alike():
    prepared, segmentations = ready(Attentive(), OBSERVATION)
    tokens = prepared["text"].tensor.shape[1]
    system = Attentive(*steps(tokens))
    found = attended(system, prepared, segmentations)
    assert {m: v.shape for m, v in found.items()} == {m: (len(s),) for m, s in segmentations.items()}
    np.testing.assert_allclose(found["vision"].sum(), (0.25 + 0.5) / 2, rtol=1e-6)
    np.testing.assert_allclose(found["audio"].sum(), 0.1, rtol=1e-6)
    special = (segmentations["text"].labels < 0).sum()
    np.testing.assert_allclose(found["text"].sum(), 0.5 * (tokens - special) / tokens, rtol=1e-6)
    first = np.array([unit.frame == 0 for unit in segmentations["vision"].units])
    np.testing.assert_allclose(found["vision"][first].sum(), 0.125, rtol=1e-6)
    corner = segmentations["vision"].labels[0, :16, :16]
    assert found["vision"][np.setdiff1d(np.arange(first.sum()), corner)].sum() == 0
    assert rule_of(system) == STEPS
    assert rule_of(Toy(nothing)) == ROLLOUT


def test_a_system_may_say_when_its_rows_are_and_so_may_the_caller():
    prepared, segmentations = ready(Attentive(), OBSERVATION)
    system = Told(*steps(prepared["text"].tensor.shape[1]))
    heard = attended(system, prepared, segmentations)["audio"].reshape(8, 5).sum(1)
    np.testing.assert_allclose(heard, np.full(8, 2 * 0.05 / 2 / 8), rtol=1e-6)  # two of four rows, half of the steps
    times = {"audio": np.array([[0.0, 0.125], [2.0, 3.0], [2.0, 3.0], [2.0, 3.0]])}
    heard = attended(system, prepared, segmentations, times=times)["audio"].reshape(8, 5).sum(1)
    np.testing.assert_allclose(heard, [0.025, 0, 0, 0, 0, 0, 0, 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "told"),
    [((), "has no steps"), (({"audio": torch.tensor([[-1.0, 1.0]])},), "attention to audio is negative or not finite")],
)
def test_attention_that_is_none_is_refused(given, told: str):
    prepared, segmentations = ready(Attentive(), {"audio": (sound(), RATE)})
    with pytest.raises(ContractError, match=told):
        attended(Attentive(*given), prepared, segmentations)


class Reader(nn.Module):
    """One layer of self-attention with one head, which looks by embedding; the first token answers."""

    actions = ("STOP", "GO")

    def __init__(self) -> None:
        super().__init__()
        self.modalities = {"text": READER}

    def weights(self, x: Tensor) -> Tensor:
        return (x @ x.transpose(1, 2)).softmax(-1)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        x = inputs["text"]
        score = nn.functional.scaled_dot_product_attention(x, x, x, scale=1.0)[:, 0].sum(1)
        return torch.stack((score, -score), 1)


def test_of_any_other_system_self_attention_is_rolled_out():
    system = Reader()
    prepared, segmentations = ready(system, {"text": SENTENCE})
    with torch.no_grad():
        weights = system.weights(prepared["text"].tensor)[0].double().numpy()
    labels = segmentations["text"].labels
    answers: tuple[tuple[Read, np.ndarray], ...] = (("first", weights[0]), ("mean", weights.mean(0)))
    for read, row in answers:
        found = attended(system, prepared, segmentations, read=read)["text"]
        own = 0.5 * row  # rollout gives half to the token itself, and the first is no word
        if read == "mean":
            own = own + 0.5 / len(labels)
        np.testing.assert_allclose(found, segmentations["text"].total(own), rtol=1e-5)


class Sighted(nn.Module):
    """Reads with attention, and sees without."""

    actions = ("STOP", "GO")

    def __init__(self) -> None:
        super().__init__()
        self.reader = Reader()
        self.modalities = {"vision": EYES, "text": READER}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.reader({"text": inputs["text"]}) + inputs["vision"].mean((1, 2, 3, 4))[:, None]


def test_senses_without_self_attention_are_left_out():
    system, alone = Sighted(), Reader()
    prepared, segmentations = ready(system, {"vision": picture(), "text": SENTENCE})
    found = attended(system, prepared, segmentations)
    assert list(found) == ["text"]
    np.testing.assert_allclose(found["text"], attended(alone, {"text": prepared["text"]}, segmentations)["text"])


@pytest.mark.parametrize("senses", [(EYES,), (EYES, EARS)])
def test_no_attention_at_all_is_told_in_words(senses):
    system = Toy(nothing, *senses)
    prepared, segmentations = ready(system, {s.name: OBSERVATION[s.name] for s in senses})
    with pytest.raises(InputError, match=r"attention: no self-attention of (vision|audio) alone is to be seen"):
        attended(system, prepared, segmentations)


class Listener(nn.Module):
    """Self-attention over sixteen pieces of a second of sound."""

    actions = ("STOP", "GO")

    def __init__(self) -> None:
        super().__init__()
        self.modalities = {"audio": EARS}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        x = inputs["audio"].unflatten(1, (16, 500))[:, None]
        score = nn.functional.scaled_dot_product_attention(x, x, x)[:, 0, 0].sum(1)
        return torch.stack((score, -score), 1)


def test_the_first_step_of_a_sound_is_no_answer():
    system = Listener()
    prepared, segmentations = ready(system, {"audio": (sound(), RATE)})
    with pytest.raises(InputError, match="first step of audio is no class token; ask for the mean"):
        attended(system, prepared, segmentations)
    found = attended(system, prepared, segmentations, read="mean")["audio"]
    assert found.sum() == pytest.approx(1, rel=1e-5)
    assert len(found) == 40


def test_courier_attends_to_all_three_senses_within_one():
    courier = load()
    prepared, segmentations = ready(courier, courier.example())
    found = attended(courier, prepared, segmentations)
    assert list(found) == ["vision", "audio", "text"]
    assert 0.9 < sum(v.sum() for v in found.values()) <= 1
    with torch.no_grad():
        shown = courier.attention({m: courier.encode(m, p.tensor) for m, p in prepared.items()})
    for m in ("vision", "audio"):  # nothing of them is special
        np.testing.assert_allclose(found[m].sum(), np.mean([float(s[m].sum()) for s in shown]), rtol=1e-5)
    third = [unit.index for unit in segmentations["vision"].units if unit.frame == 2]
    np.testing.assert_allclose(found["vision"][third].sum(), float(shown[2]["vision"][0, 2].sum()) / 3, rtol=1e-5)
    # In time alone: evidence units of one band.
    slices = {**segmentations, "audio": Audio(cell=(0.25, 1)).segment(prepared["audio"])}
    heard = attended(courier, prepared, slices)["audio"]
    np.testing.assert_allclose(heard, found["audio"].reshape(12, 8).sum(1))
