"""One semantic space: what a place is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.errors import InputError
from veridical.fusion.space import RATE, Bank, NameSpace, SemanticSpace, convex, nothing_in

RNG = np.random.default_rng(0)
EMBEDDINGS = {name: RNG.standard_normal(6) for name in ("red", "green", "blue", "hiss", "hum")}


class Colours(NameSpace):
    """Sees how red, green and blue a picture is; hears hiss or hum; embeds five names, and sums of them."""

    asked = 0

    def embed(self, texts: Any) -> np.ndarray:
        return np.stack([sum(EMBEDDINGS[word] for word in text.split()) for text in texts])

    @property
    def seen(self) -> Bank:
        return Bank.of(("red", "green", "blue"), self.embed(["red", "green", "blue"]), self.top)

    @property
    def heard(self) -> Bank:
        return Bank.of(("hiss", "hum"), self.embed(["hiss", "hum"]), self.top)

    def see(self, pictures: Any) -> np.ndarray:
        self.asked += 1
        levels = np.stack([p.mean((0, 1)) for p in pictures])
        return levels / levels.sum(1, keepdims=True)

    def hear(self, waves: Any) -> np.ndarray:
        rough = [min(1.0, float(np.abs(np.diff(w)).mean() / np.abs(w).mean())) for w in waves]
        return np.array([[r, 1 - r] for r in rough])


def plain(colour: tuple[int, int, int], side: int = 8) -> np.ndarray:
    return np.full((side, side, 3), colour, np.uint8)


def hum(seconds: float = 1.0) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * 50 * np.arange(round(seconds * RATE)) / RATE)


def unit(vector: Any) -> np.ndarray:
    return np.asarray(vector) / np.linalg.norm(vector)


def test_a_bank_loses_what_its_names_have_in_common():
    embeddings = np.array([[5.0, 1, 0], [5, -1, 0], [5, 0, 3], [5, 0, -3]])
    bank = Bank.of(("a", "b", "c", "d"), embeddings, 3)
    np.testing.assert_allclose(bank.mean, [5, 0, 0])
    np.testing.assert_allclose(bank.vectors, [[0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
    assert bank.near.tolist() == [[0, 2, 3], [1, 2, 3], [2, 0, 1], [3, 0, 1]]


def test_a_place_is_the_convex_combination_of_the_likeliest_names():
    bank = Bank.of(tuple("abcd"), RNG.standard_normal((4, 5)), 4)
    vector, weights = convex(bank, np.array([0.1, 0.5, 0.1, 0.3]), 2)
    np.testing.assert_allclose(weights, [5 / 8, 3 / 8])
    np.testing.assert_allclose(vector, unit(5 * bank.vectors[1] + 3 * bank.vectors[3]))


@given(st.lists(st.floats(0.001, 1), min_size=5, max_size=5), st.floats(0.01, 100))
@settings(deadline=None, max_examples=30)
def test_scores_that_are_no_distribution_are_normalised(scores, factor):
    bank = Bank.of(tuple("abcde"), np.eye(5), 5)
    found, weights = convex(bank, np.array(scores), 3)
    again, _ = convex(bank, factor * np.array(scores), 3)
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(found, again, atol=1e-9)


def test_of_all_names_and_all_certainty_the_place_is_the_name():
    bank = Bank.of(tuple("abc"), RNG.standard_normal((3, 4)), 3)
    found, _ = convex(bank, np.array([0.0, 1.0, 0.0]), 3)
    np.testing.assert_allclose(found, bank.vectors[1])


def test_no_probability_at_all_is_no_direction():
    bank = Bank.of(tuple("abc"), RNG.standard_normal((3, 4)), 3)
    found, _ = convex(bank, np.zeros(3), 3)
    np.testing.assert_allclose(found, 0)


def test_other_contents_keep_the_weights_on_other_names_and_their_nearest():
    bank = Bank.of(tuple("abcd"), RNG.standard_normal((4, 5)), 2)
    found = bank.contents(np.array([0.7, 0.3]))
    for name in range(4):
        near = bank.near[name]
        assert near[0] == name
        np.testing.assert_allclose(found[name], unit(0.7 * bank.vectors[name] + 0.3 * bank.vectors[near[1]]))


def test_pictures_and_sounds_are_named_and_placed():
    space = Colours(top=2, alike=1.0)
    assert isinstance(space, SemanticSpace)
    (place,) = space.places("vision", [plain((200, 50, 0))])
    assert place.names == (("red", 0.8), ("green", 0.2), ("blue", 0.0))
    np.testing.assert_allclose(place.vector, unit(0.8 * space.seen.vectors[0] + 0.2 * space.seen.vectors[1]))
    assert len(place.others) == 3
    (heard,) = space.places("audio", [hum()])
    assert heard.names[0][0] == "hum"
    np.testing.assert_allclose(space.sounds([hum()]), [heard.vector])
    np.testing.assert_allclose(space.pictures([plain((200, 50, 0))]), [place.vector])


def test_words_lose_the_mean_of_both_banks_and_are_held_against_the_names_of_both():
    space = Colours(top=2, alike=1.0)
    (place,) = space.places("text", ["red"])
    np.testing.assert_allclose(place.vector, unit(EMBEDDINGS["red"] - (space.seen.mean + space.heard.mean) / 2))
    assert place.names == ()
    assert sorted(map(tuple, place.others)) == sorted(
        map(tuple, np.concatenate((space.seen.vectors, space.heard.vectors)))
    )
    np.testing.assert_allclose(space.texts(["red", "hum"])[0], place.vector)


def test_the_others_are_those_most_alike():
    (every,) = Colours(top=1, alike=1.0).places("text", ["red"])
    (some,) = Colours(top=1, alike=0.6).places("text", ["red"])
    cosines = np.sort(every.others @ every.vector)[::-1]
    assert len(some.others) == 3
    np.testing.assert_allclose(some.others @ some.vector, cosines[:3])


def test_no_signals_have_no_vectors_and_ask_nothing():
    space = Colours()
    assert space.pictures([]).shape == space.sounds([]).shape == space.texts([]).shape == (0, 6)
    assert space.asked == 0


@pytest.mark.parametrize(
    ("kind", "signal", "why"),
    [
        ("vision", plain((9, 9, 9), 1), "a crop of 1 x 1 pixels shows nothing; 8 x 8 are wanted"),
        ("vision", np.zeros((40, 7, 3), np.uint8), "a crop of 7 x 40 pixels shows nothing"),
        ("audio", np.zeros(16000), "a sound of 16000 samples at level 0 is silence"),
        ("audio", np.zeros(0), "a sound of 0 samples at level 0 is silence"),
        ("audio", 1e-5 * hum(), "is silence"),
        ("text", " \n", "no words"),
    ],
)
def test_what_says_nothing_has_no_place(kind, signal, why):
    assert str(nothing_in(kind, signal)).startswith(why) or why in str(nothing_in(kind, signal))
    with pytest.raises(InputError, match=f"^space: {kind} 0: .*; leave it out$"):
        Colours().places(kind, [signal])


def test_what_says_something_may_be_small_soft_and_short():
    assert nothing_in("vision", plain((0, 0, 0), 8)) is None
    assert nothing_in("audio", 1e-3 * hum(0.1)) is None
    assert nothing_in("text", "?") is None


def test_options_and_senses_out_of_range_are_refused():
    with pytest.raises(InputError, match="top 0; combine at least 1 class"):
        Colours(top=0)
    for alike in (0.0, 1.5, float("nan")):
        with pytest.raises(InputError, match=f"alike {alike}; give a share above 0, up to 1"):
            Colours(alike=alike)
    for signals in ([], ["sour"]):
        with pytest.raises(InputError, match="no place for the sense 'taste'; it has one for vision, audio, text"):
            Colours().places("taste", signals)
