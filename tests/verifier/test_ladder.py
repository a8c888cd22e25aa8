"""The ladder: explain cheaply, test, climb only where the account does not hold."""

from __future__ import annotations

import itertools
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
    Split,
    Toy,
    hears_tone,
    laboratory,
    picture,
    reads_cat,
    sees_red,
    sound,
)
from veridical.errors import ContractError, InputError
from veridical.fusion.measure import Laboratory
from veridical.modalities.path import PathSettings
from veridical.verifier.grouping import GroupSettings
from veridical.verifier.ladder import METHODS, RUNGS, Climb, LadderSettings, Proposal, climb, propose_at
from veridical.verifier.verify import VerifySettings, operators_of

TWO = SENTENCE.replace("street", "siren")
MASK = TABLE[TOKENIZER.convert_tokens_to_ids("[MASK]")]


def read(score: Callable, text: str = SENTENCE) -> Laboratory:
    return laboratory(Toy(score, READER), {"text": text})


def up(lab: Laboratory, salts: Callable[[str], str] = lambda digest: "salt", **options: Any) -> Climb:
    verifying = options.pop("verifying", None)
    return climb(lab, lambda proposal: {"rung": proposal.rung}, salts, LadderSettings(**options), verifying)


def rungs(found: Climb) -> list[str]:
    return [a.proposal.rung for a in found.attempts]


def verdict(found: Climb) -> tuple[str, str]:
    return found.final.verification.verdict.verdict, found.stopped


def flat(inputs) -> torch.Tensor:
    """Saturated: at the word itself the slope is a thousandth of what it is on the way there."""
    return 4 * torch.tanh(5 * inputs["text"][:, :, CAT].sum(1)) - 1


def steep(inputs) -> torch.Tensor:
    """A step, too steep for nine points of a path to see."""
    return 4 * torch.sigmoid(200 * (inputs["text"][:, :, CAT].sum(1) - 0.5)) - 1


def both(inputs) -> torch.Tensor:
    """Both words are needed."""
    return 4 * inputs["text"][:, :, [CAT, SIREN]].sum(1).prod(1).clamp(max=1) - 1


def either(inputs) -> torch.Tensor:
    """Either word suffices."""
    return 4 * inputs["text"][:, :, [CAT, SIREN]].sum(1).amax(1).clamp(max=1) - 1


@pytest.mark.parametrize(
    ("system", "observation"),
    [
        (Toy(sees_red, EYES), {"vision": picture()}),
        (Toy(sees_red, EYES), {"vision": picture(2)}),
        (Toy(hears_tone, EARS), {"audio": sound()}),
        (Toy(reads_cat, READER), {"text": SENTENCE}),
        (Split(reads_cat, READER), {"text": SENTENCE}),
    ],
)
def test_of_a_linear_system_the_gradient_is_enough(system: Toy, observation: dict):
    lab = laboratory(system, observation)
    found = up(lab)
    assert rungs(found) == ["gradient"]
    assert verdict(found) == ("supported", "supported")
    assert found.final.critique is None
    assert found.final.proposal.account.method == METHODS["gradient"]
    assert found.passes == 1 + 1 + found.final.verification.passes
    assert lab.passes == found.final.verification.passes


@pytest.mark.parametrize(
    ("score", "text", "climbed", "units"),
    [
        (flat, SENTENCE, RUNGS[:2], (20,)),
        (steep, SENTENCE, RUNGS[:3], (20,)),
        (both, TWO, RUNGS, (8,)),
        (either, TWO, RUNGS, (8, 20)),
    ],
)
def test_where_the_gradient_is_wrong_it_climbs_until_an_account_holds(score, text: str, climbed: tuple, units: tuple):
    found = up(read(score, text))
    assert rungs(found) == list(climbed)
    assert verdict(found) == ("supported", "supported")
    assert found.final.verification.claims[0].claim.units == units
    assert found.final.verification.claims[0].measured == pytest.approx(-4, rel=1e-3)
    for attempt in found.attempts[:-1]:
        assert attempt.verification.verdict.verdict != "supported"
        assert attempt.critique is not None
    assert [a.proposal.account.method for a in found.attempts] == [METHODS[r] for r in climbed]
    assert all(propose >= 0 <= check for propose, check in (a.seconds for a in found.attempts))


