from __future__ import annotations

from typing import Any

import pytest

from tests.agent.log.kept import copy
from veridical.agent.log.holds import EVERYTHING, Holds, holds_of, lift, place
from veridical.agent.log.log import Log
from veridical.errors import InputError, RecordError


@pytest.fixture
def log(tmp_path):
    with Log.open(copy(tmp_path)) as found:
        yield found


SOMEBODY: dict[str, Any] = {"who": "counsel", "reason": "case 12/26"}


def test_holds_are_learnt_from_what_entries_say():
    holds = Holds()
    holds.learn({"act": "placed", "subjects": ["s-1"], "records": ["r-1"]}, 3)
    holds.learn({"act": "placed", "subjects": ["s-1"]}, 5)
    assert holds.on("s-1", None) == [3, 5]
    assert holds.on("s-2", "r-1") == [3]
    assert holds.on(None, "r-2") == []
    holds.learn({"act": "placed", "scope": EVERYTHING}, 7)
    assert holds.on("s-2", "r-2") == [7]
    assert holds.on("s-1", "r-1") == [3, 5, 7]
    holds.learn({"act": "lifted", "hold": 3}, 8)
    assert holds.on("s-1", "r-1") == [5, 7]
    holds.learn({"act": "lifted", "hold": 7}, 9)
    assert holds.on("s-2", "r-1") == []


def test_what_is_placed_and_lifted_stands_in_the_log(log):
    kept = log.entry(1).statement
    hold = place(log, **SOMEBODY, records=[kept.id[:8]])
    assert holds_of(log).on(None, kept.id) == [hold.number]
    said = log.entry(hold.number).statement.predicate
    assert (said["act"], said["records"], said["reason"]) == ("placed", [kept.id], "case 12/26")
    lifted = lift(log, hold.number, "counsel", "settled")
    assert holds_of(log).on(None, kept.id) == []
    assert log.entry(lifted.number).statement.predicate["hold"] == hold.number
    with pytest.raises(RecordError, match=rf"hold #{hold.number} does not stand; those that do: none"):
        lift(log, hold.number, "counsel", "again")


def test_a_hold_that_never_was_is_not_lifted(log):
    hold = place(log, **SOMEBODY, everything=True)
    with pytest.raises(RecordError, match=rf"hold #0 does not stand; those that do: #{hold.number}"):
        lift(log, 0, "counsel", "a slip")


@pytest.mark.parametrize("said", [{"who": " ", "reason": "why"}, {"who": "counsel", "reason": ""}])
def test_nobody_and_no_reason(log, said):
    with pytest.raises(InputError, match="a hold needs somebody and a reason"):
        place(log, **said, everything=True)
    with pytest.raises(InputError, match="a hold needs somebody and a reason"):
        lift(log, 1, **said)
    assert log.size() == 4


def test_nothing_to_hold_and_a_record_that_is_not_there(log):
    with pytest.raises(InputError, match="nothing is named; name subjects, records, or everything"):
        place(log, **SOMEBODY)
    with pytest.raises(RecordError, match="no entry 'abcdef01' in the log of 4"):
        place(log, **SOMEBODY, records=["abcdef01"])
    assert log.size() == 4
