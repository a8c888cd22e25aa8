from __future__ import annotations

import pytest

from tests.agent.audit.period_sample import decision, ground
from veridical.agent.audit.decided import read_decisions
from veridical.agent.audit.forbidden import forbidden
from veridical.errors import InputError


def test_it_counts_what_rests_on_it_and_names_the_records():
    made = [
        decision(0, labels={"g": "a"}, reliance=[ground("Pink Patch", 0.05)]),
        decision(1, labels={"g": "a"}, reliance=[ground("pink patch", 0.4, kind="evidence")], verdict="unsupported"),
        decision(2, labels={"g": "b"}, reliance=[ground("pink patch", 0.4, sign=1)]),
        decision(3, labels={"g": "b"}, reliance=[ground("cat", 0.9)]),
        decision(4, verdict=None, reliance=[ground("pink patch", 0.9)]),
    ]
    (told,) = forbidden(read_decisions(made), ["pink  patch"], by="g")
    assert told.ids == ("d00001", "d00000")
    assert (told.rests.count, told.rests.of, told.leans.count, told.supported) == (2, 4, 1, 1)
    assert told.seen == ("pink patch (seen)",)
    assert [(r.name, r.count, r.of) for r in told.by_group] == [("a", 2, 2), ("b", 0, 2)]
    assert told.to_dict()["leans"]["share"] == 0.25


def test_what_is_not_there_is_not_found_and_an_empty_name_is_refused():
    (told,) = forbidden(read_decisions([decision(i) for i in range(20)]), ["unicorn"])
    assert (told.rests.count, told.ids) == (0, ())
    assert told.rests.high == pytest.approx(1.96**2 / (20 + 1.96**2), abs=1e-4)
    with pytest.raises(InputError, match="an empty label"):
        forbidden([], [" "])
