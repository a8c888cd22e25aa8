from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veridical.agent.record.budget import plan
from veridical.agent.record.coding import EXACT, LADDER

PICTURES = [f"counterfactual.c{k}.{operator}.vision" for k in (1, 2, 10) for operator in ("blur", "surround")]
NAMES = [
    *PICTURES,
    "vision.frames",
    "vision.saliency",
    "audio.saliency",
    "audio.spectrogram",
    "fusion.depth.0",
    "fusion.depth.10",
    "fusion.depth.2",
    "fusion.attention.vision",
]
MAPS = frozenset(n for n in NAMES if n.endswith(".saliency") or "depth" in n)
TOLD = len("over the record's budget") + 6


def size(name, coding):
    """1000 bytes each; a map takes less on each rung, and audio's takes no less from int8 on."""
    rung = min(LADDER.index(coding), 2 if name == "audio.saliency" else 9)
    return 1000 // 2**rung


def test_without_a_bound_everything_is_as_asked():
    free = plan(NAMES, MAPS, size, None)
    assert set(free.codings) == set(NAMES)
    assert set(free.codings.values()) == {EXACT}
    assert free.total == 1000 * len(NAMES)
    assert free.omitted == {}
    coarse = plan(NAMES, MAPS, size, None, LADDER[3])
    assert {name for name, coding in coarse.codings.items() if coding != EXACT} == MAPS
    assert coarse.codings["audio.saliency"] == LADDER[2], "a coarser coding that saves nothing is not taken"


def test_pictures_go_first_those_of_the_last_claim_first():
    room = 1000 * (len(NAMES) - 3) + 200
    found = plan(NAMES, MAPS, size, room)
    assert set(found.omitted) == {PICTURES[5], PICTURES[4], PICTURES[3]}
    assert set(found.codings.values()) == {EXACT}
    assert found.total <= room


def test_then_maps_are_coarser_rung_by_rung():
    least = 1000 * (len(NAMES) - 6) + sum(len(name) + TOLD for name in PICTURES)
    for rung in (1, 2, 3):
        saved = sum(1000 - min(size(name, coding) for coding in LADDER[: rung + 1]) for name in MAPS)
        found = plan(NAMES, MAPS, size, least - saved)
        assert set(found.omitted) == set(PICTURES)
        assert found.codings["vision.saliency"] == LADDER[rung]
        assert found.total == least - saved


def test_then_layers_attention_and_the_spectrogram_go_and_the_maps_get_back_what_fits():
    small = plan(NAMES, MAPS, size, 0)
    assert set(small.codings) == {"vision.frames", "vision.saliency", "audio.saliency"}
    assert list(small.omitted)[6:] == [
        "fusion.depth.0",
        "fusion.depth.2",
        "fusion.depth.10",
        "fusion.attention.vision",
        "audio.spectrogram",
    ]
    assert plan(NAMES, MAPS, size, small.total).codings == small.codings
    more = plan(NAMES, MAPS, size, small.total + 400)
    assert more.codings["vision.saliency"] == LADDER[2]
    assert more.omitted == small.omitted


def test_what_costs_less_than_to_say_that_it_is_gone_stays():
    found = plan(["fusion.attention.vision", "x"], (), lambda name, _: 10, 0)
    assert set(found.codings) == {"fusion.attention.vision", "x"}


@given(st.integers(0, 20_000))
def test_the_plan_is_the_same_twice_and_holds_where_it_can(room):
    found = plan(NAMES, MAPS, size, room)
    assert found == plan(reversed(NAMES), MAPS, size, room)
    least = plan(NAMES, MAPS, size, 0).total
    assert found.total <= max(room, least)
    assert set(found.codings) | set(found.omitted) == set(NAMES)
    assert found.total == pytest.approx(
        sum(size(n, c) for n, c in found.codings.items()) + sum(len(n) + TOLD for n in found.omitted)
    )
