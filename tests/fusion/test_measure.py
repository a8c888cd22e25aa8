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
from veridical.fusion.measure import Laboratory
from veridical.modalities.observation import prepare
from veridical.modalities.store import TensorStore

OBSERVATION = {"vision": picture(), "audio": sound(), "text": SENTENCE}
WEIGHTS = weights(3, prepare(Toy(linear({})), OBSERVATION))
MASK = {"text": "mask"}
FIRST = {"vision": "surround", "audio": "silence", "text": "mask"}


def by_hand(lab: Laboratory, m: str, edited: torch.Tensor) -> torch.Tensor:
    """Change of a linear score."""
    sign = 1 if lab.action == 0 else -1
    return sign * ((edited - lab.prepared[m].tensor) * WEIGHTS[m]).flatten(1).sum(1)


def reader(score=reads_cat, kind: type[Toy] = Toy) -> Laboratory:
    return laboratory(kind(score, READER), {"text": SENTENCE})


@pytest.mark.parametrize("kind", [Toy, Split])
@pytest.mark.parametrize("m", ["vision", "audio", "text"])
def test_the_effect_of_a_linear_system_is_the_weighted_change(kind: type[Toy], m: str):
    lab = laboratory(kind(linear(WEIGHTS)), OBSERVATION)
    sense, segmentation = lab.system.modalities[m], lab.segmentations[m]
    edits = [(0,), (1, 2, 3), tuple(range(len(segmentation)))]
    for operator in sense.operators:
        found = lab.measure([{m: units} for units in edits], {m: operator})
        edited = sense.infill(lab.prepared[m], edits, operator, segmentation)
        torch.testing.assert_close(found.effect, by_hand(lab, m, edited), rtol=1e-3, atol=1e-3)
        assert found.logits.shape == (3, 2)
        for k, units in enumerate(edits):
            tensor, energy = lab.edited(m, units, operator)
            torch.testing.assert_close(tensor, edited[k])
            assert energy == pytest.approx(float(sense.energy(lab.prepared[m], edited)[k]), rel=1e-5)
            assert lab.energy(m, units, operator) == pytest.approx(energy, rel=1e-5)


@pytest.mark.parametrize("kind", [Toy, Split])
def test_a_joint_edit_of_a_linear_system_does_what_its_parts_do_together(kind: type[Toy]):
    lab = laboratory(kind(linear(WEIGHTS)), OBSERVATION)
    edit = {"vision": (3, 4), "audio": (5,), "text": (0, 20)}
    parts = lab.measure([{m: units} for m, units in edit.items()], FIRST).effect
    joint = lab.measure([edit], FIRST).effect
    torch.testing.assert_close(joint, parts.sum(0, keepdim=True), rtol=1e-3, atol=1e-3)


def test_of_a_joint_edit_every_senses_part_is_made_whatever_the_system_makes_of_it():
    seen: list[dict[str, torch.Tensor]] = []
    lab = laboratory(Toy(lambda i: seen.append(dict(i)) or reads_cat(i) + 0 * sees_red(i)), OBSERVATION)
    edit = {"vision": (3,), "audio": (), "text": (20,)}
    lab.measure([edit], FIRST)
    batch = next(i for i in seen if len(i["text"]) == 2)
    for m, p in lab.prepared.items():
        assert torch.equal(batch[m][:1], p.tensor)
        units = edit[m]
        expected = lab.edited(m, units, FIRST[m])[0] if units else p.tensor[0]
        assert torch.equal(batch[m][1], expected)


@pytest.mark.parametrize("kind", [Toy, Split])
def test_an_empty_edit_has_no_effect_and_nothing_can_be_edited_in_an_empty_text(kind: type[Toy]):
    lab = laboratory(
        kind(lambda i: sees_red(i) + i["text"].sum((1, 2)), EYES, READER), {"vision": picture(), "text": ""}
    )
    operators = {"vision": "blur", "text": "delete"}
    assert lab.measure([{}, {"text": ()}, {"vision": ()}], operators).effect.tolist() == [0.0, 0.0, 0.0]
    fresh = laboratory(lab.system, {"vision": picture(), "text": ""})
    assert fresh.measure([{}], {}).effect.tolist() == [0.0]
    assert lab.energy("text", (), "delete") == 0.0
    assert lab.measure([], operators).logits.shape == (0, 2)


def test_small_chunks_give_the_same():
    one, other = (laboratory(Toy(linear(WEIGHTS)), OBSERVATION) for _ in range(2))
    other.chunk = 2
    edits = [{"text": (i,), "vision": (i, i + 1)} for i in range(7)]
    first, second = one.measure(edits, FIRST), other.measure(edits, FIRST)
    torch.testing.assert_close(first.effect, second.effect)
    torch.testing.assert_close(first.logits, second.logits)


def test_of_a_split_system_only_the_edited_sense_is_encoded_again():
    system = Split(linear(WEIGHTS))
    lab = laboratory(system, OBSERVATION)
    lab.measure([{"text": (0,)}], FIRST)
    system.encoded.clear()
    lab.measure([{"text": (1,)}, {"text": (2,)}], FIRST)
    assert system.encoded == [("text", 3)]


