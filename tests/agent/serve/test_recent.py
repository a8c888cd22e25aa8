"""What is remembered is bounded, whichever comes first, the decision or what became of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from veridical.agent.serve.recent import Recent


def test_an_outcome_may_come_before_its_decision():
    recent = Recent(2)
    recent.outcome("a", {"kind": "explained"})
    recent.decided({"id": "a"})
    assert recent.get("a") == {"id": "a", "outcome": {"kind": "explained"}}
    recent.decided({"id": "b"})
    recent.outcome("b", {"kind": "lost"})
    assert recent.get("b") == {"id": "b", "outcome": {"kind": "lost"}}


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9))), st.integers(1, 4))
def test_it_holds_the_latest_and_never_more(events, kept):
    recent, order = Recent(kept), []
    for number, (decided, name) in enumerate(events):
        if decided:
            recent.decided({"id": f"{number}"})
            order.append(f"{number}")
        else:
            recent.outcome(f"{name}", {"kind": "dropped"})
    assert len(recent) == min(len(order), kept)
    assert all(recent.get(id) is not None for id in order[-kept:])
    assert all(recent.get(id) is None for id in order[:-kept])
    assert len(recent._early) <= kept
