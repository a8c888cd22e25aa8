from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests import toys
from tests.scenarios.suite import trial_sample as sample
from veridical.errors import InputError
from veridical.scenarios.suite.expect import EXPLAINED, asked_of, check, explained_of, unasked
from veridical.scenarios.suite.expect_bounds import BISECTIONS, largest_strength
from veridical.scenarios.suite.expect_reasons import concept_effect, held_by
from veridical.scenarios.suite.expect_trial import Trial
from veridical.scenarios.suite.reliance import Effect
from veridical.scenarios.suite.result import Checked
from veridical.scenarios.suite.schema_expect import Expect, NotRelyOn, RelyOn


class Disturbed:
    """A perturbation, as a variant tells it."""

    def __init__(self, *senses: str) -> None:
        self.senses, self.name = senses, "noise"


def expect(**said: Any) -> Expect:
    return Expect.model_validate(said)


def held(checked: list[Checked]) -> list[bool | None]:
    return [each.held for each in checked]


def trial(score: toys.Score | None = None, *variants: sample.Varied) -> Trial:
    return Trial(toys.Split(score or sample.reads()), variants or (sample.variant(),), salt="00")


def test_an_action_and_its_probability():
    tried = trial(sample.reads(cat=4, siren=2))
    said = check(tried, expect(action="STOP", not_action="GO", probability={"of": "GO", "most": 0.01}))
    assert held(said) == [True, True, True]
    assert [each.kind for each in said] == ["minimum functionality"] * 3
    assert said[2].figures["probability"] == pytest.approx(float(torch.tensor(-6.0).sigmoid()), abs=1e-6)
    assert held(check(tried, expect(action="GO", not_action="STOP", probability={"of": "GO", "least": 0.5}))) == [
        False,
        False,
        False,
    ]


def test_one_of_several_actions_will_do():
    assert held(check(trial(), expect(action=["GO", "STOP"]))) == [True]


def test_an_action_that_the_system_lacks_is_said_and_nothing_else_is_asked():
    (said,) = check(trial(), expect(action="FLY", verdict="supported"))
    assert said.held is False
    assert "it has no action 'FLY', only STOP, GO" in said.happened


def test_every_variant_is_asked_and_on_says_which():
    tried = trial(None, sample.variant(), sample.variant("without", cat=False, siren=False))
    assert [c.variant for c in check(tried, expect(action="STOP"))] == ["as written", "without"]
    assert [c.variant for c in check(tried, expect(action="STOP", on="scene"))] == ["as written"]
    assert [c.variant for c in check(tried, expect(action="STOP", on="variants"))] == ["without"]
    assert held(check(trial(), expect(action="STOP", on="variants"))) == [None]


def test_invariance_counts_the_variants_that_are_decided_otherwise():
    score = sample.reads(cat=4, siren=4, bias=-2)
    other, same = sample.variant("none", cat=False, siren=False), sample.variant("no siren", siren=False)
    (broken,) = check(trial(score, sample.variant(), same, other), expect(same_as="scene"))
    assert broken.held is False
    assert broken.kind == "invariance"
    assert broken.figures["kept"] == 1
    assert "not none: GO" in broken.happened
    (kept,) = check(trial(score, sample.variant(), same), expect(same_as="scene"))
    assert kept.held is True
    (alone,) = check(trial(score), expect(same_as="scene"))
    assert alone.held is None


def _swept(*shown: float) -> list[sample.Varied]:
    """The scene, and the same at other brightnesses: the red square's own."""
    made = [sample.variant()]
    for value in shown:
        frames = toys.picture()
        frames[:, 16:24, 16:24, 0] = round(255 * value)
        frames[:, 16:24, 16:24, 1:] = 0
        seen = {**sample.observation(), "vision": frames}
        made.append(sample.Varied(f"red={value}", seen, None, {"red": value}))
    return made


def test_a_direction_is_monotone_and_goes_somewhere():
    rising = trial(toys.sees_red, *_swept(0.9, 0.1, 0.5))
    up = {"of": "STOP", "when": "red", "goes": "up"}
    (said,) = check(rising, expect(direction=up))
    assert said.held is True
    assert [point[0] for point in said.figures["points"]] == [0.1, 0.5, 0.9]
    assert held(check(rising, expect(direction={**up, "goes": "down"}))) == [False]
    assert held(check(rising, expect(direction={**up, "of": "GO", "goes": "down"}))) == [True]
    flat = trial(sample.reads(), *_swept(0.1, 0.9))
    assert held(check(flat, expect(direction=up))) == [False]
    assert held(check(rising, expect(direction={**up, "when": "size"}))) == [None]


def test_a_direction_bears_its_slack_and_no_more():
    def bumpy(inputs: Mapping[str, Tensor]) -> Tensor:
        red = inputs["vision"][:, -1, 0, 16:24, 16:24].mean((1, 2))
        return 2 * red - 0.6 * ((red > 0.4) & (red < 0.6)).float()

    tried = trial(bumpy, *_swept(0.3, 0.5, 0.9))
    up = {"of": "STOP", "when": "red", "goes": "up"}
    assert held(check(tried, expect(direction=up))) == [False]
    assert held(check(tried, expect(direction={**up, "slack": 0.1}))) == [True]


