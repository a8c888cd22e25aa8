"""Shares of the senses: what they contribute, and how far that is a matter of convention."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fusion.test_coalitions import GAMES, OBSERVATION, WEIGHTS, cat, game, redness
from tests.toys import EYES, RATE, READER, SENTENCE, SIDE, Split, Toy, laboratory, linear, picture
from veridical.fusion.coalitions import Coalitions, measure_coalitions
from veridical.fusion.condition import Condition, conditions
from veridical.fusion.frame import MapOrigin, fuse
from veridical.fusion.senses import SenseShare, sense_shares
from veridical.modalities.path import PathSettings, integrate_path

WORKING = Condition("working")
WITHOUT_WORDS = {**WEIGHTS, "text": torch.ones(2, 8)}


def shares_of(found: Coalitions, contributions: Mapping[str, float], error: float = 0.0) -> dict[str, SenseShare]:
    told = sense_shares(contributions, found, dict.fromkeys(found.senses, WORKING), error)
    return {s.sense: s for s in told}


def along_the_path(system: Any, observation: Mapping[str, Any]) -> tuple[dict[str, SenseShare], float]:
    """Shares along the joint path, and the score's difference."""
    lab = laboratory(system, observation)
    path = integrate_path(system, lab.prepared, 0, PathSettings(first=32, last=256, tolerance=1e-4, map_tolerance=1e-3))
    fused = fuse(system, lab.prepared, lab.segmentations, path.gradients, MapOrigin("it", "joint path", path.gap, {}))
    found = measure_coalitions(system, lab.prepared, 0)
    told = sense_shares(fused.shares, found, conditions(system, lab.prepared))
    return {s.sense: s for s in told}, path.difference


@given(GAMES, st.lists(st.floats(-50, 50), min_size=4, max_size=4), st.floats(0, 1))
@settings(deadline=None)
def test_the_interval_holds_what_is_contributed_alone_last_and_on_average(
    values: list[float], own: list[float], error: float
):
    found = game(*values)
    told = shares_of(found, dict(zip(found.senses, own, strict=False)), error)
    assert list(told) == list(found.senses)
    for s in told.values():
        assert s.low <= min(s.contribution, s.alone, s.last)
        assert max(s.contribution, s.alone, s.last) <= s.high
        assert s.low - 1e-9 <= s.shapley <= s.high + 1e-9
    assert sum(s.shapley for s in told.values()) == pytest.approx(found.difference, abs=1e-9)


def test_where_effects_add_up_the_interval_is_a_point():
    told = shares_of(game(1, 3, 0.5, 2.5), {"vision": 2.0, "audio": -0.5})
    for m, value in (("vision", 2.0), ("audio", -0.5)):
        assert told[m] == SenseShare(m, value, value, value, value, value, value, WORKING)


def test_where_only_the_combination_counts_the_interval_is_all_of_it():
    told = shares_of(game(0, 0, 0, 4), {"vision": 1.0, "audio": 3.0})
    assert told["vision"] == SenseShare("vision", 1.0, 0.0, 4.0, 0.0, 4.0, 2.0, WORKING)
    assert told["audio"] == SenseShare("audio", 3.0, 0.0, 4.0, 0.0, 4.0, 2.0, WORKING)


def test_orders_between_first_and_last_widen_the_interval():
    """With a second sense vision does 9, alone and last nothing."""
    told = shares_of(game(0, 0, 0, 0, 9, 0, 0, 0), {"vision": 0.0, "audio": 0.0, "text": 0.0})
    assert (told["vision"].alone, told["vision"].last) == (0, 0)
    assert (told["vision"].low, told["vision"].high) == (0, 9)
    assert (told["text"].low, told["text"].high) == (-9, 0)


def test_an_error_of_the_account_widens_the_interval_by_its_share():
    told = shares_of(game(1, 3, 0.5, 2.5), {"vision": 2.0, "audio": -0.5}, error=0.1)
    assert (told["vision"].low, told["vision"].high) == pytest.approx((1.8, 2.2))
    assert (told["audio"].low, told["audio"].high) == pytest.approx((-0.55, -0.45))


@pytest.mark.parametrize("kind", [Toy, Split])
def test_of_a_linear_system_path_alone_last_and_mean_agree(kind: type[Toy]):
    told, difference = along_the_path(kind(linear(WEIGHTS, 5.0)), OBSERVATION)
    assert list(told) == ["vision", "audio", "text"]
    for s in told.values():
        assert s.high - s.low < 1e-3
        assert s.contribution == pytest.approx(s.shapley, abs=1e-3)
    assert sum(s.contribution for s in told.values()) == pytest.approx(difference, abs=1e-3)


def test_of_a_product_the_path_shares_out_by_its_schedules():
    """Vision rises as u^3 and text as u^4, so that of their product 3/7 and 4/7 fall to them."""
    system = Toy(lambda i: 5 * redness(i) * cat(i) + 1, EYES, READER)
    told, difference = along_the_path(system, {"vision": picture(), "text": SENTENCE})
    together = told["vision"].last
    assert told["vision"].alone == 0
    assert together > 1
    assert told["vision"].contribution == pytest.approx(3 / 7 * together, rel=5e-3)
    assert told["text"].contribution == pytest.approx(difference - 3 / 7 * together, rel=5e-3)
    assert told["vision"].shapley == pytest.approx(together / 2, rel=1e-4)
    assert (told["vision"].low, told["vision"].high) == pytest.approx((0, together))


def test_a_sense_that_is_absent_or_broken_has_nothing_and_says_why():
    system = Toy(lambda i: linear({m: WEIGHTS[m] for m in i})(i) + 5)
    black = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    told, difference = along_the_path(system, {"vision": black, "text": SENTENCE})
    assert {m: s.condition.state for m, s in told.items()} == {
        "vision": "black",
        "audio": "absent",
        "text": "working",
    }
    for m in ("vision", "audio"):
        values = (told[m].contribution, told[m].low, told[m].high, told[m].alone, told[m].last, told[m].shapley)
        assert values == pytest.approx((0,) * 6, abs=1e-5)
    assert told["text"].contribution == pytest.approx(difference, abs=1e-3)


def test_a_silent_microphone_and_an_empty_text_have_nothing():
    told, _ = along_the_path(
        Toy(linear(WITHOUT_WORDS)), {"vision": picture(), "audio": np.zeros(RATE, np.float32), "text": ""}
    )
    assert (told["audio"].condition.state, told["text"].condition.state) == ("silent", "empty")
    assert all(told[m].low == told[m].high == told[m].contribution == 0 for m in ("audio", "text"))


def test_shares_are_told_in_the_order_of_the_system_as_plain_values():
    states = {"text": WORKING, "touch": Condition("absent", "It was not given."), "vision": WORKING}
    values = {(): 0.0, ("vision",): 1.0, ("text",): 2.0, ("vision", "text"): 4.0}
    found = Coalitions(("vision", "text"), {frozenset(members): v for members, v in values.items()})
    told = sense_shares({"vision": 1.5, "text": 2.5}, found, states)
    assert [s.sense for s in told] == ["text", "touch", "vision"]
    plain = [s.to_dict() for s in told]
    assert json.loads(json.dumps(plain)) == plain
    assert plain[1] == {
        **dict.fromkeys(("contribution", "low", "high", "alone", "last", "shapley"), 0.0),
        "sense": "touch",
        "condition": "absent",
        "told": "It was not given.",
    }
    assert plain[0]["alone"] == 2.0
    assert plain[0]["last"] == 3.0