def test_what_stands_in_for_each_other_is_found_because_the_critic_said_to_look_at_both():
    found = up(read(either, TWO))
    critique = found.attempts[-2].critique
    assert critique is not None
    assert (critique.kind, critique.found) == ("interaction", (("text", (8, 20)),))


def test_the_last_rung_says_what_was_measured_and_nothing_else():
    lab = read(both, TWO)
    found = up(lab, rungs=("measured",))
    account = found.final.proposal.account
    spent = lab.passes
    for claim in account.claims:
        effects = [lab.measure([{"text": claim.units}], o).effect.item() for o in operators_of(lab, 2)]
        assert claim.predicted == np.mean(effects)
    assert lab.passes == spent
    assert found.final.verification.agreement == 1.0
    assert found.final.proposal.gradients == 1


def test_each_attempt_has_a_commitment_and_a_salt_of_its_own():
    asked: list[str] = []

    def salt(digest: str) -> str:
        asked.append(digest)
        return f"salt {len(asked)}"

    found = up(read(both, TWO), salt)
    assert [a.verification.commitment.digest for a in found.attempts] == asked
    assert len(set(asked)) == len(asked) == 4
    assert [a.verification.salt for a in found.attempts] == [f"salt {i}" for i in range(1, 5)]
    assert [a.verification.commitment.content["rung"] for a in found.attempts] == list(RUNGS)


def test_what_was_measured_is_not_measured_again():
    """Gradient and paths name the same word with other predictions: only the first pays for its edits."""
    lab = read(lambda i: 40 * torch.tanh(5 * i["text"][:, :, CAT].sum(1)) ** 9 - 1)
    agreed = VerifySettings(neighbours=0)
    found = up(lab, rungs=("gradient", "few-steps", "path"), verifying=agreed)
    claims = [a.verification.claims[0].claim.units for a in found.attempts]
    assert claims[0] == claims[1] == (20,)
    first, second = found.attempts[:2]
    assert first.verification.verdict.cause == "inaccurate"
    assert first.verification.passes > 0
    assert second.verification.verdict.verdict != "supported" or second.verification.passes > 0
    again = up(lab, rungs=("gradient", "few-steps", "path"), verifying=agreed)
    assert sum(a.verification.passes for a in again.attempts) == 0
    assert [a.verification.verdict for a in again.attempts] == [a.verification.verdict for a in found.attempts]


def test_a_later_rung_that_claims_the_same_costs_only_its_controls():
    found = up(read(flat))
    gradient, few = found.attempts
    assert gradient.verification.claims[0].claim.units == few.verification.claims[0].claim.units
    # Two operators: twenty controls and the input beside them; and four neighbours of three passes each.
    assert few.verification.passes == 2 * (20 + 1) + 4 * 3


def test_the_same_salts_give_the_same_bits():
    one, other = (up(read(both, TWO)) for _ in range(2))
    assert one.stopped == other.stopped
    assert one.passes == other.passes
    for a, b in zip(one.attempts, other.attempts, strict=True):
        assert a.verification.commitment == b.verification.commitment
        assert a.verification.verdict == b.verification.verdict
        assert a.verification.tests == b.verification.tests
        assert a.verification.controls == b.verification.controls
        assert a.verification.stability == b.verification.stability
        assert a.critique == b.critique
        assert a.proposal.account.claims == b.proposal.account.claims
        for m, values in a.proposal.account.values.items():
            assert values.tobytes() == b.proposal.account.values[m].tobytes()


