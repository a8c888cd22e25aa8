from __future__ import annotations

import json

import numpy as np
import pytest

from tests.agent.audit.period_sample import decision
from veridical.agent.audit.decided import read_decisions
from veridical.agent.audit.drifts import drifts, halves
from veridical.errors import InputError


def stream(count, seed, supported=0.7, vision=3.0, **changed):
    rng = np.random.default_rng(seed)
    return read_decisions(
        [
            decision(
                i,
                verdict="supported" if rng.random() < supported else "unsupported",
                action=str(rng.choice(["STOP", "SLOW"])),
                shares={"vision": float(rng.normal(vision, 1)), "audio": float(rng.normal(1, 0.5))},
                **changed,
            )
            for i in range(count)
        ]
    )


def test_what_changed_is_found_and_what_did_not_is_not():
    found = drifts(stream(100, 0), stream(100, 1, supported=0.3, vision=1.0))
    assert {c.what for c in found.changes if c.changed} == {"verdicts", "part of the microphone", "part of the camera"}
    assert {c.what for c in found.changes if not c.changed} == {"actions"}
    told = found.changes[0].told()
    assert told.startswith("verdicts: changed; most of all supported, from 66")
    assert all(c.adjusted >= c.p for c in found.changes)
    json.dumps(found.to_dict(), allow_nan=False)


def test_where_nothing_changed_a_change_is_seldom_named():
    false = sum(any(c.changed for c in drifts(stream(40, 2 * s), stream(40, 2 * s + 1)).changes) for s in range(40))
    assert false <= 6  # P(more | 5 %) = 0.003


def test_alike_parts_have_p_one():
    same = stream(30, 3)
    assert all(c.adjusted == 1.0 for c in drifts(same, same).changes)


def test_too_few_are_not_tested_and_it_says_so():
    found = drifts(stream(9, 0), stream(30, 1))
    assert found.changes == ()
    assert found.notes == ("Not tested: 9 and 30 decisions; each part needs 10 at least.",)
    assert drifts([], []).split == ""


def test_another_system_is_told():
    other = stream(12, 1, system={"name": "courier", "digest": "sha256:other"})
    assert drifts(stream(12, 0), other).notes[-1].startswith("The two parts were not decided by the same systems")


def test_halves_go_by_time_and_a_level_is_a_level():
    first, second = halves(read_decisions([decision(n) for n in (4, 0, 3, 1, 2)]))
    assert [d.id[-1] for d in (*first, *second)] == list("01234")
    assert len(first) == 2
    with pytest.raises(InputError, match="alpha 1"):
        drifts(first, second, alpha=1.0)
