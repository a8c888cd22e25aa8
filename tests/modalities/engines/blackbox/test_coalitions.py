"""Coalitions: what a system scores when only some of the evidence is there."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.toys import (
    CAT,
    EARS,
    EYES,
    READER,
    SENTENCE,
    SIREN,
    Dropping,
    Split,
    Toy,
    hears_tone,
    linear,
    picture,
    reads_cat,
    sees_red,
    sound,
    weights,
)
from veridical.errors import ContractError, InputError
from veridical.modalities.contract import Prepared
from veridical.modalities.engines.blackbox.coalitions import (
    Game,
    Player,
    all_coalitions,
    budget,
    check_settings,
    sense_players,
    unit_players,
    unit_values,
)
from veridical.modalities.engines.task import Task
from veridical.modalities.evidence import Segmentation
from veridical.modalities.observation import prepare
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target
from veridical.modalities.text import Text

ALL = {"vision": picture(), "audio": sound(), "text": SENTENCE}
MANY = {"audio": sound(), "text": SENTENCE}
"""Some seventy units; what fills a frame's superpixel depends on its neighbours, so that no score is additive there."""
WORDS = {"text": "stop if you meet cat"}
PAIR = {"text": "stop cat siren dog"}


def asked(system: Any, observation: Mapping[str, Any], seed: int = 0, action: int | tuple[int, ...] = 0) -> Task:
    """The task of attributing one action's decision score."""
    return Task(Scorer(system, Target(action)), prepare(system, observation), seed)


def additive(
    observation: Mapping[str, Any], kind: type[Toy] = Toy, seed: int = 3
) -> tuple[Task, dict[str, np.ndarray]]:
    """A linear system, and what each word adds to its score where absence is the mask."""
    senses = [sense for sense in (EYES, EARS, READER) if sense.name in observation]
    prepared = prepare(Toy(linear({}), *senses), observation)
    by_hand = weights(seed, prepared)
    task = asked(kind(linear(by_hand, 0.5), *senses), observation)
    return task, {m: unit_contributions(task, m, by_hand[m]) for m in prepared}


def unit_contributions(task: Task, m: str, weight: Tensor) -> np.ndarray:
    sense, p, s = task.senses[m], task.prepared[m], task.segmentations[m]
    gone = sense.infill(p, [(u,) for u in range(len(s))], sense.operators[0], s)
    return ((p.tensor - gone).double() * weight).flatten(1).sum(1).numpy()


def both(inputs: Mapping[str, Tensor]) -> Tensor:
    """One where "cat" and "siren" both stand, else nothing."""
    return inputs["text"][:, :, CAT].sum(1) * inputs["text"][:, :, SIREN].sum(1)


def either(inputs: Mapping[str, Tensor]) -> Tensor:
    """One where "cat" or "siren" stands, else nothing."""
    return torch.maximum(inputs["text"][:, :, CAT].sum(1), inputs["text"][:, :, SIREN].sum(1))


def blind(inputs: Mapping[str, Tensor]) -> Tensor:
    """A score that no gradient passes: counted in numpy, in whole numbers."""
    counted = (inputs["text"].numpy(force=True)[:, :, [CAT, SIREN]] > 0.5).astype(np.int64).sum((1, 2))
    return torch.from_numpy(counted * counted).float()


def mixed(inputs: Mapping[str, Tensor]) -> Tensor:
    """What senses do together, and smoothly."""
    parts = [sees_red(inputs) / 4, hears_tone(inputs) / 4, reads_cat(inputs) / 2]
    x, y, z = torch.broadcast_tensors(*parts)
    return 3 * torch.tanh(x + y * z) + z