def test_a_counterfactual_is_rendered_and_its_true_effect_told():
    tried = trial(sample.reads(cat=4, siren=2, bias=-3))
    without = [{"without": {"words": sample.CLAUSES[1]}, "action": "GO"}]
    (said,) = check(tried, expect(counterfactual=without))
    assert said.held is True
    assert said.figures["effect"] == pytest.approx(-4.0, abs=1e-4)
    kept = [{"without": {"words": sample.CLAUSES[2]}, "not_action": "STOP"}]
    assert held(check(tried, expect(counterfactual=kept))) == [False]
    assert held(check(tried, expect(counterfactual=[{"without": {"thing": 7}, "action": "GO"}]))) == [None]


def test_a_reason_is_a_measured_share():
    tried = trial(sample.reads(cat=4, siren=2))
    cat, siren = ({"words": clause} for clause in sample.CLAUSES[1:])
    assert held(check(tried, expect(rely_on=[{**cat, "least": 0.6}, {**siren, "least": 0.4}]))) == [True, False]
    assert held(check(tried, expect(not_rely_on=[{**cat, "most": 0.6}, {**siren, "most": 0.4}]))) == [False, True]
    others = [{"thing": 0}, {"sound": 0}, {"sense": "vision"}, {"region": (0.4, 0.4, 0.9, 0.9)}, {"words": "down the"}]
    assert held(check(tried, expect(not_rely_on=others))) == [True] * 5
    assert held(check(tried, expect(rely_on={"sense": "text", "least": 0.99}))) == [True]
    assert held(check(tried, expect(rely_on={"words": "cat", "least": 0.6}))) == [True]


def test_a_reason_that_is_not_there_is_a_failure_with_a_sentence():
    (said,) = check(trial(), expect(rely_on={"thing": 5}))
    assert said.held is False
    assert "the scene has no such part; its parts: thing 0, sound 0" in said.happened


def test_a_reason_is_not_asked_for_where_its_own_sense_is_perturbed():
    made = sample.scene()
    loud = sample.Varied("loud", made.observation, made, {}, (Disturbed("audio"),))
    tried = trial(sample.reads(), sample.variant(), loud)
    said = check(tried, expect(rely_on={"words": sample.CLAUSES[1]}, not_rely_on={"sound": 0}))
    assert [(c.expectation, c.variant) for c in said] == [
        ("rely_on[0]", "as written"),
        ("rely_on[0]", "loud"),
        ("not_rely_on[0]", "as written"),
    ]
    assert held(check(tried, expect(on="variants", rely_on={"sound": 0}))) == [None]


def test_operators_that_disagree_are_neither_held_nor_failed():
    torn = Effect("thing 0", "vision", 3, (-1.0, 0.5), 0.4, (0.8, 0.0), ("STOP", "STOP"))
    assert held_by(RelyOn.model_validate({"thing": 0, "least": 0.2}), torn) == (None, "not settled")
    assert held_by(NotRelyOn.model_validate({"thing": 0, "most": 0.2}), torn)[0] is None
    above = Effect("thing 0", "vision", 3, (-1.0, -0.1), 0.2, (0.5, 0.02), ("STOP", "STOP"))
    assert held_by(NotRelyOn.model_validate({"thing": 0, "most": 0.3}), above)[0] is None
    unknown = Effect("thing 0", "vision", 0, None, None, (), (), "no unit")
    for wanted in (RelyOn.model_validate({"thing": 0}), NotRelyOn.model_validate({"thing": 0})):
        assert held_by(wanted, unknown)[0] is None


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_settled_share_meets_exactly_one_of_the_two_bounds(share: float, bound: float):
    effect = Effect("thing 0", "vision", 3, (-1.0, -1.0), share, (share, share), ("STOP", "STOP"))
    wants = RelyOn.model_validate({"thing": 0, "least": bound})
    bars = NotRelyOn.model_validate({"thing": 0, "most": bound})
    assert held_by(wants, effect)[0] is (share >= bound and share > 0)
    assert held_by(bars, effect)[0] is (share <= bound)


def _cards(*cards: tuple[str, float | None, bool]) -> dict[str, Any]:
    shown = [
        {"label": name, "concept": f"t{i}", "effect": effect, "drawn": drawn}
        for i, (name, effect, drawn) in enumerate(cards)
    ]
    return {"concepts": {"banks": {"text": {}}, "cards": shown}}


def test_a_concepts_share_is_of_what_all_concepts_do():
    result = _cards(("dog", -3.0, True), ("dog", -1.0, True), ("street", -4.0, True), ("tree", 2.0, True))
    dog = concept_effect(result, "dog")
    assert (dog.effect, dog.share, dog.units) == (-4.0, 0.5, 2)
    assert concept_effect(result, "tree").share == 0.0
    chance = concept_effect(_cards(("dog", -3.0, False), ("cat", -1.0, True)), "dog")
    assert chance.share == 0.0
    assert "not told from chance" in chance.told()
    absent = concept_effect(result, "lion", {"lion"})
    assert (absent.share, absent.effect) == (0.0, 0.0)
    assert concept_effect(_cards(("dog", None, False)), "dog").effects is None
    with pytest.raises(InputError, match="knows none of that name; found in this observation: dog, street, tree"):
        concept_effect(result, "lion")
    with pytest.raises(InputError, match="this system has no concepts"):
        concept_effect({"concepts": None}, "dog")