def test_no_rung_is_begun_beyond_the_passes():
    whole = up(read(both, TWO))
    spent = list(
        itertools.accumulate(a.proposal.gradients + a.proposal.passes + a.verification.passes for a in whole.attempts)
    )
    assert spent[-1] == whole.passes
    for bound in (1, spent[0], spent[0] + 1, spent[1], spent[2]):
        found = up(read(both, TWO), passes=bound)
        expected = next(i for i, n in enumerate(spent) if n >= bound) + 1
        assert len(found.attempts) == expected
        assert verdict(found) == (whole.attempts[expected - 1].verification.verdict.verdict, "passes")
    assert up(read(both, TWO), passes=spent[2] + 1).stopped == "supported"


def test_no_rung_is_begun_beyond_the_time():
    found = up(read(both, TWO), seconds=1e-9)
    assert (rungs(found), found.stopped) == (["gradient"], "seconds")
    assert up(read(both, TWO), seconds=1e6).stopped == "supported"


def test_a_bound_does_not_undo_what_holds():
    assert verdict(up(read(reads_cat), passes=1, seconds=1e-9)) == ("supported", "supported")


def test_measuring_is_tried_again_with_what_controls_turned_up_and_no_oftener_than_asked():
    """Nothing but one group is measured, the account's leavings are found by the controls."""
    words = SENTENCE.split()
    for k in range(10):
        words[3 * k] = "cat"
    words[1] = "siren"
    score = lambda i: i["text"][:, :, CAT].sum(1) + 0.5 * i["text"][:, :, SIREN].sum(1)  # noqa: E731

    def run(again: int) -> Climb:
        lab = read(score, " ".join(words))
        options = LadderSettings(rungs=("measured",), groups=GroupSettings(groups=1, levels=0, single=0), again=again)
        first = propose_at("measured", lab, [], options)
        assert len(first.account.claims) == 1
        return climb(lab, lambda proposal: {}, lambda digest: "salt", options, VerifySettings(operators=1))

    none, some = run(0), run(3)
    assert len(none.attempts) == 1
    assert len(some.attempts) <= 4
    assert some.final.verification.claims[0].measured <= none.final.verification.claims[0].measured


def test_rungs_are_those_asked_for():
    found = up(read(both, TWO), rungs=("gradient", "path"))
    assert rungs(found) == ["gradient", "path"]
    assert found.stopped == "last rung"
    assert up(read(reads_cat), rungs=("path",)).final.proposal.path.nodes > 9


def test_progress_names_what_is_being_done():
    told: list[tuple[str, float]] = []
    climb(read(flat), lambda p: {}, lambda d: "s", progress=lambda stage, share: told.append((stage, share)))
    assert [stage for stage, _ in told] == ["attribute", "verify"] * 2
    assert [share for _, share in told] == sorted(share for _, share in told)


def test_what_breaks_down_on_the_path_alone_is_measured_all_the_same():
    """Between the word and its absence there is no score; at both ends there is, and it is flat."""

    def torn(inputs) -> torch.Tensor:
        word = inputs["text"][:, :, CAT].sum(1)
        return steep(inputs) + torch.where((word > 0.05) & (word < 0.95), torch.nan, 0.0)

    found = up(read(torn), verifying=VerifySettings(neighbours=0))
    assert rungs(found) == ["gradient", "measured"]
    assert verdict(found) == ("supported", "supported")
    assert found.final.verification.claims[0].claim.units == (20,)


def test_what_breaks_down_while_it_is_being_measured_is_inconclusive_with_the_reason():
    """Without three words or more there is no score. Each word by itself can be taken out."""

    def fragile(inputs) -> torch.Tensor:
        gone = ((inputs["text"] - MASK).abs().sum(-1) < 1e-4).sum(1)
        return flat(inputs) + torch.where(gone > 2, torch.nan, 0.0)

    found = up(read(fragile))
    assert verdict(found) == ("inconclusive", "untestable")
    final = found.final.verification
    assert final.verdict.cause == "unmeasurable"
    assert final.verdict.reasons[0].startswith("Not all edits could be measured: system: the scores are not finite")
    assert final.notes == (final.verdict.reasons[0],)