def flat(values: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.concatenate(list(values.values()))


def test_all_coalitions_are_counted_in_binary():
    found = all_coalitions(3)
    assert found.shape == (8, 3)
    assert [int(row @ [1, 2, 4]) for row in found] == list(range(8))
    assert all_coalitions(0).shape == (1, 0)


def test_players_are_the_units_of_all_senses_or_whole_senses():
    task = asked(Toy(mixed), {**ALL, "text": ""})
    counts = {m: len(s) for m, s in task.segmentations.items()}
    assert counts["text"] == 0
    players = unit_players(task.segmentations)
    assert len(players) == counts["vision"] + counts["audio"]
    assert players[counts["vision"]] == Player("audio", (0,))
    assert sense_players(task.segmentations) == tuple(Player(m, tuple(range(counts[m]))) for m in ("vision", "audio"))


def test_the_units_of_a_player_share_its_value():
    segmentations = asked(Toy(reads_cat, READER), PAIR).segmentations
    found = unit_values([Player("text", (0, 2)), Player("text", (1,))], np.array([3.0, -1.0]), segmentations)
    assert found["text"].tolist() == [1.5, -1.0, 1.5, 0.0]


def test_a_game_scores_what_is_left_whatever_comes_twice():
    task = asked(Toy(both, READER), PAIR)
    game = Game(task, unit_players(task.segmentations))
    present = all_coalitions(4)
    found = game(np.concatenate([present, present]))
    assert found.tolist() == [float(row[1] and row[2]) for row in present] * 2
    assert game.score == 1.0
    assert game.evaluations == 17  # each coalition once, and the input alone
    assert game.facts() == {"evaluations": 17, "score": 1.0, "units": {"text": 4}, "operator": {"text": "mask"}}


def test_a_game_agrees_with_edits_made_by_hand_over_all_senses():
    task = asked(Toy(mixed), ALL)
    players = unit_players(task.segmentations)
    present = np.random.default_rng(0).random((5, len(players))) < 0.7
    names = {"vision": "blur", "text": "delete"}
    found = Game(task, players, names)(present)
    for row, score in zip(present, found, strict=True):
        inputs = {}
        for m, p in task.prepared.items():
            gone = [q.units[0] for q, there in zip(players, row, strict=True) if q.sense == m and not there]
            operator = names.get(m, "silence")
            inputs[m] = task.senses[m].infill(p, [gone], operator, task.segmentations[m])
        assert score == pytest.approx(float(mixed(inputs)[0]), abs=1e-5)


@pytest.mark.parametrize("kind", [Toy, Split])
def test_neither_the_chunk_nor_the_store_nor_a_split_matters(kind: type[Toy]):
    task = asked(kind(mixed), ALL)
    players = unit_players(task.segmentations)
    present = np.random.default_rng(1).random((20, len(players))) < 0.5
    expected = Game(asked(Toy(mixed), ALL), players)(present)
    for chunk in (1, 3, 64):
        np.testing.assert_allclose(Game(task, players, chunk=chunk)(present), expected, atol=1e-5)
    forgetful = Game(task, players)
    forgetful._store.bound = 0
    np.testing.assert_allclose(forgetful(present), expected, atol=1e-5)


def test_no_batch_is_larger_than_the_chunk():
    sizes: list[int] = []

    def counting(inputs: Mapping[str, Tensor]) -> Tensor:
        sizes.append(len(inputs["text"]))
        return reads_cat(inputs)

    task = asked(Toy(counting, READER), WORDS)
    game = Game(task, unit_players(task.segmentations), chunk=5)
    game(all_coalitions(5))
    assert sizes == [1, 5, 5, 5, 5, 5, 5, 2]
    assert game.evaluations == sum(sizes)


@pytest.mark.parametrize("chunk", [1, 16])
def test_of_a_split_system_each_edit_of_a_sense_is_encoded_once(chunk: int):
    system = Split(mixed)
    task = asked(system, ALL)
    game = Game(task, sense_players(task.segmentations), chunk=chunk)
    game(all_coalitions(3))
    # Alone once through the system itself, once as it is, once without its evidence: not eight times.
    assert game.encoded == dict.fromkeys(ALL, 3)
    assert sum(n for m, n in system.encoded if m == "vision") == 3
    assert game.evaluations == 9
    assert game.facts()["encoded"] == game.encoded


def test_a_sense_that_no_coalition_edits_is_encoded_once():
    system = Split(mixed)
    task = asked(system, ALL)
    words = tuple(p for p in unit_players(task.segmentations) if p.sense == "text")
    game = Game(task, words, chunk=4)
    game(~np.eye(len(words), dtype=bool))
    assert game.encoded == {"vision": 2, "audio": 2, "text": len(words) + 2}


def test_a_second_call_gives_the_same_bits():
    task = asked(Toy(mixed), ALL)
    players = unit_players(task.segmentations)
    present = np.random.default_rng(1).random((20, len(players))) < 0.5
    assert np.array_equal(Game(task, players)(present), Game(task, players)(present))


def test_progress_rises_to_one():
    shares: list[float] = []
    task = asked(Toy(reads_cat, READER), WORDS)
    task = Task(task.scorer, task.prepared, 0, shares.append)
    Game(task, unit_players(task.segmentations), chunk=5)(all_coalitions(5))
    assert shares == sorted(shares)
    assert len(shares) == 7
    assert shares[-1] == 1.0


def test_a_text_without_words_is_a_game_without_players():
    task = asked(Toy(reads_cat, READER), {"text": ""})
    game = Game(task, unit_players(task.segmentations))
    assert game(all_coalitions(0)).tolist() == [-1.0]
    assert game(np.ones((0, 0), bool)).shape == (0,)


def test_the_target_of_one_row_serves_for_all_coalitions():
    task = asked(Toy(both, READER), PAIR, action=(1,))
    assert Game(task, unit_players(task.segmentations))(all_coalitions(4)).min() == -1.0


def test_a_callable_without_gradient_will_do_and_no_graph_is_made():
    def wanting(inputs: Mapping[str, Tensor]) -> Tensor:
        assert not torch.is_grad_enabled()
        return blind(inputs)

    task = asked(Toy(wanting, READER), PAIR)
    found = Game(task, unit_players(task.segmentations))(all_coalitions(4))
    assert sorted(set(found)) == [0.0, 1.0, 4.0]


def test_a_system_in_training_mode_is_held_still_and_put_back():
    system = Dropping()
    task = asked(system, WORDS)
    present = all_coalitions(5)
    first = Game(task, unit_players(task.segmentations))(present)
    assert np.array_equal(first, Game(task, unit_players(task.segmentations))(present))
    assert system.training
    assert system.drop.training


class Counting(nn.Module):
    """A system whose encoder counts its calls in a buffer, and adds the count to the score."""

    actions = ("STOP", "GO")
    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.modalities = {"text": READER}
        self.register_buffer("calls", torch.zeros(1))

    def encode(self, modality: str, x: Tensor) -> Tensor:
        self.calls += 1
        return x + self.calls

    def decide(self, features: Mapping[str, Tensor]) -> Tensor:
        score = features["text"].sum((1, 2))
        return torch.stack((score, torch.zeros_like(score)), 1)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.decide({m: self.encode(m, x) for m, x in inputs.items()})


@pytest.mark.parametrize("chunk", [1, 5, 64])
def test_buffers_that_the_encoder_changes_are_settled_whenever_it_was_called(chunk: int):
    system = Counting()
    task = asked(system, WORDS)
    present = all_coalitions(5)
    found = Game(task, unit_players(task.segmentations), chunk=chunk)(present)
    edits = [np.flatnonzero(~row).tolist() for row in present]
    edited = READER.infill(task.prepared["text"], edits, "mask", task.segmentations["text"])
    np.testing.assert_allclose(found, (edited + 1).sum((1, 2)).numpy(), rtol=1e-4, atol=1e-4)
    assert float(system.calls) == 0


def test_a_system_that_keeps_state_is_found_out():
    count = itertools.count()
    task = asked(Toy(lambda i: reads_cat(i) + next(count), READER), WORDS)
    with pytest.raises(ContractError, match=r"scores 3.000 alone and 4.000 among its edits; call eval"):
        Game(task, unit_players(task.segmentations))(all_coalitions(5))


def test_a_batch_whose_members_mix_is_found_out():
    task = asked(Toy(lambda i: reads_cat(i) + reads_cat(i).mean(), READER), WORDS)
    with pytest.raises(ContractError, match="keep members of a batch apart"):
        Game(task, unit_players(task.segmentations))(all_coalitions(5))


def test_scores_that_are_not_finite_without_some_evidence_are_named():
    task = asked(Toy(lambda i: i["text"][:, :, CAT].sum(1).log(), READER), WORDS)
    with pytest.raises(ContractError, match=r"not finite with evidence taken away \(operators: text 'mask'\): \[-inf"):
        Game(task, unit_players(task.segmentations))(all_coalitions(5))


def test_an_operator_must_be_the_senses_own():
    task = asked(Toy(mixed), ALL)
    with pytest.raises(InputError, match="audio: no infill operator 'blur'; it has silence, floor"):
        Game(task, (), "blur")
    with pytest.raises(InputError, match="no sense 'smell'; it has vision, audio, text"):
        Game(task, (), {"smell": "blur"})
    assert Game(asked(Toy(mixed), WORDS), (), {"vision": "blur"}).operators == {"text": "mask"}


def test_an_infill_or_an_encoder_of_too_few_rows_is_named():
    class Short(Text):
        def infill(
            self, prepared: Prepared, edits: Sequence[Sequence[int]], operator: str, segmentation: Segmentation
        ) -> Tensor:
            return super().infill(prepared, edits, operator, segmentation)[:1]

    class Lazy(Split):
        def encode(self, modality: str, x: Tensor) -> Tensor:
            return x[:1]

    short = Short(READER.tokenizer, READER.embedding)
    for system, message in (
        (Toy(reads_cat, short), "text: infill returned 1 rows for 15 edits"),
        (Lazy(reads_cat, READER), r"encode\('text'\) returned 1 rows for 15"),
    ):
        task = asked(system, WORDS)
        with pytest.raises(ContractError, match=message):
            Game(task, unit_players(task.segmentations))(all_coalitions(5))


def test_settings_are_held_against_what_they_may_be(unchecked: None):
    wrong: list[tuple[Callable[[], None], str]] = [
        (lambda: check_settings("lime", None, 0), "lime: chunk 0"),
        (lambda: check_settings("rise", None, 1, 0), "rise: 0 samples"),
        (lambda: check_settings("rise", 3, 1), "rise: operator 3"),  # type: ignore[arg-type]
        (lambda: check_settings("rise", {"text": None}, 1), "rise: operator {'text': None}"),  # type: ignore[dict-item]
    ]
    for call, message in wrong:
        with pytest.raises(InputError, match=message):
            call()


def test_the_budget_grows_with_the_players():
    assert [budget(None, 5), budget(None, 400), budget(17, 400)] == [1000, 1600, 17]
