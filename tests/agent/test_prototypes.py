from __future__ import annotations

import numpy as np
import pytest

from tests.agent.concept_sample import card
from tests.toys import RATE as TOY_RATE
from tests.toys import SENTENCE, Toy, hears_tone, picture, sound
from veridical.agent.concept_pictures import RATE
from veridical.agent.prototypes import prototype_arrays
from veridical.agent.record import plain
from veridical.agent.wording import shown_whole
from veridical.errors import InputError

TOY = Toy(hears_tone)
OBSERVATION = {"vision": picture(2), "audio": sound(), "text": SENTENCE}


def strong(sense, k, place, grid, role="for", names=("a",)):
    prototypes = [{"observation": n, "place": list(place), "grid": list(grid), "strength": 1.0} for n in names]
    return card(sense, k, -1.0, role, prototypes=prototypes)


def recall(name):
    return {"a": OBSERVATION, "silent": {"vision": OBSERVATION["vision"]}}.get(name)


@pytest.mark.parametrize("place", [(0, 0, 0), (1, 3, 7), (1, 7, 7)])
def test_a_picture_is_three_cells_around_the_place_inside_the_frame(place):
    one = strong("vision", 3, place, (2, 8, 8))
    arrays = prototype_arrays([one], recall, TOY)
    (crop,) = arrays["concept.vision#3.prototypes"]
    assert (crop.shape, crop.dtype) == ((72, 72, 3), np.uint8)
    whole = TOY.modalities["vision"].prepare(OBSERVATION["vision"]).tensor[0][place[0]].numpy()
    top, left = (min(max(p - 1, 0), 5) * 4 for p in place[1:])
    wanted = whole[:, top : top + 12, left : left + 12].mean((1, 2)) * 255
    assert crop.reshape(-1, 3).mean(0) == pytest.approx(wanted, abs=2)
    assert one["prototypes"][0]["shown"] is True


def test_a_sound_is_its_window_at_sixteen_kilohertz():
    arrays = prototype_arrays([strong("audio", 5, (2,), (4,))], recall, TOY)
    (piece,) = arrays["concept.audio#5.prototypes"]
    assert piece.dtype == np.float32
    assert len(piece) == pytest.approx(RATE * len(np.asarray(TOY.modalities["audio"].prepare(sound()).raw))
                                       / TOY_RATE / 4, abs=2)  # fmt: skip


def test_the_system_says_when_a_window_is_and_short_ones_are_padded():
    class Timed(Toy):
        def row_times(self, sense, rows):
            return np.array([[0.0, 0.5], [0.75, 2.0]])

    card_ = strong("audio", 5, (0,), (2,), names=("a", "a"))
    card_["prototypes"][1]["place"] = [1]
    pieces = prototype_arrays([card_], recall, Timed(hears_tone))["concept.audio#5.prototypes"]
    assert pieces.shape == (2, RATE // 2)
    assert np.abs(pieces[0, -RATE // 8 :]).max() > 0
    assert not pieces[1, RATE // 4 :].any()  # the sound ends after a second


def test_words_are_told_with_their_neighbours_and_no_array():
    sense = TOY.modalities["text"]
    prepared = sense.prepare(SENTENCE)
    labels = sense.segment(prepared).labels
    at = int(np.flatnonzero(labels == 20)[0])
    one = strong("text", 9, (at,), labels.shape)
    assert prototype_arrays([one], recall, TOY) == {}
    told = one["prototypes"][0]
    first, past = told["span"]
    assert told["text"][first:past] == str(sense.segment(prepared).units[20].text).strip(",.")
    assert len(told["text"].split()) == 9
    assert told["text"] in SENTENCE
    assert plain(one) == one  # what was added can be recorded


def test_a_token_of_no_word_and_a_place_out_of_the_grid_show_nothing():
    labels = TOY.modalities["text"].segment(TOY.modalities["text"].prepare(SENTENCE)).labels
    for place, grid in (((0,), labels.shape), ((99,), (4,)), ((1, 2), (4,)), ((3,), (4,))):
        one = strong("text", 9, place, grid)
        prototype_arrays([one], recall, TOY)
        assert one["prototypes"][0]["shown"] is False


def test_what_is_no_longer_had_is_left_out():
    def broken(name):
        raise InputError("it is not installed")

    one = strong("vision", 3, (0, 0, 0), (2, 8, 8), names=("gone", "a", "silent"))
    arrays = prototype_arrays([one], recall, TOY)
    assert len(arrays["concept.vision#3.prototypes"]) == 2
    assert [p["shown"] for p in one["prototypes"]] == [False, True, True]
    assert prototype_arrays([strong("audio", 1, (0,), (4,), names=("silent",))], recall, TOY) == {}
    assert prototype_arrays([strong("vision", 1, (0, 0, 0), (2, 8, 8))], broken, TOY) == {}
    untouched = strong("vision", 1, (0, 0, 0), (2, 8, 8))
    assert prototype_arrays([untouched], None, TOY) == {}
    assert "shown" not in untouched["prototypes"][0]


def test_only_concepts_that_are_shown_are_called_back_and_each_observation_once():
    asked = []

    def counting(name):
        asked.append(name)
        return recall(name)

    cards = [strong("vision", k, (0, k, 0), (2, 8, 8), names=("a",) * 6) for k in (1, 2, 2)]
    idle = strong("vision", 4, (0, 0, 0), (2, 8, 8), role="no effect shown", names=("other",))
    arrays = prototype_arrays([*cards, idle], counting, TOY)
    assert asked == ["a"]
    assert {name: len(a) for name, a in arrays.items()} == {
        "concept.vision#1.prototypes": 4, "concept.vision#2.prototypes": 4
    }  # fmt: skip
    assert not shown_whole(idle)
    assert shown_whole(strong("vision", 4, (0, 0, 0), (2, 8, 8), role="goes along"))
