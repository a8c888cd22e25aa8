"""Pairs: found where evidence acts together more than random evidence does, and only there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.fusion.test_coalitions import WEIGHTS, cat, redness
from tests.fusion.test_interactions import OTHER, TWO, WORD, read, square
from tests.toys import (
    EYES,
    READER,
    SENTENCE,
    TABLE,
    TOKENIZER,
    Split,
    Toy,
    hears_tone,
    laboratory,
    linear,
    picture,
    sound,
)
from veridical.errors import ContractError, InputError
from veridical.fusion.coalitions import Coalitions, measure_coalitions
from veridical.fusion.frame import contributions
from veridical.fusion.interactions import Evidence, Interaction, measure_interactions
from veridical.fusion.measure import Laboratory
from veridical.modalities.path import gradient_times_change
from veridical.verifier import pairs
from veridical.verifier.pairs import (
    PairSearch,
    PairSettings,
    PairTest,
    check_pairs,
    find_pairs,
    gather,
    propose_pairs,
)
from veridical.verifier.places import ringed
from veridical.verifier.verify import operators_of

Score = Callable[[Mapping[str, Tensor]], Tensor]
ALL = {"vision": picture(), "audio": sound(), "text": SENTENCE}
MASK = {"text": "mask"}
THREE = {"most": 3, "controls": 59}
"""Settings with which one of three pairs can be found."""


def multiply(i: Mapping[str, Tensor]) -> Tensor:
    """What is seen counts only where it is read, and the other way round."""
    return 3 + 4 * redness(i) * cat(i)


def see_and_read(score: Score = multiply, text: str = SENTENCE) -> Laboratory:
    return laboratory(Toy(score, EYES, READER), {"vision": picture(), "text": text})


def blank(lab: Laboratory) -> dict[str, np.ndarray]:
    return {m: np.zeros(len(s)) for m, s in lab.segmentations.items()}


def evidence(lab: Laboratory, **options: Any) -> tuple[Evidence, ...]:
    return gather(lab, [blank(lab)], operators_of(lab, 2), PairSettings(**{**THREE, **options}))


def check(lab: Laboratory, *proposed: Interaction, seed: int = 0, **options: Any) -> tuple[PairTest, ...]:
    operators = operators_of(lab, 1)[0]
    return check_pairs(lab, proposed, operators, np.random.default_rng(seed), PairSettings(**{**THREE, **options}))


def measured(lab: Laboratory, a: Evidence, b: Evidence) -> Interaction:
    return measure_interactions(lab, [(a, b)], operators_of(lab, 2))[0]


def made(*each: float, size: float = 4.0) -> Interaction:
    """Of "cat" and "siren", with these interactions by operator, and a largest effect of so many nats."""
    return Interaction(WORD, OTHER, tuple((0.0, -size, value - size) for value in each))


def present(inputs: Mapping[str, Tensor]) -> Tensor:
    """Which of the thirty words are there: neither masked nor deleted."""
    token = TABLE[TOKENIZER.convert_tokens_to_ids("[MASK]")]
    return ((inputs["text"] - token).abs().sum(-1) > 1e-4).float()[:, 1:31]


def test_a_word_and_a_region_that_multiply_are_found_with_the_smallest_p_there_is():
    lab = see_and_read()
    found = check(lab, measured(lab, square(lab), WORD), most=1)[0]
    assert found.found
    assert found.interaction.measured > 1
    # Of thirty words all that are not "cat" or beside it: each once.
    assert found.controls[1] == 27
    assert 27 <= found.controls[0] <= 59
    assert found.p == pytest.approx(1 / 28)


@pytest.mark.parametrize("ranked", [True, False], ids=["gradient", "nothing to go by"])
def test_from_gathering_to_the_test_the_pair_is_found(ranked: bool):
    lab = see_and_read()
    slopes = gradient_times_change(lab.system, lab.prepared, lab.action)
    ranking = contributions(lab.system, lab.prepared, lab.segmentations, slopes) if ranked else blank(lab)
    pieces = gather(lab, [ranking], operators_of(lab, 2), PairSettings(**THREE))
    assert [e.sense for e in pieces] == ["vision", "text"]
    assert pieces[1] == WORD if ranked else 20 in pieces[1].units
    assert len(pieces[1].units) <= 2
    assert set(pieces[0].units) & set(square(lab).units)
    proposed = propose_pairs(lab, pieces, operators_of(lab, 2), PairSettings(**THREE))
    assert [(i.a, i.b) for i in proposed] == [pieces]
    told = check(lab, *proposed)[0]
    assert told.found
    assert told.p == pytest.approx(1 / (1 + min(told.controls)))


@pytest.mark.parametrize("seed", range(3))
def test_where_effects_add_up_no_pair_is_ever_found(seed: int):
    lab = laboratory(Toy(lambda i: 3 + 3 * redness(i) + 3 * cat(i) + linear(WEIGHTS)(i)), ALL)
    pieces = evidence(lab)
    assert {"vision", "text"} <= {e.sense for e in pieces}
    proposed = propose_pairs(lab, pieces, operators_of(lab, 2), PairSettings(**THREE))
    assert len(proposed) == len(pieces) * (len(pieces) - 1) // 2
    spent = lab.passes
    told = check(lab, *proposed, seed=seed)
    assert [(t.p, t.found, t.controls) for t in told] == [(None, False, (0, 0))] * len(proposed)
    assert lab.passes == spent  # what is small is not tested


def test_what_every_pair_does_is_nothing_special():
    """Every two words interact alike: those that were proposed are among equals."""
    lab = laboratory(Toy(lambda i: present(i).sum(1) ** 2 / 64 + 0 * i["text"].sum((1, 2)), READER), {"text": SENTENCE})
    pair = measure_interactions(lab, [(WORD, OTHER)], [MASK])[0]
    assert pair.measured == 2 / 64
    told = check(lab, pair, most=1, least=0, nats=0)[0]
    assert told.controls == (26, 26)  # not one of three words beside it, nor the other one
    assert told.p == 1
    assert not told.found


def test_a_pair_drawn_at_random_is_seldom_found():
    """Words interact at random, and so does the pair: p is at most alpha as often as alpha at most."""
    ps = []
    for seed in range(20):
        made_up = torch.Generator().manual_seed(seed)
        matrix = torch.randn(30, 30, generator=made_up).triu(1)
        lab = laboratory(
            Toy(lambda i, m=matrix: 200 + torch.einsum("ba,ac,bc->b", present(i), m, present(i)), READER),
            {"text": SENTENCE},
        )
        a, b = np.random.default_rng(seed).choice(30, 2, replace=False).tolist()
        pair = measure_interactions(lab, [(Evidence("text", (a,)), Evidence("text", (b,)))], [MASK])[0]
        assert pair.measured == pytest.approx(float(matrix[min(a, b), max(a, b)]), abs=1e-3)
        ps.append(check(lab, pair, seed=seed, most=1, least=0, nats=0, alpha=0.2)[0].p)
    assert sum(p <= 0.2 for p in ps) <= 0.2 * len(ps)
    assert max(ps) > 0.7


def test_parts_of_the_evidence_do_not_stand_in_for_it():
    """Nothing near the evidence is a control: parts of one thing play its part."""
    lab = see_and_read()
    seen: list[set[int]] = []
    original = lab.measure

    def watched(edits: Any, operators: Any) -> Any:
        seen.extend({*edit.get("vision", ())} for edit in edits)
        return original(edits, operators)

    pair = measured(lab, square(lab), WORD)
    lab.measure = watched
    check(lab, pair, most=1)
    around = set(ringed(lab.segmentations["vision"], square(lab).units))
    others = [units for units in seen if units and units != set(square(lab).units)]
    assert len(others) > 50
    assert all(units.isdisjoint(around) for units in others)


def test_with_more_pairs_the_same_evidence_is_not_enough():
    lab = see_and_read()
    pair = measured(lab, square(lab), WORD)
    idle = [measured(lab, square(lab), Evidence("text", (k,))) for k in (2, 5)]
    alone, among = check(lab, pair)[0], check(lab, pair, *idle)
    assert alone.found
    assert among[0].p == pytest.approx(3 / 28)
    assert [t.found for t in among] == [False, False, False]


@pytest.mark.parametrize(
    ("pair", "tested"),
    [
        (made(1.0, 1.0), True),
        (made(0.99, 0.99), False),  # less than a quarter of the largest effect
        (made(-1.6, -1.4), True),
        (made(0.5, 0.5, size=1.0), True),
        (made(0.49, 0.49, size=1.0), False),  # less than half a nat
        (made(3.0, -0.1), False),  # not of one sign
        (made(3.0, 0.0), False),
        (made(0.0, 0.0), False),
    ],
)
def test_only_what_is_large_and_of_one_sign_is_tested(pair: Interaction, tested: bool, monkeypatch):
    monkeypatch.setattr(pairs, "_against_random", lambda *args: (0.01, (99, 99)))
    told = check(read(lambda c, s: c * s), pair, most=1)[0]
    assert told == PairTest(pair, 0.01 if tested else None, (99, 99) if tested else (0, 0), tested)


def test_how_large_is_large_can_be_set(monkeypatch):
    monkeypatch.setattr(pairs, "_against_random", lambda *args: (0.01, (99, 99)))
    lab = read(lambda c, s: c * s)
    assert not check(lab, made(0.3, 0.3))[0].found
    assert not check(lab, made(0.3, 0.3), nats=0.2)[0].found
    assert not check(lab, made(0.3, 0.3), least=0.05)[0].found
    assert check(lab, made(0.3, 0.3), nats=0.2, least=0.05)[0].found


@pytest.mark.parametrize(
    ("ps", "adjusted"),
    [
        ([0.01], [0.01]),
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.03, 0.03, 0.01], [0.06, 0.06, 0.03]),
        ([0.5, 0.9, 0.6], [1.0, 1.0, 1.0]),
        ([0.01, None, 0.03], [0.03, None, 0.06]),  # what is not tested counts
        ([None, None, 0.02], [None, None, 0.06]),
    ],
)
def test_p_values_are_corrected_by_holm_over_all_that_were_proposed(ps, adjusted, monkeypatch):
    raw = iter([p for p in ps if p is not None])
    monkeypatch.setattr(pairs, "_against_random", lambda *args: (next(raw), (99, 99)))
    told = check(read(lambda c, s: c * s), *[made(0.0 if p is None else 2.0) for p in ps])
    assert [t.p for t in told] == [None if p is None else pytest.approx(p) for p in adjusted]
    assert [t.found for t in told] == [p is not None and p <= 0.05 for p in adjusted]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_a_corrected_p_lies_between_the_raw_one_and_bonferronis_and_keeps_the_order(ps: list[float]):
    found = dict(enumerate(pairs.holm(ps)))
    for k, p in enumerate(ps):
        assert p <= found[k] <= min(1, len(ps) * p) + 1e-12 or found[k] == max(found.values())
    order = sorted(range(len(ps)), key=lambda k: ps[k])
    assert [found[k] for k in order] == sorted(found.values())
    assert found[order[0]] == pytest.approx(min(1, len(ps) * ps[order[0]]))


def test_of_two_sides_the_larger_p_counts():
    """Words multiply what is seen, so that one region alone is special; the word is so only if it counts for more."""
    p = {}
    for more in (1, 0):
        lab = see_and_read(lambda i, more=more: 3 + 4 * redness(i) * (present(i).sum(1) + more * cat(i)) / 4)
        pair = measure_interactions(lab, [(square(lab), WORD)], operators_of(lab, 1))[0]
        told = check(lab, pair, most=1, least=0, nats=0.1)[0]
        p[more] = told.p
        assert told.found == bool(more)
    assert p[1] == pytest.approx(1 / 28)
    assert p[0] > 0.2


def test_where_nothing_can_stand_in_nothing_is_found():
    lab = see_and_read(text="cat")
    told = check(lab, measured(lab, square(lab), Evidence("text", (0,))), most=1)[0]
    assert (told.p, told.found, told.controls[1]) == (1.0, False, 0)


def test_the_draw_is_the_seeds_and_only_the_seeds():
    def told(seed: int) -> tuple[tuple[PairTest, ...], int]:
        lab = see_and_read(lambda i: multiply(i) + torch.tanh(linear(SEEN)(i)))
        pair = measured(lab, square(lab), WORD)
        return check(lab, pair, seed=seed, most=1), lab.passes

    assert told(1) == told(1)


SEEN = {m: WEIGHTS[m] for m in ("vision", "text")}


def test_within_a_sense_the_other_piece_is_kept_clear_of():
    lab = read(lambda c, s: 4 * c * s)
    pair = measure_interactions(lab, [(WORD, OTHER)], [MASK])[0]
    told = check(lab, pair, most=1)[0]
    assert told.controls == (26, 26)
    assert told.p == pytest.approx(1 / 27)
    assert told.found


def test_pairs_of_different_senses_are_proposed_strongest_first():
    lab = laboratory(Toy(lambda i: multiply(i) + 0 * i["audio"].sum(1)), ALL)
    heard = Evidence("audio", (0, 1))
    pieces = [heard, square(lab), WORD, OTHER, WORD]
    operators = operators_of(lab, 2)
    found = propose_pairs(lab, pieces, operators, PairSettings(most=10, controls=199))
    assert {(i.a, i.b) for i in found} == {
        (heard, square(lab)),
        (heard, WORD),
        (heard, OTHER),
        (square(lab), WORD),
        (square(lab), OTHER),
    }
    assert (found[0].a, found[0].b) == (square(lab), WORD)
    sizes = [abs(i.measured) for i in found]
    assert sizes == sorted(sizes, reverse=True)
    assert propose_pairs(lab, pieces, operators, PairSettings(most=2)) == found[:2]


def test_pairs_of_one_sense_are_proposed_where_asked_unless_they_share_a_unit():
    lab = read(lambda c, s: 4 * torch.maximum(c, s))
    pieces = [WORD, OTHER, Evidence("text", (7, 8))]
    operators = operators_of(lab, 2)
    assert propose_pairs(lab, pieces, operators) == ()
    found = propose_pairs(lab, pieces, operators, PairSettings(**THREE), within=True)
    assert {(i.a, i.b) for i in found} == {(WORD, OTHER), (WORD, pieces[2])}
    assert [i.measured for i in found] == [-4, -4]


def test_evidence_is_what_counts_under_every_operator_and_its_passes_are_counted():
    calls: list[int] = []

    def counted(i: Mapping[str, Tensor]) -> Tensor:
        calls.append(len(i["text"]))
        return multiply(i) + 0 * i["audio"].sum(1)

    lab = laboratory(Toy(counted), ALL)
    calls.clear()
    pieces = evidence(lab)
    assert [e.sense for e in pieces] == ["vision", "text"]  # what is heard does nothing
    assert lab.passes == sum(calls)
    assert calls.count(1) == 1  # the input alone, once for all senses
    for piece in pieces:
        for operators in operators_of(lab, 2):
            assert float(lab.measure([piece.edit()], operators).effect[0]) <= -0.1
    again = lab.passes
    assert evidence(lab) == pieces
    assert lab.passes == again


def test_a_budget_of_few_groups_is_kept():
    lab = laboratory(Toy(lambda i: multiply(i) + 0 * i["audio"].sum(1)), ALL)
    evidence(lab, groups=4)
    # Of each sense and operator four groups, each perhaps in a batch of its own beside the input.
    assert lab.passes <= 3 * 2 * 2 * 4 + 1


def test_a_sense_without_units_has_no_evidence():
    lab = see_and_read(lambda i: 5 * redness(i) + 0 * i["text"].sum((1, 2)), text="")
    assert [e.sense for e in evidence(lab)] == ["vision"]


def test_more_pairs_than_there_are_controls_for_are_refused():
    lab = read(lambda c, s: c * s)
    with pytest.raises(InputError, match=r"pairs: 4 were proposed; the test has controls for 3 at most"):
        check(lab, *[made(2.0)] * 4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"alpha": 0.0},
        {"alpha": 1.0},
        {"together": -0.1},
        {"largest": 0.0},
        {"largest": 1.1},
        {"least": -0.1},
        {"nats": -0.1},
        {"most": 0},
        {"groups": 0},
        {"controls": 58},
        {"most": 4},
        {"alpha": 0.01},
    ],
)
def test_settings_with_which_nothing_could_be_found_are_refused(wrong: dict[str, Any]):
    with pytest.raises(InputError, match=r"pairs: PairSettings\(.*\); alpha is between 0 and 1"):
        PairSettings(**{**THREE, **wrong})


def test_how_many_controls_are_wanted_is_told():
    with pytest.raises(InputError, match=r"controls at least most / alpha - 1 \(299 here\)"):
        PairSettings(**{**THREE, "alpha": 0.01})
    with pytest.raises(InputError, match=r"\(33 here\)"):
        PairSettings(alpha=0.03, most=1, controls=32)
    assert PairSettings(alpha=0.03, most=1, controls=33)


@pytest.mark.parametrize(("most", "alpha", "controls"), [(3, 0.05, 59), (3, 0.15, 19), (9, 0.03, 299), (1, 0.05, 19)])
def test_with_the_fewest_controls_that_are_admitted_a_pair_can_be_found(most, alpha, controls, monkeypatch):
    """Whatever rounding does to the products."""
    monkeypatch.setattr(pairs, "_against_random", lambda *args: (1 / (controls + 1), (controls, controls)))
    told = check(
        read(lambda c, s: c * s),
        made(2.0),
        *[made(0.0)] * (most - 1),
        most=most,
        alpha=alpha,
        controls=controls,
    )
    assert told[0].found


def look(lab: Laboratory, coalitions: Coalitions | None = None, **options: Any) -> PairSearch:
    coalitions = coalitions or measure_coalitions(lab.system, lab.prepared, lab.action)
    rng = np.random.default_rng(0)
    return find_pairs(lab, coalitions, [blank(lab)], operators_of(lab, 2), rng, PairSettings(**options))


def test_pairs_are_looked_for_in_the_two_senses_that_act_together_most():
    system = Split(lambda i: multiply(i) + 0.2 * hears_tone(i) * cat(i))
    lab = laboratory(system, ALL)
    coalitions = measure_coalitions(system, lab.prepared, lab.action)
    index = coalitions.interaction()
    assert index[frozenset({"vision", "text"})] > index[frozenset({"audio", "text"})] > 0.5
    system.encoded.clear()
    found = look(lab, coalitions)
    assert found.senses == ("vision", "text")
    assert found.index == index[frozenset(found.senses)]
    assert found.wanted == max(0.1 * coalitions.difference, 0.5)
    assert found.looked
    assert all(rows == 1 for m, rows in system.encoded if m == "audio")  # what is heard is not edited
    assert [(t.interaction.a.sense, t.interaction.b.sense) for t in found.tests] == [found.senses]
    assert found.tests[0].found
    assert found.tests[0].interaction.b.units[-1] == WORD.units[0]


def test_where_no_senses_act_together_nothing_is_edited():
    lab = laboratory(Toy(lambda i: 3 + 3 * redness(i) + 3 * cat(i) + linear(WEIGHTS)(i)), ALL)
    found = look(lab)
    assert len(found.senses) == 2
    assert abs(found.index) < 1e-4
    assert (found.looked, found.tests, lab.passes) == (False, (), 0)


@pytest.mark.parametrize(
    ("both", "options", "looked"),
    [
        (10.0, {"together": 0.29}, True),
        (10.0, {"together": 0.31}, False),
        (10.0, {"together": 0.31, "nats": 0.0}, False),
        (7.4, {"together": 0.0}, False),  # 0.4 nats are fewer than half a nat
        (7.4, {"together": 0.0, "nats": 0.39}, True),
        (4.0, {"together": 0.7}, True),  # that each stands in for the other counts alike
        (4.0, {"together": 0.8}, False),
    ],
)
def test_how_much_senses_must_act_together_can_be_set(both: float, options: dict[str, Any], looked: bool):
    """Two senses do 3 and 4 nats alone."""
    values = {(): 0.0, ("vision",): 3.0, ("text",): 4.0, ("vision", "text"): both}
    made_up = Coalitions(("vision", "text"), {frozenset(members): v for members, v in values.items()})
    lab = see_and_read()
    found = look(lab, made_up, **options)
    assert found.index == pytest.approx(both - 7)
    assert found.looked is looked
    assert bool(found.tests) is looked
    assert bool(lab.passes) is looked


def test_one_sense_alone_has_no_pair():
    found = look(read(lambda c, s: 4 * c * s))
    assert (found.senses, found.index, found.looked, found.tests) == ((), 0.0, False, ())


def test_a_sense_without_units_is_not_looked_into():
    lab = see_and_read(lambda i: 5 * redness(i) + 0 * i["text"].sum((1, 2)), text="")
    assert look(lab) == PairSearch((), 0.0, look(lab).wanted)


def test_where_a_sense_holds_nothing_that_counts_no_pair_is_tested():
    """Without "cat" the score rises: nothing that is read speaks for the decision."""
    lab = see_and_read(lambda i: 3 - 4 * redness(i) * cat(i) + 8 * redness(i))
    found = look(lab, nats=0.1)
    assert found.looked
    assert found.index < 0
    assert found.tests == ()


def test_evidence_is_gathered_where_it_is_asked_for():
    lab = laboratory(Toy(lambda i: multiply(i) + 0.2 * hears_tone(i)), ALL)
    options = PairSettings()
    every = gather(lab, [blank(lab)], operators_of(lab, 2), options)
    some = gather(lab, [blank(lab)], operators_of(lab, 2), options, ["text", "audio"])
    assert [e.sense for e in every] == ["vision", "audio", "text"]
    assert some == every[1:]
    assert gather(lab, [blank(lab)], operators_of(lab, 2), options, []) == ()


def test_a_test_is_told_in_plain_values():
    told = PairTest(made(2.0, 3.0), 0.02, (27, 59), True)
    plain = told.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["p"] == 0.02
    assert plain["controls"] == [27, 59]
    assert plain["found"] is True
    assert plain["measured"] == 2.5
    assert replace(told, p=None).to_dict()["p"] is None


def test_a_system_that_breaks_down_under_an_edit_cannot_be_searched():
    lab = laboratory(Toy(lambda i: cat(i).log() + 1, READER), {"text": TWO})
    with pytest.raises(ContractError, match="not finite under the text operator 'mask'"):
        evidence(lab)
