"""Triggers: each by itself, the sample's exact share, novelty, and senses that are at odds."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toys import EARS, EYES, READER, SENTENCE, Split, Toy, picture, sees_red, sound
from veridical.agent.loop.policy import TRIGGERS, Explaining
from veridical.agent.loop.triggers import Triggers, modality_disagreement
from veridical.errors import InputError
from veridical.modalities.observation import prepare
from veridical.verifier.novelty import LOGITS, Novelty, pool

SURE = {"STOP": 0.9, "GO": 0.1}
OTHER = {"STOP": 0.2, "GO": 0.8}


def triggers(*names: str, novelty=None, **more) -> Triggers:
    return Triggers(Explaining(mode="triggered", triggers=names, **({} if names else {"sample": 1.0}), **more), novelty)


def never() -> bool:
    raise AssertionError("nothing asks for it")


def test_a_margin_below_the_policys_is_low():
    find = triggers("low margin", margin=0.5).find
    assert find(0, SURE, 0.49) == ("low margin",)
    assert find(1, SURE, 0.5) == ()
    assert find(2, SURE, math.nan) == ("low margin",)  # what is not known is not safe


def test_a_decision_changed_where_another_came_before():
    find = triggers("changed decision").find
    found = [find(n, p, 2.0) for n, p in enumerate((SURE, SURE, OTHER, OTHER, {}, OTHER, SURE))]
    assert found == [(), (), ("changed decision",), (), (), (), ("changed decision",)]


def test_a_request_is_honoured_whether_it_is_listed_or_not():
    assert triggers("low margin").find(0, SURE, 2.0, request=True) == ("request",)
    assert triggers("request").find(0, SURE, 2.0) == ()


def test_what_is_not_asked_for_is_not_looked_for():
    find = triggers("low margin").find
    assert find(0, SURE, 2.0, {"vision": torch.full((1, 4), math.nan)}, never, False, None) == ()


def test_senses_at_odds_are_asked_for():
    find = triggers("modality disagreement").find
    assert find(0, SURE, 2.0, None, lambda: True) == ("modality disagreement",)
    assert find(1, SURE, 2.0, None, lambda: False) == ()
    assert find(2, SURE, 2.0, None, None) == ()  # of a system that cannot be split nobody can tell


def test_what_is_found_stands_in_the_order_of_the_triggers():
    find = triggers("modality disagreement", "changed decision", "low margin", sample=1.0).find
    find(0, SURE, 2.0, None, lambda: False)
    found = find(1, OTHER, 0.1, None, lambda: True, True)
    assert found == tuple(name for name in TRIGGERS if name != "out of distribution")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100), st.integers(1, 200))
def test_of_n_decisions_exactly_the_share_is_sampled(percent, n):
    share = percent / 100
    find = Triggers(Explaining(mode="triggered", triggers=("request",), sample=share)).find
    turns = [k for k in range(n) if find(k, SURE, 2.0)]
    assert len(turns) == n * percent // 100
    gaps = np.diff(turns)
    assert not len(gaps) or gaps.max() - gaps.min() <= 1  # even distances


def test_a_tenth_is_a_tenth():
    find = Triggers(Explaining(mode="triggered", sample=0.1)).find
    assert [k for k in range(40) if find(k, SURE, 2.0)] == [9, 19, 29, 39]
    assert Fraction(repr(0.1)) == Fraction(1, 10)


def known(n: int, sense: str = "vision") -> Novelty:
    return Novelty.fit({sense: np.random.default_rng(0).normal(size=(n, 6))})


def test_an_input_unlike_all_others_is_out_of_distribution():
    novelty = known(400)
    found = triggers("out of distribution", novelty=novelty)
    assert found.notes == ()
    near, far = {"vision": torch.zeros(1, 6)}, {"vision": torch.full((1, 6), 9.0)}
    assert found.find(0, SURE, 2.0, near) == ()
    assert found.find(1, SURE, 2.0, far) == ("out of distribution",)
    assert found.find(2, SURE, 2.0, None) == ()
    assert found.find(3, SURE, 2.0, {"audio": torch.full((1, 6), 9.0)}) == ()  # nothing is known of it


def test_natural_inputs_are_seldom_out_of_distribution():
    novelty, rng = known(2000), np.random.default_rng(1)
    found = triggers("out of distribution", novelty=novelty)
    fresh = torch.from_numpy(rng.normal(size=(800, 6)))
    share = np.mean([bool(found.find(0, SURE, 2.0, {"vision": x[None]})) for x in fresh])
    assert 0.002 < share < 0.02  # 0.01 is meant, and the 1000 that it is held against were drawn themselves


def test_few_natural_inputs_take_being_further_than_all_and_say_so():
    novelty = known(80)
    found = triggers("out of distribution", novelty=novelty)
    assert len(found.notes) == 1
    assert "vision: 40 natural inputs are too few to tell 1% from less" in found.notes[0]
    assert found.find(0, SURE, 2.0, {"vision": torch.full((1, 6), 9.0)}) == ("out of distribution",)
    inside = {"vision": torch.zeros(1, 6)}
    assert float(novelty.score(pool(inside))["vision"].p[0]) > novelty.least_p("vision")
    assert found.find(1, SURE, 2.0, inside) == ()


def test_the_scores_stand_in_for_the_features_of_a_system_that_cannot_be_split():
    find = triggers("out of distribution", novelty=known(400, LOGITS)).find
    assert find(0, SURE, 2.0, None, None, False, torch.full((1, 6), 9.0)) == ("out of distribution",)
    assert find(1, SURE, 2.0, None, None, False, torch.zeros(1, 6)) == ()


@pytest.mark.parametrize(
    ("novelty", "said"),
    [
        (None, "it is not known what this system's natural inputs look like; calibrate the system"),
        (known(36), r"of no sense are 19 natural inputs kept .*\(vision 18\); calibrate"),
    ],
)
def test_asking_for_what_cannot_be_known_is_refused(novelty, said):
    with pytest.raises(InputError, match=said):
        triggers("out of distribution", novelty=novelty)


def test_nineteen_natural_inputs_are_enough():
    assert len(triggers("out of distribution", novelty=known(38)).notes) == 1


class Minds(Split):
    """Each sense that is there adds its own nats for STOP; without any the system goes, by one nat."""

    def __init__(self, **nats: float) -> None:
        super().__init__(lambda inputs: torch.zeros(1), EYES, EARS, READER)
        self.nats = nats

    def decide(self, features):
        there = [m for m, x in features.items() if x.abs().sum() > 0]
        stop = torch.tensor([sum(self.nats.get(m, 0.0) for m in there) - 1.0])
        return torch.stack((stop, torch.zeros(1)), 1)


OBSERVATION = {"vision": picture(), "audio": sound(), "text": SENTENCE}


def at_odds(system, margin: float = 0.5, neutral=None, senses=("vision", "audio", "text")) -> bool:
    prepared = prepare(system, {m: OBSERVATION[m] for m in senses})
    features = {m: system.encode(m, p.tensor) for m, p in prepared.items()}
    system.encoded.clear()
    action = int(system.decide(features)[0].argmax())
    found = modality_disagreement(system, prepared, features, action, margin, neutral)
    assert found == modality_disagreement(system, prepared, features, system.actions[action], margin, neutral)
    assert system.encoded == []  # tail passes only
    return found


def test_a_sense_of_another_mind_is_found():
    assert at_odds(Minds(vision=4, audio=-9))  # GO, and what is seen alone says STOP by 3 nats


def test_another_mind_must_be_clear():
    assert at_odds(Minds(vision=1.6, audio=-9), margin=0.5)
    assert not at_odds(Minds(vision=1.4, audio=-9), margin=0.5)


def test_a_sense_with_nothing_to_say_is_of_no_other_mind():
    assert not at_odds(Minds(vision=4))  # STOP; sound and words alone would go, as nothing at all would
    assert at_odds(Minds(vision=4), neutral="STOP")  # unless going is not what nothing means
    assert not at_odds(Minds(vision=4), neutral=1)


def test_one_sense_alone_agrees_with_itself():
    assert not at_odds(Minds(vision=-4), senses=("vision",))


def test_a_system_that_cannot_be_split_says_no():
    system = Toy(sees_red, EYES, EARS)
    assert not modality_disagreement(system, prepare(system, {"vision": picture(), "audio": sound()}), None, 0)
