"""Interactions: the second difference of four edits, and what curvature makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.fusion.test_coalitions import WEIGHTS, cat, redness
from tests.toys import (
    CAT,
    EARS,
    EYES,
    READER,
    SENTENCE,
    SIREN,
    Split,
    Toy,
    hears_tone,
    laboratory,
    linear,
    picture,
    sound,
)
from veridical.errors import ContractError, InputError
from veridical.fusion.interactions import (
    Evidence,
    Foretold,
    Interaction,
    foretell,
    joined,
    measure_interactions,
)
from veridical.fusion.measure import Laboratory

SEEN = {"vision": picture(), "text": SENTENCE}
TWO = SENTENCE.replace("street", "siren")
"""Thirty words; the ninth is "siren", the 21st "cat"."""
WORD, OTHER = Evidence("text", (20,)), Evidence("text", (8,))
FIRST = {"vision": "surround", "audio": "silence", "text": "mask"}
SECOND = {"vision": "blur", "audio": "floor", "text": "delete"}
KINDS = pytest.mark.parametrize("kind", [Toy, Split])


def see_and_read(kind: type[Toy], score: Callable[[Mapping[str, Tensor]], Tensor]) -> Laboratory:
    return laboratory(kind(score, EYES, READER), SEEN)


def read(score: Callable[[Tensor, Tensor], Tensor], kind: type[Toy] = Toy) -> Laboratory:
    """A system that reads whether "cat" and "siren" are there."""

    def total(inputs: Mapping[str, Tensor]) -> Tensor:
        return 3 + score(inputs["text"][:, :, CAT].sum(1), inputs["text"][:, :, SIREN].sum(1))

    return laboratory(kind(total, READER), {"text": TWO})


def square(lab: Laboratory) -> Evidence:
    """The superpixels of the red square."""
    labels = lab.segmentations["vision"].labels[0, 16:24, 16:24]
    return Evidence("vision", tuple(np.unique(labels[labels >= 0]).tolist()))


def reddened(lab: Laboratory, operator: str = "surround") -> tuple[float, float]:
    """How red the square's place is, and how red it is without the square."""
    gone = lab.edited("vision", square(lab).units, operator)[0][None]
    return float(redness({"vision": lab.prepared["vision"].tensor})), float(redness({"vision": gone}))


def one(lab: Laboratory, a: Evidence, b: Evidence, *operators: Mapping[str, str]) -> Interaction:
    return measure_interactions(lab, [(a, b)], operators or (FIRST,))[0]


def told(lab: Laboratory, a: Evidence, b: Evidence, **options: Any) -> Foretold:
    return foretell(lab, [(a, b)], FIRST, **options)[0]


def figures(found: Foretold) -> tuple[float, float]:
    return found.local, found.path


@KINDS
def test_of_a_bilinear_score_measured_hessian_and_path_are_the_product_of_the_changes(kind: type[Toy]):
    lab = see_and_read(kind, lambda i: 3 + 4 * redness(i) * cat(i))
    before, after = reddened(lab)
    assert before - after > 0.3
    found, foretold = one(lab, square(lab), WORD), told(lab, square(lab), WORD)
    assert found.measured == pytest.approx(4 * (before - after), abs=1e-5)
    assert found.effects[0] == pytest.approx((4 * (after - before), -4 * before, -4 * before), abs=1e-5)
    assert foretold.local == pytest.approx(found.measured, abs=1e-5)
    assert foretold.path == pytest.approx(found.measured, abs=1e-5)
    assert found.kind == "synergy"
    assert found.share == pytest.approx((before - after) / max(before, before - after), abs=1e-5)


@KINDS
def test_of_an_additive_score_nothing_interacts(kind: type[Toy]):
    lab = laboratory(kind(linear(WEIGHTS, 9.0)), {"vision": picture(), "audio": sound(), "text": SENTENCE})
    pieces = [Evidence("vision", (3, 4)), Evidence("audio", (5, 6)), WORD, OTHER]
    pairs = [(a, b) for k, a in enumerate(pieces) for b in pieces[k + 1 :]]
    operators = [FIRST, {**SECOND, "text": "neutral"}]
    for found in measure_interactions(lab, pairs, operators[:1]):
        assert found.measured == pytest.approx(0, abs=1e-4)
    across = [(a, b) for a, b in pairs if a.sense != b.sense]
    for found in measure_interactions(lab, across, operators):
        assert found.each == pytest.approx((0, 0), abs=1e-4)
    assert all((f.local, f.path) == (0, 0) for f in foretell(lab, pairs, FIRST, nodes=1))


@KINDS
def test_where_either_is_enough_they_are_redundant(kind: type[Toy]):
    found = one(read(lambda c, s: 4 * torch.maximum(c, s), kind), WORD, OTHER)
    assert found.effects == ((0, 0, -4),)
    assert (found.measured, found.kind, found.share) == (-4, "redundancy", 1)


@KINDS
def test_where_both_are_needed_they_are_in_synergy(kind: type[Toy]):
    found = one(read(lambda c, s: 4 * torch.minimum(c, s), kind), WORD, OTHER)
    assert found.effects == ((-4, -4, -4),)
    assert (found.measured, found.kind, found.share) == (4, "synergy", 1)


