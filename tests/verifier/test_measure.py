"""The laboratory: what the system really does when the input is edited."""

from __future__ import annotations

import itertools

import pytest
import torch

from tests.toys import (
    CAT,
    EYES,
    READER,
    SENTENCE,
    Split,
    Toy,
    laboratory,
    linear,
    picture,
    reads_cat,
    sees_red,
    sound,
    weights,
)
from veridical.errors import ContractError, InputError
from veridical.modalities.observation import prepare

OBSERVATION = {"vision": picture(), "audio": sound(), "text": SENTENCE}
WEIGHTS = weights(3, prepare(Toy(linear({})), OBSERVATION))


def by_hand(lab, m: str, edited: torch.Tensor) -> torch.Tensor:
    """Change of a linear score."""
    sign = 1 if lab.action == 0 else -1
    return sign * ((edited - lab.prepared[m].tensor) * WEIGHTS[m]).flatten(1).sum(1)


@pytest.mark.parametrize("kind", [Toy, Split])
@pytest.mark.parametrize("m", ["vision", "audio", "text"])
def test_the_effect_of_a_linear_system_is_the_weighted_change(kind: type[Toy], m: str):
    lab = laboratory(kind(linear(WEIGHTS)), OBSERVATION)
    sense, segmentation = lab.system.modalities[m], lab.segmentations[m]
    edits = [(0,), (1, 2, 3), tuple(range(len(segmentation)))]
    for operator in sense.operators:
        found = lab.measure(m, edits, operator)
        edited = sense.infill(lab.prepared[m], edits, operator, segmentation)
        torch.testing.assert_close(found.effect, by_hand(lab, m, edited), rtol=1e-3, atol=1e-3)
        assert torch.equal(found.tensor, edited)
        assert torch.equal(found.energy, sense.energy(lab.prepared[m], edited))
        assert found.logits.shape == (3, 2)


def test_an_empty_edit_has_no_effect_and_nothing_can_be_edited_in_an_empty_text():
    lab = laboratory(
        Toy(lambda i: sees_red(i) + i["text"].sum((1, 2)), EYES, READER), {"vision": picture(), "text": ""}
    )
    assert lab.measure("text", [(), ()], "delete").effect.tolist() == [0.0, 0.0]
    assert lab.measure("vision", [()], "blur").effect.tolist() == [0.0]


def test_small_chunks_give_the_same():
    one, other = (laboratory(Toy(linear(WEIGHTS)), OBSERVATION) for _ in range(2))
    other.chunk = 2
    edits = [(i,) for i in range(7)]
    first, second = one.measure("text", edits, "mask"), other.measure("text", edits, "mask")
    torch.testing.assert_close(first.effect, second.effect)


def test_of_a_split_system_only_the_edited_sense_is_encoded_again():
    system = Split(linear(WEIGHTS))
    lab = laboratory(system, OBSERVATION)
    lab.measure("text", [(0,)], "mask")
    system.encoded.clear()
    lab.measure("text", [(1,), (2,)], "mask")
    assert system.encoded == [("text", 3)]


def test_passes_are_counted():
    lab = laboratory(Toy(reads_cat, READER), {"text": SENTENCE})
    lab.measure("text", [(0,), (1,)], "mask")
    assert lab.passes == 4  # the input alone, in the batch, and two edits
    lab.score = None
    lab.keep_only("text", (20,), 0)
    assert lab.passes == 7


def test_keeping_one_claim_edits_all_else_in_every_sense():
    lab = laboratory(Toy(linear(WEIGHTS)), OBSERVATION)
    for index, names in enumerate(["surround + silence + mask", "blur + floor + delete", "mean + floor + delete"]):
        kept = lab.keep_only("text", (20,), index)
        assert kept.operator == names
        expected = 0.0
        for (m, p), operator in zip(lab.prepared.items(), names.split(" + "), strict=True):
            rest = [u for u in range(len(lab.segmentations[m])) if (m, u) != ("text", 20)]
            edited = lab.system.modalities[m].infill(p, [rest], operator, lab.segmentations[m])
            expected += float(by_hand(lab, m, edited))
        assert float(kept.measured.effect[0]) == pytest.approx(expected, rel=1e-3, abs=1e-3)
        assert (kept.measured.tensor[0, :, CAT] == 1).any()


def test_keeping_everything_of_the_only_sense_changes_nothing():
    lab = laboratory(Toy(reads_cat, READER), {"text": SENTENCE})
    assert float(lab.keep_only("text", range(30), 1).measured.effect[0]) == 0.0


@pytest.mark.parametrize("operator", ["mask", "delete"])
def test_a_score_that_is_not_finite_when_edited_is_named(operator: str):
    lab = laboratory(Toy(lambda i: i["text"][:, :, CAT].sum(1).log(), READER), {"text": SENTENCE})
    with pytest.raises(ContractError, match=rf"not finite under the text operator '{operator}': \[-inf, 0.0\]"):
        lab.measure("text", [(3,), (20,)], operator)
    with pytest.raises(ContractError, match="not finite under an edit of everything but one claim"):
        lab.keep_only("text", (3,), 0)


def test_a_system_whose_score_of_the_input_changes_cannot_be_measured():
    count = itertools.count()
    lab = laboratory(Toy(lambda i: reads_cat(i) + next(count), READER), {"text": SENTENCE})
    with pytest.raises(ContractError, match=r"scores \d.000 nats alone and \d.000 among its edits; call eval"):
        lab.measure("text", [(3,)], "mask")


def test_a_batch_whose_members_mix_cannot_be_measured():
    lab = laboratory(Toy(lambda i: reads_cat(i) + i["text"][:, :, CAT].sum(1).mean(), READER), {"text": SENTENCE})
    with pytest.raises(ContractError, match="keep members of a batch apart; check_system finds which"):
        lab.measure("text", [(20,)], "mask")


def test_an_unknown_operator_or_unit_is_refused():
    lab = laboratory(Toy(reads_cat, READER), {"text": SENTENCE})
    with pytest.raises(InputError, match="no infill operator 'burn'"):
        lab.measure("text", [(0,)], "burn")
    with pytest.raises(InputError, match="names unit 30"):
        lab.measure("text", [(30,)], "mask")
