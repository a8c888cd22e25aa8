from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.audit.period_sample import act, decision, ground
from veridical.agent.audit.decided import between, instant, read_acts, read_decisions
from veridical.errors import InputError, RecordError

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def test_what_speaks_for_a_decision_counts_once_whatever_the_kind():
    (told,) = read_decisions(
        [
            decision(
                reliance=[
                    ground("Cat", 0.5),
                    ground("cat", 0.2, kind="evidence"),
                    ground("cat ", 0.1, kind="evidence"),
                    ground("siren", 0.3, sense="audio", sign=1),
                    ground("vision:the left, frame 1", 0.2, kind="evidence"),
                ]
            )
        ]
    )
    assert told.rests() == pytest.approx({"cat (seen)": 0.5, "the left, frame 1 (seen)": 0.2})


def test_times_are_utc_and_a_day_is_its_first_moment():
    assert instant("2026-11-23", "since") == datetime(2026, 11, 23, tzinfo=UTC)
    assert instant("2026-11-23T01:00:00+02:00", "since") == datetime(2026, 11, 22, 23, tzinfo=UTC)
    with pytest.raises(InputError, match="since: '2026-11-23T01:00:00' does not say its offset"):
        instant("2026-11-23T01:00:00", "since")
    with pytest.raises(InputError, match="until: 'soon' is no ISO 8601 time"):
        instant("soon", "until")


def test_a_period_holds_its_first_instant_and_not_its_last():
    held = read_decisions([decision(n) for n in (2, 0, 1, 3)])
    kept = between(held, held[2].time, held[3].time)
    assert [d.id for d in kept] == ["d00001", "d00002"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"action": None}, "decision d00000: 'action' is None"),
        ({"time": "never"}, "'time' is 'never'"),
        ({"shares": {"vision": float("nan")}}, "'shares.vision' is nan"),
        ({"system": "courier"}, "'system' is 'courier'"),
        ({"labels": {"street": ["a"]}}, "'labels.street' is"),
        ({"reliance": [{"label": "cat"}]}, r"reliance\[0\]: 'kind' is None"),
        ({"reliance": [ground("cat", 3.0)]}, r"'reliance\[0\].share' is 3.0"),
    ],
)
def test_a_predicate_that_cannot_be_counted_is_refused_by_name(changed, told):
    with pytest.raises(RecordError, match=told):
        read_decisions([decision(**changed)])


@given(st.sampled_from([*decision(), "extra"]), JSON)
def test_whatever_stands_in_a_predicate_it_is_read_or_refused(key, value):
    for read, made in ((read_decisions, decision()), (read_acts, act("d00000", "accepted"))):
        with suppress(RecordError):
            read([{**made, key: value}])


def test_acts_on_an_agent_are_about_no_decision_and_left_out():
    on_agent = {**act("d00000", "overridden"), "about": None, "agent": "robot 7"}
    assert [one.act for one in read_acts([on_agent, act("d00000", "accepted")])] == ["accepted"]
    with pytest.raises(RecordError, match="'about' is None"):
        read_acts([{**on_agent, "agent": None}])