def test_the_hessian_does_not_see_what_lies_in_a_kink_and_the_path_does():
    lab = read(lambda c, s: 4 * torch.relu(c + s - 1))
    assert one(lab, WORD, OTHER).measured == pytest.approx(4)
    assert told(lab, WORD, OTHER).local == 0
    assert told(lab, WORD, OTHER).path == pytest.approx(4, abs=1e-4)


def test_the_error_of_a_path_tells_how_far_off_it_is():
    lab = read(lambda c, s: torch.tanh(12 * c + 5 * s - 9))
    measured = one(lab, WORD, OTHER).measured
    rough, fine = (told(lab, WORD, OTHER, nodes=nodes) for nodes in (1, 64))
    assert abs(rough.path - measured) <= 2 * rough.error
    assert fine.error < 1e-3 < rough.error
    assert fine.path == pytest.approx(measured, abs=1e-3)


@KINDS
def test_within_a_sense_a_product_is_foretold_exactly(kind: type[Toy]):
    lab = read(lambda c, s: 4 * c * s, kind)
    assert one(lab, WORD, OTHER).measured == pytest.approx(4)
    assert figures(told(lab, WORD, OTHER, nodes=2)) == pytest.approx((4, 4))
    assert one(read(lambda c, s: -2 * c * s), OTHER, WORD).measured == pytest.approx(-2)


@KINDS
@pytest.mark.parametrize("nodes", [1, 2, 5])
def test_of_a_score_of_fourth_order_the_path_form_is_exact_and_the_hessian_is_not(kind: type[Toy], nodes: int):
    lab = see_and_read(kind, lambda i: 1 + 3 * redness(i) ** 2 * cat(i) ** 2)
    before, after = reddened(lab)
    found, foretold = one(lab, square(lab), WORD), told(lab, square(lab), WORD, nodes=nodes)
    assert found.measured == pytest.approx(3 * (before**2 - after**2), abs=1e-5)
    assert foretold.local == pytest.approx(3 * 4 * before * (before - after), abs=1e-4)
    assert foretold.path == pytest.approx(found.measured, abs=1e-4)  # one Gauss point integrates what is linear
    assert foretold.local > 1.5 * foretold.path


def test_of_a_smooth_score_the_path_form_converges_to_what_is_measured():
    lab = see_and_read(Toy, lambda i: 4 * torch.sigmoid(8 * (redness(i) * cat(i) - 0.4)))
    measured = one(lab, square(lab), WORD).measured
    errors = [abs(told(lab, square(lab), WORD, nodes=nodes).path - measured) for nodes in (1, 3, 6)]
    assert abs(told(lab, square(lab), WORD).local - measured) > 1
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.01


@pytest.mark.parametrize(("p", "q", "r"), [(1, 0, 2.5), (-2, 1.5, -0.7), (0.3, -1, 0), (0, 0, 1e-3)])
def test_of_any_score_of_second_order_the_block_is_the_coefficient_of_the_product(p: float, q: float, r: float):
    lab = read(lambda c, s: p * c + q * s**2 + r * c * s)
    assert one(lab, WORD, OTHER).measured == pytest.approx(r, abs=1e-5)
    assert figures(told(lab, OTHER, WORD, nodes=2)) == pytest.approx((r, r), abs=1e-5)


def test_which_piece_comes_first_does_not_matter():
    lab = see_and_read(Toy, lambda i: 3 * torch.tanh(redness(i) + cat(i)) ** 2)
    a, b = one(lab, square(lab), WORD), one(lab, WORD, square(lab))
    assert a.measured == b.measured
    assert told(lab, square(lab), WORD).local == pytest.approx(told(lab, WORD, square(lab)).local, rel=1e-4)


def test_a_single_edit_is_made_once_whatever_its_pairs():
    lab = read(lambda c, s: 4 * c * s)
    third = Evidence("text", (3, 4))
    found = measure_interactions(lab, [(WORD, OTHER), (WORD, third), (OTHER, third)], [FIRST])
    assert lab.passes == 8  # three pieces, three pairs, the input among them and once alone
    assert [f.measured for f in found] == pytest.approx([4, 0, 0])
    measure_interactions(lab, [(third, WORD)], [FIRST])
    assert lab.passes == 8
    measure_interactions(lab, [(WORD, OTHER)], [FIRST, SECOND])
    assert lab.passes == 12  # by another operator: two pieces, the pair, the input among them


def test_of_a_split_system_an_edit_is_encoded_once_in_all_pairs():
    lab = see_and_read(Split, lambda i: 3 + 4 * redness(i) * cat(i))
    system: Any = lab.system
    system.encoded.clear()
    words = [Evidence("text", (k,)) for k in range(5)]
    measure_interactions(lab, [(square(lab), w) for w in words], [FIRST])
    # The input once alone and once beside the edits of each sense.
    assert sorted(system.encoded) == [("text", 1), ("text", 6), ("vision", 1), ("vision", 2)]


