from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.sample import result_and_arrays
from veridical.agent.record import plain
from veridical.agent.record.texts import GONE, cut_texts, put_texts
from veridical.errors import IntegrityError

SAID = "Wait for the lady in the red coat at number forty"


def told(*texts, **more):
    return {"observation": {"text": {"present": True, "text": SAID}}, "justification": {"full": list(texts)}, **more}


def test_quotes_go_and_sentences_stay_readable():
    result = told("It rests on “the lady”, “red coat”: without them STOP falls (−2.1 nats).", "STOP was chosen.")
    found, texts = cut_texts(result)
    assert found["justification"]["full"] == [
        "It rests on “…”, “…”: without them STOP falls (−2.1 nats).",
        "STOP was chosen.",
    ]
    assert found["observation"]["text"]["text"] == GONE
    assert set(texts) == {"/observation/text/text", "/justification/full/0"}
    assert put_texts(found, texts) == result


QUOTES = ["LADY", "the  lady", "lady, in the re…", "wait … lady", "… the la… forty", "number forty"]


@pytest.mark.parametrize("quote", QUOTES)
def test_a_quote_is_known_whatever_its_case_spaces_and_cut(quote):
    assert cut_texts(told(f"See “{quote}”."))[0]["justification"]["full"] == ["See “…”."]


@pytest.mark.parametrize("other", ["siren", "lady forty", "wait … tiger", "lad", "red cap"])
def test_other_quotes_stay(other):
    assert cut_texts(told(f"See “{other}”."))[0]["justification"]["full"] == [f"See “{other}”."]


def test_names_of_concepts_are_the_banks_words():
    graph = {"nodes": [{"id": "vision#1.1", "named": True, "label": "lady"}]}
    assert cut_texts(told("See “lady”, “coat”.", graph=graph))[0]["justification"]["full"] == ["See “lady”, “…”."]


def test_many_words_in_a_row_go_though_no_quote_marks_them():
    assert cut_texts(told("It read: wait for the lady; so it waited."))[0]["justification"]["full"] == [GONE]
    assert cut_texts(told("It saw the lady."))[0]["justification"]["full"] == ["It saw the lady."]


def test_what_was_heard_goes_too():
    speech = {"transcript": "Stop at once", "words": [{"text": "Stop", "heard": "top at once", "value": 1.5}]}
    found, _ = cut_texts({"observation": {"text": {"present": False}}, "fusion": {"speech": speech}})
    assert found["fusion"]["speech"] == {"transcript": GONE, "words": [{"text": GONE, "heard": GONE, "value": 1.5}]}


def test_salts_of_the_signals_go():
    found, texts = cut_texts({"observation": {"vision": {"present": True, "digest": "sha256:1", "salt": "ab"}}})
    assert found["observation"]["vision"] == {"present": True, "digest": "sha256:1", "salt": GONE}
    assert texts == {"/observation/vision/salt": "ab"}


def test_nothing_is_cut_where_nothing_was_said():
    result = {"observation": {"text": {"present": False}}, "justification": {"text": "It saw “an oak”."}}
    assert cut_texts(result) == (result, {})


def test_no_words_of_a_written_sample_are_left():
    result = plain(result_and_arrays()[0])
    found, texts = cut_texts(result)
    said = result["observation"]["text"]["text"]
    assert said not in json.dumps(found, ensure_ascii=False)
    assert all(row["unit"].get("text") in (None, GONE) for row in found["ranking"])
    assert put_texts(found, texts) == result


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"/justification/full/7": "x"}, "nothing was cut out at /justification/full/7"),
        ({"/observation/text/text": 3}, "is a int, not a text"),
    ],
)
def test_texts_of_another_record_are_refused(texts, message):
    found, _ = cut_texts(told("See “lady”."))
    with pytest.raises(IntegrityError, match=message) as raised:
        put_texts(found, texts)
    assert raised.value.cause == "format"


@given(st.lists(st.sampled_from(SAID.split()), min_size=1, max_size=4), st.text(max_size=8))
def test_cutting_and_putting_back_changes_nothing(words, more):
    result = told(f"{more} “{' '.join(words)}” {more}", more, "a…b/~")
    found, texts = cut_texts(result)
    assert put_texts(found, texts) == result