def test_of_a_split_system_each_edit_of_a_sense_is_encoded_once_whatever_it_is_joined_with():
    system = Split(linear(WEIGHTS))
    lab = laboratory(system, OBSERVATION)
    lab.measure([{"text": (1,)}, {"vision": (2,)}], FIRST)
    system.encoded.clear()
    spent = lab.passes
    joined = [{"text": (1,), "vision": (2,)}, {"text": (1,), "vision": (3,)}, {"text": (1,), "audio": (4,)}]
    lab.measure(joined, FIRST)
    assert sorted(system.encoded) == [("audio", 2), ("vision", 2)]
    assert lab.passes == spent + 4
    fresh = laboratory(Split(linear(WEIGHTS)), OBSERVATION)
    torch.testing.assert_close(lab.measure(joined, FIRST).effect, fresh.measure(joined, FIRST).effect)


def test_features_that_no_longer_fit_the_store_are_encoded_again_and_give_the_same():
    lab, small = (laboratory(Split(linear(WEIGHTS)), OBSERVATION) for _ in range(2))
    small._store = TensorStore(bound=0)
    edits = [{"text": (1,), "vision": (2,)}, {"text": (1,), "audio": (4,)}]
    for _ in range(2):
        torch.testing.assert_close(small.measure(edits, FIRST).effect, lab.measure(edits, FIRST).effect)
        edits = edits[::-1]
    assert small.features("text", (1,), "mask") is None
    kept = lab.features("text", (1,), "mask")
    assert kept is not None
    assert torch.equal(kept, lab.edited("text", (1,), "mask")[0][None])


def test_passes_are_counted_and_what_was_measured_once_is_not_measured_again():
    lab = reader()
    first = lab.measure([{"text": (0,)}, {"text": (1, 20)}], MASK)
    assert lab.passes == 4  # the input alone, in the batch, and two edits
    again = lab.measure([{"text": (20, 1)}, {"text": [0]}, {"text": (0, 0)}], MASK)
    assert lab.passes == 4
    assert again.effect.tolist() == [*first.effect.tolist()[::-1], first.effect.tolist()[0]]
    lab.measure([{"text": (0,)}], {"text": "delete"})  # another operator is another edit
    assert lab.passes == 6


def test_an_edit_named_twice_in_one_call_is_made_once():
    lab = reader()
    assert lab.measure([{"text": (20,)}] * 5, MASK).effect.tolist() == [-4.0] * 5
    assert lab.passes == 3


@pytest.mark.parametrize("operator", ["mask", "delete"])
def test_a_score_that_is_not_finite_when_edited_is_named(operator: str):
    lab = reader(lambda i: i["text"][:, :, CAT].sum(1).log())
    with pytest.raises(ContractError, match=rf"not finite under the text operator '{operator}': \[-inf, 0.0\]"):
        lab.measure([{"text": (3,)}, {"text": (20,)}], {"text": operator})


def test_of_a_joint_edit_that_is_not_finite_all_operators_are_named():
    system = Toy(lambda i: i["text"][:, :, CAT].sum(1).log() + 0 * sees_red(i), EYES, READER)
    lab = laboratory(system, {"vision": picture(), "text": SENTENCE})
    with pytest.raises(ContractError, match="under the vision operator 'blur', the text operator 'mask': "):
        lab.measure([{"vision": (0,), "text": (20,)}], {"vision": "blur", "text": "mask"})


def test_a_system_whose_score_of_the_input_changes_cannot_be_measured():
    count = itertools.count()
    lab = reader(lambda i: reads_cat(i) + next(count))
    with pytest.raises(ContractError, match=r"scores \d.000 nats alone and \d.000 among its edits; call eval"):
        lab.measure([{"text": (3,)}], MASK)


def test_a_batch_whose_members_mix_cannot_be_measured():
    lab = reader(lambda i: reads_cat(i) + i["text"][:, :, CAT].sum(1).mean())
    with pytest.raises(ContractError, match="keep members of a batch apart; check_system finds which"):
        lab.measure([{"text": (20,)}], MASK)


def test_an_encoder_that_loses_rows_is_told_so():
    system = Split(reads_cat, READER)
    lab = laboratory(system, {"text": SENTENCE})
    system.encode = lambda modality, x: x[:1]
    with pytest.raises(ContractError, match=r"encode\('text'\) returned 1 rows for 2; one each is wanted"):
        lab.measure([{"text": (3,)}], MASK)


def test_scores_of_a_wrong_shape_are_told():
    system = Toy(reads_cat, READER)
    lab = laboratory(system, {"text": SENTENCE})
    system.actions = ("STOP", "GO", "SLOW")
    with pytest.raises(ContractError, match=r"scores of shape \(2, 2\) for 2 edited inputs and 3 actions"):
        lab.measure([{"text": (3,)}], MASK)


def test_an_unknown_operator_or_unit_is_refused():
    lab = reader()
    with pytest.raises(InputError, match="no infill operator 'burn'"):
        lab.measure([{"text": (0,)}], {"text": "burn"})
    with pytest.raises(InputError, match="names unit 30"):
        lab.measure([{"text": (30,)}], MASK)