def test_each_set_of_operators_is_told_and_the_mean_is_what_counts():
    lab = see_and_read(Toy, lambda i: 3 + 4 * redness(i) * cat(i))
    found = one(lab, square(lab), WORD, FIRST, SECOND)
    expected = []
    for operator in ("surround", "blur"):
        before, after = reddened(lab, operator)
        expected.append(4 * (before - after))
    assert abs(expected[0] - expected[1]) > 1e-3
    assert found.each == pytest.approx(tuple(expected), abs=1e-5)
    assert found.measured == pytest.approx(np.mean(expected), abs=1e-5)
    plain = found.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["range"] == [min(found.each), max(found.each)]
    assert plain["a"] == {"sense": "vision", "units": list(square(lab).units)}
    assert plain["b"] == {"sense": "text", "units": [20]}
    assert plain["effects"] == pytest.approx(np.mean(found.effects, axis=0))
    assert (plain["kind"], plain["measured"], plain["share"]) == (found.kind, found.measured, found.share)


def test_an_interaction_is_a_share_of_the_largest_effect():
    pair = Interaction(WORD, OTHER, ((-1.0, -2.0, -8.0), (-1.0, -2.0, -4.0)))
    assert pair.each == (-5, -1)
    assert (pair.measured, pair.kind, pair.share) == (-3, "redundancy", 0.5)
    assert Interaction(WORD, OTHER, ((0.0, 0.0, 0.0),)).share == 0


def test_three_senses_pair_by_pair():
    """Sound multiplies what is read; what is seen adds."""
    lab = laboratory(
        Toy(lambda i: 3 + hears_tone(i) * cat(i) / 2 + redness(i)),
        {"vision": picture(), "audio": sound(), "text": SENTENCE},
    )
    heard = Evidence("audio", tuple(range(len(lab.segmentations["audio"]))))
    pairs = [(heard, WORD), (heard, square(lab)), (square(lab), WORD)]
    found, foretold = measure_interactions(lab, pairs, [FIRST]), foretell(lab, pairs, FIRST, nodes=1)
    silent = lab.edited("audio", heard.units, "silence")[0][None]
    expected = float(hears_tone({"audio": lab.prepared["audio"].tensor}) - hears_tone({"audio": silent})) / 2
    assert expected > 1
    assert [f.measured for f in found] == pytest.approx([expected, 0, 0], abs=1e-4)
    assert [f.local for f in foretold] == pytest.approx([expected, 0, 0], abs=1e-4)
    assert [f.path for f in foretold] == pytest.approx([expected, 0, 0], abs=1e-4)


def test_pieces_are_joined_in_one_sense_or_across():
    assert joined(WORD, OTHER) == {"text": (8, 20)}
    assert joined(WORD, Evidence("vision", (3, 1))) == {"text": (20,), "vision": (3, 1)}
    assert WORD.edit() == {"text": (20,)}


def test_pieces_that_share_a_unit_are_refused():
    both = Evidence("text", (7, 8, 20))
    with pytest.raises(InputError, match=r"^interactions: both pieces hold text unit 8; give pieces that share none$"):
        joined(both, Evidence("text", (8, 20, 21)))
    with pytest.raises(InputError, match="both pieces hold text unit 20"):
        one(read(lambda c, s: c * s), WORD, both)


def test_no_operators_are_refused():
    with pytest.raises(InputError, match="interactions: no infill operators; give at least one set"):
        measure_interactions(read(lambda c, s: c * s), [(WORD, OTHER)], [])


@pytest.mark.parametrize("nodes", [0, -2])
def test_no_nodes_are_refused(nodes: int):
    with pytest.raises(InputError, match=rf"interactions: {nodes} nodes; give at least 1"):
        told(read(lambda c, s: c * s), WORD, OTHER, nodes=nodes)


@pytest.mark.parametrize("ask", [lambda lab, pairs, o: measure_interactions(lab, pairs, [o]), foretell])
def test_an_unknown_unit_or_operator_is_refused(ask: Callable[[Laboratory, Sequence[Any], Mapping[str, str]], Any]):
    lab = read(lambda c, s: c * s)
    with pytest.raises(InputError, match="names unit 30"):
        ask(lab, [(WORD, Evidence("text", (30,)))], FIRST)
    with pytest.raises(InputError, match="no infill operator 'burn'"):
        ask(lab, [(WORD, OTHER)], {"text": "burn"})


def test_a_score_that_is_not_finite_is_told():
    lab = read(lambda c, s: (c + s).log())
    with pytest.raises(ContractError, match="not finite under the text operator 'mask'"):
        one(lab, WORD, OTHER)


def test_a_second_derivative_that_is_not_finite_is_told():
    lab = read(lambda c, s: ((c - 1) * (s - 1)).abs().sqrt())
    with pytest.raises(ContractError, match="not finite"):
        told(lab, WORD, OTHER)


def test_no_pair_has_no_interaction():
    lab = read(lambda c, s: c * s)
    assert measure_interactions(lab, [], [FIRST]) == ()
    assert foretell(lab, [], FIRST) == ()
    assert lab.passes == 0
    assert EARS.name not in lab.prepared
