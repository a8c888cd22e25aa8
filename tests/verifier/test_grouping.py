"""Measured effects by group testing, on systems whose true cause is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from tests.toys import (
    CAT,
    EARS,
    EYES,
    READER,
    SENTENCE,
    SIREN,
    TABLE,
    TOKENIZER,
    Toy,
    hears_tone,
    laboratory,
    picture,
    reads_cat,
    sees_red,
    sound,
)
from veridical.errors import ContractError, InputError
from veridical.fusion.frame import contributions
from veridical.fusion.measure import Laboratory
from veridical.modalities.path import gradient_times_change
from veridical.verifier.account import Account
from veridical.verifier.claims import ClaimSettings
from veridical.verifier.grouping import Group, Grouping, GroupSettings, measured_effects
from veridical.verifier.verify import operators_of

Build = Callable[[], Laboratory]


def steep(score: Callable, middle: float = 0.0) -> Callable:
    """A step of four nats where a score passes ``middle``; its slope is nought on both sides."""
    return lambda inputs: 4 * torch.sigmoid(200 * (score(inputs) - middle)) - 1


def see(score: Callable, frames: int = 1) -> Build:
    return lambda: laboratory(Toy(score, EYES), {"vision": picture(frames)})


def hear(score: Callable) -> Build:
    return lambda: laboratory(Toy(score, EARS), {"audio": sound()})


def read(score: Callable, text: str = SENTENCE) -> Build:
    return lambda: laboratory(Toy(score, READER), {"text": text})


PLANTED: dict[str, tuple[Build, str]] = {
    "vision": (see(sees_red), "middle"),
    "frames": (see(sees_red, 2), "frame 2 (1–2 s)"),
    "audio": (hear(hears_tone), "0.5–0.62 s, 0.8–1.5 kHz"),
    "text": (read(reads_cat), "“cat”"),
    "steep vision": (see(steep(sees_red, 6.0)), "middle"),
    "steep audio": (hear(steep(hears_tone)), "0.5–0.62 s, 0.8–1.5 kHz"),
    "steep text": (read(steep(reads_cat)), "“cat”"),
}


def blank(lab: Laboratory) -> dict[str, np.ndarray]:
    return {m: np.zeros(len(s)) for m, s in lab.segmentations.items()}


def elsewhere(lab: Laboratory) -> dict[str, np.ndarray]:
    """A ranking that looks at the first units of each sense, far from the cause."""
    return {m: np.where(np.arange(len(s)) < 3, 1.0, 0.01) for m, s in lab.segmentations.items()}


def noise(lab: Laboratory, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {m: rng.standard_normal(len(s)) for m, s in lab.segmentations.items()}


def search(lab: Laboratory, *rankings: dict[str, np.ndarray], seen: Any = (), **options: Any) -> Grouping:
    return measured_effects(lab, rankings, operators_of(lab, 2), seen, GroupSettings(**options))


def shown(lab: Laboratory, found: Grouping) -> str:
    first = found.claims[0]
    return lab.system.modalities[first.modality].show([lab.segmentations[first.modality].units[u] for u in first.units])


def check(lab: Laboratory, found: Grouping, settings: GroupSettings | None = None) -> None:
    """What holds of every grouping: measured predictions, disjoint, within the limit, in order, in the values."""
    settings = settings or GroupSettings()
    units = sum(len(s) for s in lab.segmentations.values())
    assert len(found.groups) <= settings.groups + (units if units <= settings.single else 0)
    assert len({(g.modality, g.units) for g in found.groups}) == len(found.groups)
    assert len(found.claims) <= settings.claims.most
    assert [c.name for c in found.claims] == [f"c{i + 1}" for i in range(len(found.claims))]
    assert [c.predicted for c in found.claims] == sorted(c.predicted for c in found.claims)
    taken = [(c.modality, u) for c in found.claims for u in c.units]
    assert len(taken) == len(set(taken))
    spent, edits = lab.passes, [{c.modality: c.units} for c in found.claims]
    again = [lab.measure(edits, operators).effect.tolist() for operators in operators_of(lab, 2)]
    assert lab.passes == spent
    account = Account("measured", found.values, found.claims)
    for i, c in enumerate(found.claims):
        assert len(c.units) <= max(1, int(settings.claims.largest * len(lab.segmentations[c.modality])))
        assert c.predicted == np.mean([effects[i] for effects in again])
        assert max(effects[i] for effects in again) <= -settings.least
        assert account.predict(c.modality, c.units) == pytest.approx(c.predicted)


def gradient(lab: Laboratory) -> dict[str, np.ndarray]:
    found = gradient_times_change(lab.system, lab.prepared, lab.action)
    return contributions(lab.system, lab.prepared, lab.segmentations, found)


def effect_of(lab: Laboratory, m: str, units: Any) -> float:
    return float(np.mean([float(lab.measure([{m: units}], each).effect[0]) for each in operators_of(lab, 2)]))


@pytest.mark.parametrize("name", ["vision", "frames", "audio", "text"])
def test_the_planted_cause_is_the_first_claim_where_the_gradient_is_right(name: str):
    build, where = PLANTED[name]
    lab = build()
    found = search(lab, gradient(lab))
    check(lab, found)
    assert where in shown(lab, found)


@pytest.mark.parametrize("ranked", [blank, elsewhere], ids=["flat gradient", "wrong gradient"])
@pytest.mark.parametrize("name", PLANTED)
def test_the_planted_cause_is_found_and_its_effect_is_the_measured_one_though_gradients_miss_it(name: str, ranked):
    build, where = PLANTED[name]
    lab = build()
    found = search(lab, ranked(lab))
    check(lab, found)
    first = found.claims[0]
    assert where in shown(lab, found) or name == "frames"  # whose first frame, without effect, may be in it too
    assert first.predicted <= 0.7 * effect_of(lab, first.modality, range(len(lab.segmentations[first.modality])))
    assert first.predicted == pytest.approx(effect_of(build(), first.modality, first.units), abs=1e-4)
    if "text" in name:
        assert first.units == (20,)
        assert first.predicted == pytest.approx(-4)


def test_a_ranking_that_is_right_spends_no_more_than_one_that_is_wrong():
    build = PLANTED["text"][0]
    right, wrong = build(), build()
    values = blank(right)
    values["text"][20] = 4.0
    one, other = search(right, values), search(wrong, elsewhere(wrong))
    assert one.claims == other.claims
    assert right.passes < wrong.passes


@pytest.mark.parametrize("groups", [1, 2, 7, 20])
def test_the_budget_is_kept(groups: int):
    lab = PLANTED["vision"][0]()
    found = search(lab, noise(lab, 1), groups=groups, single=0)
    assert len(found.groups) == groups
    # Of each operator: the groups, and the input beside each batch of them; and once the input alone.
    assert lab.passes <= 2 * 2 * groups + 1
    check(lab, found, GroupSettings(groups=groups, single=0))


@pytest.mark.parametrize("seed", range(6))
def test_on_any_system_claims_are_disjoint_measured_and_within_their_limit(seed: int):
    w = torch.randn(8, 5, generator=torch.Generator().manual_seed(seed))
    lab = read(lambda i: 3 * torch.tanh(i["text"] @ w).sum((1, 2)) / 10 + 3)()
    options = GroupSettings(groups=60, claims=ClaimSettings(most=3, largest=0.1, least=0.3))
    found = measured_effects(lab, [noise(lab, seed), noise(lab, seed + 50)], operators_of(lab, 2), (), options)
    check(lab, found, options)
    assert all(c.predicted <= 0.3 * found.claims[0].predicted for c in found.claims)


def test_all_of_several_causes_are_found():
    text = SENTENCE.replace("street", "siren")
    lab = read(lambda i: 4 * i["text"][:, :, CAT].sum(1) + 2 * i["text"][:, :, SIREN].sum(1), text)()
    found = search(lab, blank(lab))
    check(lab, found)
    assert {8, 20} <= {u for c in found.claims for u in c.units}
    assert sum(c.predicted for c in found.claims) == pytest.approx(-6)


def test_causes_of_several_senses_are_found():
    lab = laboratory(
        Toy(lambda i: reads_cat(i) + 0.3 * hears_tone(i), EARS, READER), {"audio": sound(), "text": SENTENCE}
    )
    found = search(lab, blank(lab))
    check(lab, found)
    assert [c.modality for c in found.claims[:2]] == ["text", "audio"]


def either(inputs) -> torch.Tensor:
    return 4 * inputs["text"][:, :, [CAT, SIREN]].sum(1).amax(1).clamp(max=1) - 1


def test_words_that_stand_in_for_each_other_are_found_once_someone_has_said_to_look_at_both():
    lab = read(either, SENTENCE.replace("street", "siren"))()
    assert search(lab, blank(lab)).claims == ()
    found = search(lab, blank(lab), seen=[("text", (20, 8, 20))])
    check(lab, found)
    assert [c.units for c in found.claims] == [(8, 20)]
    assert found.values["text"][[8, 20]] == pytest.approx([2, 2])
    assert found.values["text"].sum() == pytest.approx(4, abs=1e-6)


def test_on_a_constant_system_nothing_is_found():
    lab = read(lambda i: 0 * reads_cat(i) + 1)()
    found = search(lab, noise(lab, 0))
    assert found.claims == ()
    assert not found.values["text"].any()
    assert found.groups
    assert all(g.effects == (0.0, 0.0) for g in found.groups)


def test_what_counts_under_one_operator_alone_is_no_claim():
    """The system minds the mask token itself, wherever it stands; deleted words it does not miss."""
    token = TABLE[TOKENIZER.convert_tokens_to_ids("[MASK]")]

    def minds(inputs) -> torch.Tensor:
        return 1 - 4 * ((inputs["text"] - token).abs().sum(-1) < 1e-4).any(1).float() + 0 * inputs["text"].sum((1, 2))

    lab = read(minds)()
    found = search(lab, blank(lab))
    assert found.claims == ()
    assert found.groups
    assert all(g.effects == (-4.0, 0.0) for g in found.groups)
    assert Group("text", (1,), (-4.0, -0.2)).counts(0.1)
    assert not Group("text", (1,), (-4.0, -0.05)).counts(0.1)


def test_an_observation_without_units_has_nothing_to_find():
    lab = read(lambda i: i["text"].sum((1, 2)), "")()
    found = search(lab, blank(lab))
    assert (found.claims, found.groups, lab.passes) == ((), (), 0)


def test_one_unit_is_a_group_of_its_own():
    lab = read(reads_cat, "cat")()
    assert [(c.units, c.predicted) for c in search(lab, blank(lab)).claims] == [((0,), -4.0)]


def test_the_search_is_the_same_twice():
    one, other = (search(lab, noise(lab, 3)) for lab in (PLANTED["audio"][0](), PLANTED["audio"][0]()))
    assert one.claims == other.claims
    assert one.groups == other.groups
    assert one.values["audio"].tobytes() == other.values["audio"].tobytes()


def test_a_system_that_breaks_down_under_an_edit_cannot_be_searched():
    lab = read(lambda i: i["text"][:, :, CAT].sum(1).log() + 1)()
    with pytest.raises(ContractError, match="not finite under the text operator 'mask'"):
        search(lab, blank(lab))


@pytest.mark.parametrize("wrong", [{"groups": 0}, {"beam": 0}, {"levels": -1}, {"keep": 0.0}, {"least": -0.1}])
def test_settings_out_of_range_are_refused(wrong: dict):
    with pytest.raises(InputError, match="groups and beam are at least 1"):
        GroupSettings(**wrong)
