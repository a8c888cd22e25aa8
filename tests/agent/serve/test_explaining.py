"""An explanation under way tells what is done, and ends at its next step once it is given up."""

from __future__ import annotations

import pytest

from veridical.agent.serve.explaining import Explaining, GivenUpError


def test_the_stages_that_are_done_are_told():
    told = []

    def explain(progress):
        for stage, share in (("prepare", 1.0), ("attribute", 0.5), ("verify", 0.1), ("attribute", 0.7)):
            progress(stage, share)
            told.append(explaining.done())
        return "explained"

    explaining = Explaining(explain)
    assert not explaining.done()["begun"]
    assert explaining() == "explained"
    assert [(t["done"], t["stage"], t["share"]) for t in told] == [
        ([], "prepare", 1.0),
        (["prepare"], "attribute", 0.5),
        (["prepare", "attribute"], "verify", 0.1),
        (["prepare", "verify"], "attribute", 0.7),
    ]


def test_what_is_given_up_ends_at_the_next_step_whatever_is_caught_on_the_way():
    steps = []

    def explain(progress):
        try:
            for step in range(9):
                progress("verify", step / 9)
                steps.append(step)
                explaining.give_up()
        except Exception:  # noqa: BLE001 - what explaining itself may do about a fault of a system
            pytest.fail("it was taken for a fault")

    explaining = Explaining(explain)
    with pytest.raises(GivenUpError):
        explaining()
    assert steps == [0]


def test_what_is_given_up_before_it_began_never_begins():
    explaining = Explaining(lambda progress: pytest.fail("it began"))
    explaining.give_up()
    with pytest.raises(GivenUpError):
        explaining()