def test_a_verdict_is_that_of_one_explanation():
    tried = trial(sample.senses(0.3, 0.3, 1.0))
    verdict = tried.explanation(tried.variants[0]).verdict
    assert held(check(tried, expect(verdict=verdict))) == [True]
    (said,) = check(tried, expect(verdict={"not": verdict}))
    assert said.held is False
    assert said.happened.startswith(f"{verdict}: ")
    assert len(tried.explanations) == 1


def test_explanations_are_asked_of_the_scene_alone_or_of_few_variants():
    many = [sample.variant(), *(sample.variant(str(i)) for i in range(9))]
    tried = trial(None, *many)
    everything, others = expect(verdict="supported"), expect(verdict="supported", on="variants")
    assert len(asked_of(tried, everything)) == 10
    assert explained_of(tried, everything) == [many[0]]
    assert explained_of(tried, others) == many[1 : 1 + EXPLAINED]
    assert unasked(tried, everything) == [
        "verdict, concepts and oversight were asked of the scene as written, not of 9 further variants"
    ]
    assert unasked(tried, others)[0].startswith(f"verdict, concepts and oversight were asked of the first {EXPLAINED}")
    assert unasked(tried, expect(action="STOP")) == []


@given(st.floats(0.001, 1.5))
def test_halving_finds_the_largest_strength_to_within_its_steps(limit: float):
    found, tried = largest_strength(lambda strength: strength <= limit)
    assert len(tried) <= BISECTIONS + 1
    assert found <= limit
    assert min(limit, 1.0) - found <= 2**-BISECTIONS


def test_robustness_is_found_and_is_no_certificate():
    pytest.importorskip("veridical.scenarios.suite.perturb")
    tried = trial(toys.sees_red, *_swept())
    (said,) = check(tried, expect(robust={"perturbation": "darken", "least": 0.05}))
    assert said.held is True
    assert said.figures["certified"] is False
    assert "no certificate" in said.happened
    (weak,) = check(tried, expect(robust={"perturbation": "darken", "least": 0.99}))
    assert weak.held is False


def test_latency_is_the_median_here():
    class Slow(toys.Toy):
        def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
            time.sleep(0.02)
            return super().__call__(inputs)

    tried = Trial(Slow(sample.reads()), (sample.variant(),))
    (said,) = check(tried, expect(latency_ms={"decision": 10}))
    assert said.held is False
    assert said.figures["ms"] >= 20
    assert held(check(tried, expect(latency_ms={"decision": 60_000}))) == [True]


def test_oversight_reacts_to_what_is_found(tmp_path):
    policy = tmp_path / "policy.toml"
    tried = trial(sample.senses(-0.3, -0.3, -1.0))
    rules = "\n".join(
        f'[[oversight.rules]]\nwhen = "{word}"\ndo = "stop"\nof = 3\nleast = 2'
        for word in ("supported", "unsupported", "inconclusive")
    )
    policy.write_text(
        f'format = "veridical.policy/1"\nname = "strict"\nversion = "1"\n[oversight]\nstop = "STOP"\n{rules}\n'
    )
    wanted = {"policy": "policy.toml", "level": "stop", "action": "STOP"}
    (said,) = check(tried, expect(oversight=wanted), policy)
    assert said.held is True, said
    assert said.figures["chosen"] == "GO"
    assert said.figures["after"] == 2
    assert held(check(tried, expect(oversight={"policy": "policy.toml", "level": "none"}), policy)) == [False]
    policy.write_text('format = "veridical.policy/1"\n[oversight]\nstopp = "STOP"\n')
    (broken,) = check(tried, expect(oversight=wanted), policy)
    assert broken.held is False
    assert "stopp" in broken.happened


def test_a_system_that_fails_is_a_failed_check_and_fails_alike_when_asked_again():
    calls = []

    def fails(inputs: Mapping[str, Tensor]) -> Tensor:
        calls.append(1)
        raise ZeroDivisionError("the lens\nis dirty")

    tried = trial(fails)
    said = check(tried, expect(action="STOP", rely_on={"sound": 0}, verdict="supported", same_as="scene"))
    assert held(said) == [False] * 4
    assert all("ZeroDivisionError: the lens is dirty" in each.happened for each in said)
    assert len(calls) == 1


def test_what_stands_in_several_variants_is_encoded_once():
    tried = trial(None, sample.variant(), sample.variant("no cat", cat=False), sample.variant("no siren", siren=False))
    check(tried, expect(action=["STOP", "GO"]))
    system = tried.system
    assert isinstance(system, toys.Split)
    assert sorted(m for m, _ in system.encoded) == ["audio", "text", "text", "text", "vision"]
