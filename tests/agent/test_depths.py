"""Depths: how far a decision is explained, by name."""

from __future__ import annotations

import pytest
import torch

from tests.toys import EYES, READER, SENTENCE, Toy, picture, reads_cat, sees_red
from veridical.agent.depths import CONTROLS, DEPTHS, settings_at
from veridical.agent.explainer import Explainer, Settings
from veridical.agent.loop import policy
from veridical.errors import InputError

OBSERVATION = {"vision": picture(), "text": SENTENCE}


def explained(depth: str):
    system = Toy(lambda x: sees_red(x) + reads_cat(x), EYES, READER)
    return Explainer(system, settings_at(depth)).explain(OBSERVATION)


def test_a_depth_that_there_is_not_is_refused():
    with pytest.raises(InputError, match=r"^depth: no 'deep'; there are account, verdict, measured, ladder, full$"):
        settings_at("deep")


def test_policies_know_the_same_depths():
    assert set(policy.DEPTHS) == set(DEPTHS)


def test_full_is_what_an_explanation_is_without_a_word():
    assert settings_at("full") == Settings()


def test_an_account_is_told_and_not_tested():
    found = explained("account")
    assert (found.verdict, found.result["verdict"]["cause"]) == ("inconclusive", "untested")
    attempt = found.result["verdict"]["attempts"][0]
    assert [claim["modality"] for claim in attempt["claims"]] == ["vision", "text"]
    assert attempt["measured"] == attempt["controls"] == found.result["claims"] == []
    assert found.result["timing"]["passes"]["backward"] == 1


def test_a_verdict_has_controls_enough_for_one_in_twenty():
    found = explained("verdict")
    assert found.verdict == "supported"
    attempt = found.result["verdict"]["attempts"][0]
    assert CONTROLS == 19 == sum(len(claim["controls"]) for claim in attempt["controls"])
    assert attempt["p"] <= 0.05
    assert "fusion" not in found.result


def test_measured_goes_on_where_the_gradient_does_not_hold():
    def saturated(x):
        return 20 * torch.sigmoid(sees_red(x) + reads_cat(x)) - 10

    system = Toy(saturated, EYES, READER)
    found = {depth: Explainer(system, settings_at(depth)).explain(OBSERVATION) for depth in ("verdict", "measured")}
    rungs = {d: [each["rung"] for each in f.result["verdict"]["attempts"]] for d, f in found.items()}
    assert rungs["verdict"] == ["gradient"] == rungs["measured"][:1]
    assert found["verdict"].verdict != "supported"
    assert rungs["measured"][1] == "measured"


def test_deeper_is_dearer():
    passes = [explained(depth).result["timing"]["passes"]["forward"] for depth in ("account", "verdict", "ladder")]
    assert passes == sorted(passes)
