from __future__ import annotations

import copy
import json
import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.audit.period_sample import act, decision
from tests.agent.sample import result_and_arrays, without
from veridical.agent.audit.letter import letter
from veridical.agent.record.texts import cut_texts
from veridical.errors import InputError, RecordError

EVIL = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>\u202e\x1b[31m"
PROOF = "The log example had 42 entries; root sha256:" + "9e" * 32 + "."


@pytest.fixture(scope="module")
def sample():
    return json.loads(json.dumps(result_and_arrays()[0]))


@pytest.fixture
def result(sample):
    return copy.deepcopy(sample)


def syllables(word):
    found = re.findall(r"[aeiouy]+", word.lower())
    silent = word.lower().endswith("e") and not word.lower().endswith("le") and len(found) > 1
    return max(len(found) - silent, 1)


def reading_ease(text):
    """Flesch, Journal of Applied Psychology 32 (1948)."""
    sentences = [s for s in re.split(r"[.!?:]+(?=\s|$)|\n\s*\n", text) if re.search("[A-Za-z]", s)]
    words = re.findall(r"[A-Za-z][A-Za-z'’-]*", text)
    return 206.835 - 1.015 * len(words) / len(sentences) - 84.6 * sum(map(syllables, words)) / len(words)


def judged(result, verdict, cause):
    result["verdict"].update(verdict=verdict, cause=cause)
    return result


def plain(text):
    return " ".join(text.replace("\u00a0", " ").split())


def test_a_person_can_read_it(result):
    body = letter(result, decision(), proof_line=PROOF, entry=17).body()
    assert reading_ease(body) >= 50
    assert not re.search(r"\bnats?\b|log-odds|saliency|\bp = ", body)
    assert max(map(len, body.splitlines())) <= 78


def test_it_says_what_was_decided_when_and_how_to_check_it(result):
    text = plain(letter(result, decision(), proof_line=PROOF, entry=17, contact="ombud@example.org").text())
    assert "On 1 October 2026 at 06:00 UTC the system “courier” chose STOP." in text
    assert "Record d00000, entry 17 of the log." in text
    assert PROOF in text
    assert "Write to ombud@example.org." in text
    assert "Article 86" in text


@pytest.mark.parametrize(
    ("verdict", "cause", "told"),
    [
        ("unsupported", "inaccurate", "Do not rely on this account: it failed its test"),
        ("inconclusive", "too-small", "It is not known whether this account is true"),
    ],
)
def test_an_account_that_did_not_pass_is_called_that_before_any_reason(result, verdict, cause, told):
    made = letter(judged(result, verdict, cause), decision())
    body = plain(made.body()).casefold()
    assert body.index(told.casefold()) < len(body) / 3
    assert body.index(told.casefold()) < body.index("what was measured")
    assert "what the decision rested on" not in body
    assert f"the account as a whole is {verdict}" in body
    assert f'class="tone {verdict}"' in made.html()


def test_every_figure_is_one_of_the_record(result):
    made = letter(result, decision())
    claims = {c["id"]: c for c in result["claims"]}
    shown = [f"{100 * p:.0f}" for p in result["decision"]["probabilities"].values()]
    effects = [e for c in claims.values() for e in [c["effects"]]] + list(result["senses"].values())
    shown += [f"{100 * sum(e['probabilities']['STOP'] for e in some) / len(some):.0f}" for some in effects if some]
    graph = result["graph"]["edges"]
    shown += [f"{100 * edge['after']['STOP']:.0f}" for edge in graph if "after" in edge]
    told = re.findall(r"(\d+)\u00a0%", made.body())
    assert told
    assert set(told) <= set(shown)


def test_only_what_was_confirmed_is_a_reason_and_the_strongest_comes_first(result):
    made = letter(result, decision())
    (reasons,) = [s for s in made.sections if s.heading == "What the decision rested on"]
    confirmed = [c for c in result["claims"] if c["status"] == "confirmed"]
    assert "“cat”, seen in the middle" in reasons.points[0][0]
    assert len(reasons.points) >= len(confirmed)
    others = [c for c in result["claims"] if c["status"] != "confirmed"]
    assert others
    leads = " ".join(lead for lead, _ in reasons.points)
    assert not any(c["where"] in leads.replace("picture", "frame") for c in others)
    assert f"{len(others)} things that the account names did not do what it says" in plain(made.body())


def test_cut_words_are_not_made_up(result):
    result = json.loads(
        json.dumps(result).replace("stop \\u2026 animal", "stop at once").replace("stop … animal", "stop at once")
    )
    assert "“stop at once”" in plain(letter(result, decision()).body())
    made = letter(cut_texts(result)[0], decision(), erased=["the instruction"])
    assert "stop at once" not in plain(made.body())
    assert "words no longer shown here" in plain(made.body())
    assert "Erased since, and not to be had again: the instruction." in plain(made.body())


def test_an_absent_sense_is_said():
    result, _ = without("audio")
    assert "had nothing from its microphone" in plain(letter(json.loads(json.dumps(result)), decision()).body())


def test_people_are_named_with_what_they_did(result):
    acts = [
        act("d00000", "overridden", who="Ada", reason="a toy cat", action="PROCEED"),
        act("other", "accepted", who="Bob"),
    ]
    text = plain(letter(result, decision(), acts).body())
    assert "Ada set the decision aside. In its place came PROCEED. The reason given: “a toy cat”" in text
    assert "Bob" not in text
    assert "names no person" not in text
    assert "names no person who confirmed or changed" in plain(letter(result, decision(), acts[1:]).body())


def test_what_would_have_changed_it_was_tried(result):
    for effects in (*(c["effects"] for c in result["claims"]), *result["senses"].values()):
        for effect in effects:
            effect["action"] = "STOP"
    for edge in result["graph"]["edges"]:
        if "becomes" in edge:
            edge["becomes"] = "STOP"
    assert "None of the things that were taken away changed the choice." in plain(letter(result, decision()).body())


def test_a_page_holds_everything_and_runs_nothing(result):
    html = letter(result, decision(), proof_line=PROOF).html()
    assert not re.search(r"https?://|<script|<link|<img|@import|url\(|style=", html)
    assert "default-src 'none'" in html
    assert "Annex: figures for experts" in html


def test_what_a_record_holds_cannot_write_the_page_or_the_screen(result):
    def spoilt(value, key=""):
        if isinstance(value, dict):
            return {k: spoilt(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [spoilt(v) for v in value]
        free = key in {"where", "name", "named_by", "label", "method", "digest", "target"}
        return EVIL if free and isinstance(value, str) else value

    made = letter(
        spoilt(result), decision(system={"name": EVIL}), [act("d00000", "named", who=EVIL, reason=EVIL)], EVIL
    )
    assert "<script" not in made.html()
    assert "<img" not in made.html()
    for text in (made.html(), made.text()):
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_a_result_of_another_decision_or_form_is_refused(result):
    with pytest.raises(RecordError, match="the log says 'SLOW', its result 'STOP'"):
        letter(result, decision(action="SLOW"))
    for key in ("verdict", "claims", "observation", "system", "decision"):
        with pytest.raises(RecordError, match="no letter can be written"):
            letter({k: v for k, v in result.items() if k != key}, decision())
    with pytest.raises(RecordError, match="no letter can be written"):
        letter(judged(result, "true", "holds"), decision())
    with pytest.raises(InputError, match="40 at least"):
        letter(judged(result, "supported", "holds"), decision()).text(10)


def places(value, path=()):
    yield path
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in steps:
        yield from places(inner, (*path, key))


@given(st.data())
def test_whatever_stands_in_a_result_a_letter_comes_or_a_record_error(sample, data):
    spoilt = copy.deepcopy({k: v for k, v in sample.items() if k not in ("ranking", "timing")})
    path = data.draw(st.sampled_from([p for p in places(spoilt) if p]))
    holder = spoilt
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = data.draw(st.sampled_from([None, -1, 1e308, True, "", EVIL, [], {}, [None], {"a": 1}]))
    with suppress(RecordError):
        letter(spoilt, decision()).html()


def test_it_goes_into_json(result):
    told = letter(result, decision()).to_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
