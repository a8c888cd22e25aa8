"""Neutral words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.modalities.neutral import GONE, NEUTRAL, NONE, neutral_tokens, neutral_words
from veridical.modalities.parts_of_speech import classify
from veridical.modalities.text import Text


def first(text: str) -> str:
    return " ".join(words[0] for words in neutral_words(text.split()))


@pytest.mark.parametrize(
    ("text", "neutral"),
    [
        ("Stop the old dogs", "Do a certain things"),
        ("She walks slowly and waited", "It does so or did"),
        ("Brmff is waiting for two trams", "someone does doing of one things"),
        ("at the kerb of Mill Lane", "of a thing with someone someone"),
        ("Really ? Go !", "So , Do ,"),
        ("do it so", "make this thus"),
        ("You must not go if he has come", "It do so do that it does do"),
    ],
)
def test_part_of_speech_and_form_are_kept(text: str, neutral: str):
    assert first(text) == neutral


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from([word for words in NEUTRAL.values() for word in words] + ["dog", "Stop", "!"])))
def test_no_word_stands_in_for_itself(words: list[str]):
    for word, choices in zip(words, neutral_words(words), strict=True):
        assert choices
        assert word.lower() not in {choice.lower() for choice in choices}


@pytest.mark.parametrize("key", [key for key in NEUTRAL if key not in ("mark", "name", "subordinator", "determiner")])
def test_neutral_words_have_the_part_of_speech_that_they_stand_for(key: str):
    frames = {
        "adjective": "the {} dog",
        "adverb": "they {} wait",
        "conjunction": "cats {} dogs",
        "number": "wait {} hours",
        "preposition": "a bag {} oats",
        "pronoun": "he saw {}",
        "verb, -ing": "they are {} it",
        "verb, -s": "he {} it",
        "verb": "they {} it",
        "verb, past": "he {} it",
    }
    frame = frames.get(key, "the {} here").split()
    for word in NEUTRAL[key]:
        at = frame.index("{}")
        assert key.startswith(classify([*frame[:at], word, *frame[at + 1 :]])[at])


def test_every_neutral_word_is_one_token_of_minilm():
    sense = Text.minilm()
    for words in NEUTRAL.values():
        assert all(len(sense._pieces(word)) == 1 for word in words)


def letters(text: str) -> list[int]:
    """Each letter but x is a token; but "do" and "thing" are one each."""
    return {"do": [1000], "thing": [1001]}.get(text.strip(), [ord(c) for c in text.strip() if c != "x"])


def places(text: str) -> tuple[np.ndarray, tuple[int, ...], np.ndarray, np.ndarray]:
    """Tokens, units, labels and offsets of a text of which each letter is a token and each word a unit."""
    at = np.array([i for i, c in enumerate(text) if c != " "])
    labels = np.array([text[:i].count(" ") for i in at])
    return np.array([ord(text[i]) for i in at]), tuple(range(labels[-1] + 1)), labels, np.stack([at, at + 1], 1)


def test_the_first_token_becomes_the_neutral_word_and_punctuation_stays():
    found = neutral_tokens(letters, "go (cat)!", *places("go (cat)!"))
    assert found.tolist() == [1000, GONE, ord("("), 1001, GONE, GONE, ord(")"), ord("!")]


def test_what_has_no_neutral_word_of_one_token_has_none():
    assert neutral_tokens(letters, "at cat", *places("at cat")).tolist() == [NONE, GONE, 1001, GONE, GONE]
    assert neutral_tokens(lambda text: [], "go", *places("go")).tolist() == [NONE, GONE]


def test_a_neutral_word_is_another_token_than_the_word():
    ids, units, labels, offsets = places("b")
    read = {"thing": [int(ids[0])], "object": [8]}
    assert neutral_tokens(lambda text: read[text], "b", ids, units, labels, offsets).tolist() == [8]