counting = itertools.count()
chance = torch.Generator().manual_seed(0)


@pytest.mark.parametrize(
    ("score", "text", "stopped", "told"),
    [
        (lambda i: 0 * reads_cat(i) + 1, SENTENCE, "last rung", "Nothing speaks for the decision"),
        (lambda i: 1e-9 * reads_cat(i) + 1, SENTENCE, "untestable", "No edit changes the score"),
        (lambda i: i["text"][:, :, CAT].sum(1).log() + 1, SENTENCE, "untestable", "not finite under the text operator"),
        (lambda i: reads_cat(i) + 0.3 * next(counting), SENTENCE, "untestable", "the same input scores"),
        (
            lambda i: reads_cat(i) + torch.randn(len(i["text"]), generator=chance),
            SENTENCE,
            "untestable",
            "the same input scores",
        ),
        (lambda i: reads_cat(i) + 9 * i["text"][:, :, CAT].mean(), SENTENCE, "untestable", "members of a batch apart"),
        (reads_cat, "cat", "last rung", "too small for the test"),
        (reads_cat, "stop cat", "last rung", "too small for the test"),
        (lambda i: i["text"].sum((1, 2)), "", "last rung", "Nothing speaks for the decision"),
    ],
    ids=["constant", "unmoved", "not finite", "counting", "chance", "mixing", "one unit", "two units", "empty"],
)
def test_a_bad_system_or_input_is_inconclusive_with_the_reason(score: Callable, text: str, stopped: str, told: str):
    found = up(read(score, text))
    assert verdict(found) == ("inconclusive", stopped)
    assert told in found.final.verification.verdict.reasons[0]
    assert found.final.critique is not None
    assert "To do: " in found.final.critique.sentence


@pytest.mark.parametrize(
    ("score", "told"),
    [
        (lambda i: reads_cat(i) * float("nan"), "the scores are not finite for the inputs given"),
        (lambda i: i["text"].detach().sum((1, 2)), "no gradient reaches any input"),
        (lambda i: reads_cat(i) + i["text"].sum().sub(i["text"].sum()).sqrt(), "the gradient of text is not finite"),
    ],
)
def test_a_system_that_breaks_the_contract_at_the_input_itself_is_an_error(score: Callable, told: str):
    system = Toy(score, READER)
    lab = laboratory(system, {"text": SENTENCE})
    with pytest.raises(ContractError, match=told):
        up(lab)


def test_a_rungs_proposal_alone():
    lab = read(reads_cat)
    for rung in RUNGS:
        found = propose_at(rung, lab, [])
        assert isinstance(found, Proposal)
        assert found.account.claims[0].units == (20,)
        assert found.account.claims[0].predicted == pytest.approx(-4, rel=PathSettings().tolerance)
    with pytest.raises(InputError, match="ladder: no rung 'guess'; there are gradient, few-steps, path, measured"):
        propose_at("guess", lab, [])


@pytest.mark.parametrize(
    "wrong",
    [{"rungs": ()}, {"rungs": ("gradient", "guess")}, {"rungs": ("path", "path")}],
)
def test_unknown_rungs_are_refused(wrong: dict):
    with pytest.raises(InputError, match="give some of gradient, few-steps, path, measured, once"):
        LadderSettings(**wrong)


@pytest.mark.parametrize("wrong", [{"again": -1}, {"passes": 0}, {"seconds": 0.0}, {"seconds": -1.0}])
def test_bounds_out_of_range_are_refused(wrong: dict):
    with pytest.raises(InputError, match="again is at least 0, the bounds are positive"):
        LadderSettings(**wrong)
