"""Rephrasing, held to account."""

from __future__ import annotations

import pytest

from tests.concepts.told import siren
from veridical.concepts.contrast import why_not
from veridical.concepts.rephrase import Rephrased, rephrase
from veridical.concepts.sentences import justify

GRAPH = siren()
TOLD = {length: justify(GRAPH, length) for length in ("short", "medium", "full")} | {"why": why_not(GRAPH, "PROCEED")}


def put(length: str, *pairs: tuple[str, str]) -> Rephrased:
    """Rephrase by replacing passages, each of which must be there."""

    def model(text: str) -> str:
        for was, now in pairs:
            assert was in text, was
            text = text.replace(was, now)
        return text

    return rephrase(TOLD[length], model)


@pytest.mark.parametrize("length", TOLD)
def test_what_is_left_as_it_is_is_accepted(length: str):
    original = " ".join(s.text for s in TOLD[length])
    assert rephrase(TOLD[length], lambda text: text) == Rephrased(original, True)


@pytest.mark.parametrize(
    ("length", "pairs"),
    [
        ("short", [("falls", "drops"), ("rests first", "relies above all")]),
        ("short", [("11\u00a0%", "11 percent"), ("(−4.88 nats)", "(a change of minus 4.88 nats)")]),
        ("short", [("“siren”", '"siren"'), ("–", "-"), ("94\u00a0%", "94 %")]),
        ("short", [("Without “siren” (0.5–2.4 s): PROCEED", "Remove “siren” (0.5–2.4 s) and the choice is PROCEED")]),
        (
            "medium",
            [("without it STOP rises", "once it is removed, STOP climbs"), ("decision stays", "choice remains")],
        ),
        ("medium", [("but this was not confirmed", "yet this went unconfirmed")]),
        ("medium", [("(+0.90 nats)", "(0.9 nats)")]),
        ("full", [("often goes with", "frequently goes with"), ("was not tested", "was untested")]),
        ("full", [("made no difference that counts", "has no effect that counts")]),
        ("full", [("lies between", "ranges between"), ("seldom do", "rarely do")]),
        ("why", [("was chosen rather than", "was picked instead of")]),
    ],
)
def test_honest_rephrasings_are_accepted(length: str, pairs: list[tuple[str, str]]):
    found = put(length, *pairs)
    assert found.faults == ()
    assert found.accepted
    assert pairs[0][1] in found.text


@pytest.mark.parametrize(
    ("length", "pairs", "fault"),
    [
        ("short", [("(−4.88 nats).", "(−4.88 nats), and the road was wet.")], "brings in: road, wet"),
        ("short", [("(−4.88 nats).", "(−4.88 nats), and also “grass”.")], "brings in"),
        ("short", [(" Without “siren” (0.5–2.4 s): PROCEED (80\u00a0%).", "")], "it has 1 sentences in place of 2"),
        ("short", [("; it rests first on “siren” (0.5–2.4 s)", "")], "things, actions and figures"),
        ("short", [("−4.88", "+4.88")], "-4.88nat"),
        ("short", [("−4.88", "4.88")], "things, actions and figures"),
        ("short", [("from 94\u00a0% to 11\u00a0%", "from 11\u00a0% to 94\u00a0%")], "things, actions and figures"),
        ("short", [("falls", "rises")], "its turns were next, rest, first, fall; they are next, rest, first, rise"),
        ("short", [("chose STOP", "chose PROCEED"), ("next PROCEED", "next STOP")], "things, actions and figures"),
        ("short", [("PROCEED (80", "YIELD (80")], "things, actions and figures"),
        ("short", [("4.88 nats", "4.88 %")], "things, actions and figures"),
        ("short", [("94\u00a0%", "about 94\u00a0%")], "brings in: about"),
        ("short", [("Without “siren”", "With “siren”")], "something is taken out"),
        ("short", [("Courier", "It")], "Courier is named 0 times; it was 1"),
        ("short", [("rests first on", "is caused by")], "its turns"),
        ("short", [("PROCEED (80\u00a0%).", "PROCEED (80\u00a0%)?")], "brings in: ?"),
        ("medium", [("not confirmed", "confirmed")], "its turns"),
        ("medium", [("points to", "does not point to"), ("was not confirmed", "was confirmed")], "its turns"),
        ("medium", [("points to", "proves")], "brings in: proves"),
        ("medium", [("points to", "rests on")], "its turns"),
        ("medium", [("Against it speaks", "For it speaks")], "its turns"),
        ("medium", [("put to the test and is supported", "put to the test and is not supported")], "its turns"),
        ("medium", [("3 claims", "4 claims")], "things, actions and figures"),
        ("medium", [("would not of others", "would of others")], "things, actions and figures"),
        ("full", [("in this system", "in the world")], "brings in: world"),
        ("full", [("it is no cause here", "it is a cause here")], "its turns"),
        ("full", [("seldom do", "do")], "its turns"),
        ("full", [("less than 0.1", "0.1")], "things, actions and figures"),
        ("full", [("“grass” (the right", "“sky” (the right")], "things, actions and figures"),
        ("full", [("ext was absent", "he weather was absent")], "things, actions and figures"),
        (
            "why",
            [("STOP rather than PROCEED speaks", "PROCEED rather than STOP speaks")],
            "things, actions and figures",
        ),
    ],
)
def test_hostile_rephrasings_are_rejected(length: str, pairs: list[tuple[str, str]], fault: str):
    found = put(length, *pairs)
    assert not found.accepted
    assert found.text == " ".join(s.text for s in TOLD[length])
    assert any(fault in told for told in found.faults), found.faults


def test_the_order_of_sentences_is_kept():
    texts = [s.text for s in TOLD["medium"]]
    assert not rephrase(TOLD["medium"], lambda text: " ".join([texts[0], texts[2], texts[1], *texts[3:]])).accepted


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("", "the model returned no text"),
        (" \n", "the model returned no text"),
        ("\ue100", "it holds characters of private use"),
        ("I am sorry.", "it has 1 sentences in place of 2"),
    ],
)
def test_what_says_nothing_is_rejected(answer: str, fault: str):
    original = " ".join(s.text for s in TOLD["short"])
    assert rephrase(TOLD["short"], lambda text: answer) == Rephrased(original, False, (fault,))


def test_a_model_that_fails_or_returns_no_text_leaves_the_original(unchecked):
    def fails(text: str) -> str:
        raise KeyError(text)

    original = " ".join(s.text for s in TOLD["short"])
    assert rephrase(TOLD["short"], fails) == Rephrased(original, False, ("the model failed: KeyError",))
    none = rephrase(TOLD["short"], lambda text: None)  # pyright: ignore[reportArgumentType]
    assert none == Rephrased(original, False, ("the model returned NoneType, not text",))


def test_spaces_and_lines_do_not_count():
    found = rephrase(TOLD["short"], lambda text: text.replace(". W", ".\n\n  W"))
    assert found.accepted
    assert "\n" not in found.text
