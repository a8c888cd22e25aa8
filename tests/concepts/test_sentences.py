"""The justification."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.concepts.naming import Name
from veridical.concepts.sentences import Decided, Sentence, justify
from veridical.verifier.account import CheckedClaim, Effect
from veridical.verifier.claims import Claim
from veridical.verifier.judge import Verdict

DECIDED = Decided("courier", "STOP", ("GO", "STOP", "WAIT"), (0.2, 0.7, 0.1), 0.85)
SUPPORTED = Verdict("supported", ("It held.",))


def effect(change: float, action: int = 0, operator: str = "blur") -> Effect:
    return Effect(operator, change, np.eye(3, dtype=np.float32)[action], 0.5)


def claim(name: str, modality: str, measured: float, *actions: int, status: str = "confirmed") -> CheckedClaim:
    effects = tuple(effect(measured, action) for action in actions or (0, 0))
    return CheckedClaim(Claim(name, modality, (0,), -2.04), effects, measured, status)


SEEN, HEARD, READ = claim("c1", "vision", -1.96), claim("c2", "audio", -1.0, 1, 1), claim("c3", "text", -0.5, 0, 2)
WHERE = {"c1": "the middle, frame 1 (0–1 s)", "c2": "0.5–1 s, 1.0–2.0 kHz", "c3": "“cat”"}
CATS = {"c1": Name("Egyptian cat", "ImageNet", 0.9), "c2": Name("Siren", "AudioSet", 0.8), "c3": None}


def told(claims=(SEEN, HEARD), senses=None, verdict=SUPPORTED, decided=DECIDED, **options) -> list[Sentence]:
    return list(justify(decided, claims, senses or {}, options.pop("names", CATS), WHERE, verdict, **options))


def test_the_decision_comes_first():
    first = told()[0]
    assert first.text == "Courier chose STOP (70\u00a0%; next GO, 20\u00a0%), 0.8 nats ahead of all else together."
    assert (first.claims, first.confirmed) == ((), True)


def test_a_decision_that_most_speaks_against_is_told_as_such():
    split = Decided("MyRobot", "STOP", ("GO", "STOP", "WAIT"), (0.33, 0.34, 0.33), -0.66)
    assert told(decided=split)[0].text.startswith(
        "MyRobot chose STOP (34\u00a0%; next GO, 33\u00a0%), 0.7 nats behind all else"
    )


def test_claims_are_told_with_what_was_measured():
    _, seen, heard, _ = told()
    assert seen.text == (
        "It rests first on what it saw: what ImageNet calls an Egyptian cat in the middle, frame 1 (0–1 s); with "
        "that taken out its score falls by 2.0 nats (predicted 2.0) and the decision becomes GO."
    )
    assert heard.text == (
        "Next comes what it heard: “Siren” at 0.5–1 s, 1.0–2.0 kHz; with that taken out its score falls by 1.0 nats "
        "(predicted 2.0) and the decision stays STOP."
    )
    assert (seen.claims, heard.claims, seen.confirmed) == (("c1",), ("c2",), True)


def test_words_speak_for_themselves_and_outcomes_that_differ_are_both_told():
    assert "what it read: “cat”; with that" in told((READ,))[1].text
    assert "the decision becomes GO or WAIT, depending on how it is taken out" in told((READ,))[1].text


def test_without_a_name_evidence_goes_by_its_place():
    assert "what it saw: something in the middle" in told(names={})[1].text
    assert "what it heard: a sound at 0.5–1 s" in told(names={})[2].text


@pytest.mark.parametrize("verdict", ["unsupported", "inconclusive"])
def test_only_a_supported_account_says_what_the_decision_rests_on(verdict: str):
    sentences = told(verdict=Verdict(verdict, ("A reason.",)))
    assert sentences[1].text.startswith("The account points first to what it saw: ")
    assert not any("rests" in s.text for s in sentences)
    assert not sentences[-1].confirmed


@pytest.mark.parametrize(
    ("status", "measured", "said"),
    [
        ("negligible", -0.02, "taking it out made no difference that counts (−0.020 nats)"),
        ("contradicted", 1.5, "taking it out raised the score instead (+1.50 nats)"),
    ],
)
def test_what_was_not_confirmed_says_so(status: str, measured: float, said: str):
    sentence = told((claim("c1", "vision", measured, status=status),))[1]
    assert said in sentence.text
    assert "not confirmed" in sentence.text
    assert not sentence.confirmed


def test_a_later_claim_that_was_not_confirmed_is_left_out():
    assert len(told((SEEN, claim("c2", "audio", 0.0, status="negligible"), READ))) == 4
    assert not any("heard" in s.text for s in told((SEEN, claim("c2", "audio", 0.0, status="negligible"))))


def test_what_made_no_difference_and_what_was_absent_is_told():
    absent = Decided("courier", "STOP", ("GO", "STOP"), (0.3, 0.7), 0.85, ("text",))
    senses = {"vision": (effect(-3.0),), "audio": (effect(0.01), effect(-0.04))}
    text = told((SEEN,), senses, decided=Decided(*absent.__dict__.values()))[-2].text
    assert text == "Taking away all that it heard changes the score by less than 0.1 nats; text was absent."
    assert not any("taking away all" in s.text.lower() for s in told((SEEN,), senses, least=0.02)[1:-1])


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("supported", "This account was put to the test and is supported: it held."),
        ("unsupported", "This account was put to the test and is NOT supported: it held."),
        ("inconclusive", "This account could not be settled: it held."),
    ],
)
def test_the_verdict_comes_last(verdict: str, said: str):
    last = told(verdict=Verdict(verdict, ("It held.",)))[-1]
    assert (last.text, last.claims) == (said, ("c1",))


def test_without_claims_there_are_two_sentences():
    assert [s.claims for s in told((), verdict=Verdict("inconclusive", ("Nothing.",)))] == [(), ()]


statuses = st.sampled_from(["confirmed", "negligible", "contradicted"])
senses_of = st.dictionaries(st.sampled_from(["vision", "audio", "text"]), st.floats(-3, 3).map(lambda x: (effect(x),)))


@given(
    st.lists(statuses, max_size=5),
    senses_of,
    st.integers(0, 300),
    st.sampled_from(["supported", "unsupported", "inconclusive"]),
)
@settings(deadline=None)
def test_there_are_two_to_five_sentences_of_bounded_length(found: list[str], senses: dict, places: int, verdict: str):
    claims = [claim(f"c{i}", "vision", 1.0, status=status) for i, status in enumerate(found)]
    where = {c.claim.name: "; ".join(["the upper left, frame 1 (0–1 s)"] * (places + 1)) for c in claims}
    sentences = justify(DECIDED, claims, senses, {}, where, Verdict(verdict, ("A reason.",)))
    assert 2 <= len(sentences) <= 5
    assert max(len(s.text) for s in sentences) < 400
    assert not any("-" in s.text or s.text.count("\n") for s in sentences)
