"""The tail: effects of changed features in closed form, parted by what is remembered, and systems that are refused."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.concepts.tails import Remembering, linear, tail_of
from tests.toys import Split
from veridical.concepts.rows import to_rows
from veridical.concepts.tail import Outcome, Shift, Tail
from veridical.errors import ContractError
from veridical.modalities.unrolled import Unrolled

MAKE = torch.Generator().manual_seed(2)
FEATURES = {
    "vision": torch.rand(1, 2, 3, 4, 4, generator=MAKE),
    "audio": torch.rand(1, 8, 2, generator=MAKE),
    "text": torch.rand(1, 6, 5, generator=MAKE),
}
PARTS = {m: torch.randn(n, generator=MAKE) for m, n in (("vision", 3), ("audio", 2), ("text", 5))}
SHARE = 0.5


def shift(sense: str, *rows: int, seed: int = 0) -> Shift:
    change = torch.randn(len(rows), len(PARTS[sense]), generator=torch.Generator().manual_seed(seed + len(rows)))
    return Shift(sense, rows, change)


def spoken(parts=PARTS) -> Tail:
    return tail_of(Split(linear(parts, 90.0)), FEATURES)


def by_hand(*shifts: Shift) -> float:
    return sum(float((each.change @ PARTS[each.sense]).sum()) for each in shifts)


EDITS = [
    (shift("vision", 0, 17, 31),),
    (),
    (shift("audio", 7), shift("text", 1, 2)),
    (shift("vision", 3), shift("audio", 0, 1), shift("text", 5)),
    (shift("text", 0, 3), shift("text", 3, 4, seed=5)),
    (shift("vision", 0),),
]


def test_the_effect_on_a_linear_tail_is_the_weighted_change():
    found = spoken().measure(EDITS)
    assert found.logits.shape == (6, 2)
    np.testing.assert_allclose(found.effect, [by_hand(*edit) for edit in EDITS], atol=2e-4)
    np.testing.assert_allclose(found.logits[:, 0] - found.logits[1, 0], found.effect, atol=2e-4)
    assert found.effect[1] == 0


def test_of_the_other_decision_the_effect_has_the_other_sign():
    tail = tail_of(Split(linear(PARTS, -90.0)), FEATURES)
    assert tail.action == 1
    np.testing.assert_allclose(tail.measure(EDITS).effect, [-by_hand(*edit) for edit in EDITS], atol=2e-4)


def test_small_batches_give_the_same(monkeypatch: pytest.MonkeyPatch):
    whole = spoken().measure(EDITS * 3)
    monkeypatch.setattr("veridical.concepts.tail._CHUNK", 2)
    parts = spoken().measure(EDITS * 3)
    np.testing.assert_allclose(whole.effect, parts.effect, atol=1e-5)
    np.testing.assert_allclose(whole.logits, parts.logits, atol=1e-5)


def test_only_the_rows_named_are_changed_and_senses_left_alone_stay_one():
    tail, change = spoken(), shift("vision", 5, 18)
    edited = tail.edited([(change,), ()], ["vision"])
    assert {m: len(x) for m, x in edited.items()} == {"vision": 3, "audio": 1, "text": 1}
    rows, plain = to_rows(edited["vision"]), to_rows(FEATURES["vision"])[0]
    assert torch.equal(rows[0], plain)
    assert torch.equal(rows[2], plain)
    torch.testing.assert_close(rows[1, [5, 18]], plain[[5, 18]] + change.change)
    others = [r for r in range(32) if r not in (5, 18)]
    assert torch.equal(rows[1, others], plain[others])
    assert torch.equal(tail.features["vision"], FEATURES["vision"])


def test_features_of_every_layout_can_be_edited():
    layouts = {"a": (1, 3, 2, 2), "b": (1, 3), "c": (1, 4, 3)}
    given = {m: torch.ones(shape) for m, shape in layouts.items()}
    tail = tail_of(Split(linear({m: torch.tensor([1.0, 2.0, 4.0]) for m in given}, 90.0)), given)
    one = torch.tensor([[-1.0, 0.0, 0.5]])
    assert tail.measure([(Shift(m, (0,), one),) for m in layouts]).effect.tolist() == pytest.approx([1.0] * 3)


def test_rows_that_were_scored_are_counted():
    tail = spoken()
    assert tail.passes == 0
    tail.measure(EDITS[:1])
    assert tail.passes == 2
    tail.measure([EDITS[0], EDITS[5]])
    assert tail.passes == 5


def test_no_edit_is_no_outcome():
    found = spoken().measure([])
    assert isinstance(found, Outcome)
    assert (found.effect.shape, found.logits.shape) == ((0,), (0, 2))


def test_gradients_are_by_rows_and_those_of_a_sense_that_counts_nothing_are_zero():
    tail = spoken({m: PARTS[m] for m in ("vision", "text")})
    found, sign = tail.gradients(), 1 - 2 * tail.action
    for m, count in (("vision", 32), ("text", 6)):
        torch.testing.assert_close(found[m], sign * PARTS[m].expand(count, -1))
    assert found["audio"].shape == (8, 2)
    assert not found["audio"].any()


def test_the_gradient_of_a_sense_that_is_not_used_is_zero():
    tail = tail_of(Split(lambda f: f["text"].sum((1, 2))), FEATURES)
    assert not tail.gradients()["vision"].any()


def test_without_a_gradient_it_is_told():
    tail = tail_of(Split(lambda f: f["text"].detach().sum((1, 2))), FEATURES)
    with pytest.raises(ContractError, match=r"^system: no gradient of the score arrives at the features; do not"):
        tail.gradients()


def test_a_system_whose_batch_members_leak_is_refused():
    tail = tail_of(Split(lambda f: f["text"].sum((1, 2)) + f["text"].mean()), FEATURES)
    told = r"^system: the same features score \d+\.\d{3} nats alone and \d+\.\d{3} among their edits; decide\(\) must"
    with pytest.raises(ContractError, match=told) as caught:
        tail.measure([(Shift("text", (0,), torch.full((1, 5), 9.0)),)])
    assert str(caught.value).endswith("keep members of a batch apart")


def test_a_system_that_counts_its_calls_is_refused():
    count = itertools.count()
    tail = tail_of(Split(lambda f: f["text"].sum((1, 2)) + next(count)), FEATURES)
    with pytest.raises(ContractError, match="nats alone and"):
        tail.measure(EDITS[2:3])


def test_scores_that_are_not_finite_are_told():
    tail = tail_of(Split(lambda f: (f["text"][:, 0, 0] - FEATURES["text"][0, 0, 0] + 1).log() + 3), FEATURES)
    gone = torch.tensor([[-5.0, 0, 0, 0, 0]])
    with pytest.raises(ContractError, match=r"^system: the scores are not finite where a concept is taken out of the"):
        tail.measure([(Shift("text", (0,), gone),)])


def remembering(share: float = SHARE) -> Tail:
    system = Remembering({m: PARTS[m] for m in ("audio", "text")}, share)
    return tail_of(system, {m: FEATURES[m] for m in ("audio", "text")})


def test_of_a_linear_memory_the_effect_is_what_is_direct_and_what_is_remembered():
    edits = [
        (shift("audio", 0),),
        (shift("audio", 7),),
        (shift("text", 5, 0),),
        (shift("audio", 3, 7), shift("text", 2)),
        (),
    ]
    tail = remembering()
    parts = tail.by_state(edits)
    assert parts is not None
    direct, through = parts
    sign = 1 if tail.action == 0 else -1
    now = [0.0, by_hand(*edits[1]), 0.0, float(edits[3][0].change[1] @ PARTS["audio"]), 0.0]
    np.testing.assert_allclose(direct, [sign * x for x in now], atol=1e-5)
    np.testing.assert_allclose(direct + through, tail.measure(edits).effect, atol=1e-5)
    at = float(edits[0][0].change[0] @ PARTS["audio"])
    assert through[0] == pytest.approx(sign * at * SHARE**7, abs=1e-6)
    assert tail.passes == 2 * 6 + (3 + 2 + 2 + 2)  # by the state; then two edits of sounds, and three of other senses


def test_what_is_not_remembered_has_no_effect_by_the_state():
    parts = remembering(0.0).by_state([(shift("audio", 0, 6),), (shift("audio", 7),)])
    assert parts is not None
    assert parts[1].tolist() == [0.0, 0.0]


def test_the_memory_of_a_gate_is_found_by_patching():
    """Where the last step multiplies the state, direct and remembered effects need not add up."""
    system = Remembering({"audio": PARTS["audio"]}, 1.0)
    features = {"audio": torch.ones(1, 2, 2)}
    plain = system.unroll

    def gated(features: Mapping[str, torch.Tensor], state: torch.Tensor | None = None) -> Unrolled:
        course = plain(features, state)
        first, last = course.inputs
        advance = lambda s, step: step["audio"].sum((1, 2))[:, None] * (1.0 if step is first else s)  # noqa: E731
        return Unrolled(course.start, (first, last), course.origins, course.times, advance, course.read)

    system.unroll = gated
    tail = tail_of(system, features)
    assert tail.score == pytest.approx(4.0)
    both = Shift("audio", (0, 1), torch.tensor([[-1.0, 0.0], [-1.0, 0.0]]))
    parts = tail.by_state([(both,)])
    assert parts is not None
    assert (parts[0].tolist(), parts[1].tolist()) == ([-2.0], [-2.0])  # 2 · 1 − 4 each
    assert tail.measure([(both,)]).effect.tolist() == [-3.0]  # 1 · 1 − 4


def test_without_a_state_without_edits_or_with_one_step_nothing_is_parted():
    assert spoken().by_state(EDITS) is None
    assert remembering().by_state([]) is None
    one = tail_of(Remembering(PARTS, SHARE), {"audio": FEATURES["audio"][:, :1]})
    assert one.by_state([(shift("audio", 0),)]) is None


@given(st.permutations(range(len(EDITS))))
def test_the_order_of_edits_changes_nothing(order: list[int]):
    tail = spoken()
    plain, mixed = tail.measure(EDITS), tail.measure([EDITS[i] for i in order])
    np.testing.assert_allclose(mixed.effect, plain.effect[order], atol=1e-5)


@given(st.floats(-3, 3))
def test_the_effect_on_a_linear_tail_grows_with_the_change(scale: float):
    tail = spoken()
    scaled = [tuple(Shift(s.sense, s.rows, scale * s.change) for s in edit) for edit in EDITS]
    np.testing.assert_allclose(tail.measure(scaled).effect, scale * tail.measure(EDITS).effect, atol=3e-4)


@given(st.permutations(range(8)))
def test_rows_in_another_order_give_the_same(order: list[int]):
    """A linear tail sums over rows, so that a permutation of them and of what is changed changes nothing."""
    turned = FEATURES | {"audio": FEATURES["audio"][:, order]}
    edit, moved = shift("audio", 1, 4), tuple(sorted((order.index(1), order.index(4))))
    change = edit.change if order.index(1) < order.index(4) else edit.change.flip(0)
    tail = tail_of(Split(linear(PARTS, 90.0)), turned)
    found = tail.measure([(Shift("audio", moved, change),)]).effect
    np.testing.assert_allclose(found, spoken().measure([(edit,)]).effect, atol=1e-4)
