"""Matches across senses: what is compared with what, by which chance, and how it is told."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fusion.test_space import Colours, hum, plain
from tests.toys import EARS, READER
from veridical.errors import InputError
from veridical.fusion.conse import load_conse
from veridical.fusion.matches import Grounded, Thing, compare, ground, holm, match
from veridical.fusion.space import RATE, Place
from veridical.modalities.audio import Audio
from veridical.modalities.vision import Vision

EYES = Vision(size=32, units=16)
SENSES = {"vision": EYES, "audio": EARS, "text": READER}
NORTH, EAST = np.array([0.0, 1.0]), np.array([1.0, 0.0])


def around(*degrees: float) -> np.ndarray:
    return np.stack([np.array([np.cos(a), np.sin(a)]) for a in np.radians(degrees)])


def thing(modality: str, degrees: float, others: Any = (180, 200, 220), name: str = "bell", sure: float = 0.9) -> Thing:
    names = () if modality == "text" else ((name, sure),)
    where = {"vision": "the right, frame 2 (1–2 s)", "audio": "2.1–3 s", "text": "“the bell”"}[modality]
    return Thing(modality, (0,), where, Place(around(degrees)[0], names, around(*others)))


class Keeping(Colours):
    """Keeps what it was given."""

    def __init__(self) -> None:
        super().__init__(top=2, alike=1.0)
        self.given: dict[str, list[Any]] = {}

    def places(self, kind: str, signals: Any) -> tuple[Place, ...]:
        self.given[kind] = list(signals)
        return tuple(Place(EAST, (("Thing", 0.9),), NORTH[None]) for _ in signals)


def observation(space: Any, groups: Any, **signals: Any) -> Grounded:
    prepared = {m: SENSES[m].prepare(s) for m, s in signals.items()}
    return ground(space, SENSES, prepared, {m: SENSES[m].segment(p) for m, p in prepared.items()}, groups)


def test_the_score_is_the_cosine_and_p_counts_the_contents_that_would_do_as_well():
    a = Place(around(0)[0], (), around(10, 90, 180, 270))  # of a's contents 10° is nearer to b
    b = Place(around(30)[0], (), around(60, 90, 120, 300, 20, 31, 45))  # of b's contents 20° is nearer to a
    score, p = compare(a, b)
    assert score == pytest.approx(np.cos(np.radians(30)))
    assert p == max((1 + 1) / (4 + 1), (1 + 1) / (7 + 1))
    assert compare(b, a) == (score, p)


def test_a_content_that_scores_the_same_counts_against_a_match():
    a = Place(EAST, (), around(90, 180, 270))
    twin = Place(EAST, (), around(0, 180, 270))
    assert compare(a, a) == (1.0, 1 / 4)
    assert compare(a, twin)[1] == 2 / 4


def test_a_match_must_be_owed_to_both_sides():
    """Whatever were seen would match this sound: no match, though hardly any other sound would do."""
    seen, heard = Place(EAST, (), around(5, 8, 15)), Place(around(10)[0], (), around(*range(90, 270)))
    assert compare(seen, heard)[1] == 1.0


def test_pairs_of_random_content_have_a_p_that_keeps_its_level():
    rng = np.random.default_rng(1)

    def draw(count: int) -> np.ndarray:
        rows = rng.standard_normal((count, 8))
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    found = [compare(Place(draw(1)[0], (), draw(99)), Place(draw(1)[0], (), draw(99)))[1] for _ in range(600)]
    for level in (0.05, 0.2):
        assert np.mean(np.array(found) <= level) <= level + 2 * np.sqrt(level * (1 - level) / 600)
    assert min(found) < 0.05  # and can be small


def test_holm_s_adjustment_is_the_published_one():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([0.5, 0.6]) == (1.0, 1.0)
    assert holm([]) == ()


@given(st.lists(st.floats(0.001, 1), max_size=8))
@settings(deadline=None)
def test_holm_lies_between_p_and_bonferroni_and_keeps_the_order(p):
    found = holm(p)
    assert all(a <= b <= min(1.0, len(p) * a) + 1e-12 for a, b in zip(p, found, strict=True))
    ordered = [found[i] for i in np.argsort(p, kind="stable")]
    assert all(a <= b for a, b in pairwise(ordered))


def test_things_of_one_sense_are_not_compared_and_the_likeliest_match_comes_first():
    others = tuple(range(100, 260))
    grounded = Grounded((thing("vision", 0, others), thing("vision", 90, others), thing("audio", 2, others)))
    first, second = match(grounded)
    assert (first.a, first.b) == grounded.things[::2]
    assert (second.a, second.b) == grounded.things[1:]
    assert first.p == 1 / 161
    assert first.adjusted == 2 / 161
    assert first.confirmed
    assert not second.confirmed
    assert match(grounded, alpha=0.01)[0].confirmed is False
    assert match(Grounded(())) == ()


def test_many_pairs_need_a_smaller_p():
    others = tuple(range(100, 160))
    several = Grounded((*[thing("vision", 0, others) for _ in range(4)], thing("audio", 0, others)))
    assert all(m.p == 1 / 61 and m.adjusted == 4 / 61 and not m.confirmed for m in match(several))


def test_other_observations_stand_in_where_they_are_given():
    grounded = Grounded((thing("vision", 0), thing("audio", 0)))
    (found,) = match(grounded, bank={"vision": around(0, 90, 180, 270)})
    assert found.p == 2 / 5  # of the sound's own others none would do: 1 / 4
    again = Grounded((thing("vision", 40), thing("vision", 50)))
    np.testing.assert_allclose(again.vectors("vision"), around(40, 50))


def test_a_match_is_told_in_words():
    others = tuple(range(90, 270))
    seen, heard = thing("vision", 0, others, "mountain bike"), thing("audio", 0, others, "Bicycle bell")
    (one,) = match(Grounded((heard, seen)))
    told = "bicycle bell heard at 2.1–3 s ↔ mountain bike seen at the right, frame 2 (1–2 s)"
    assert str(one) == f"{told} (cosine 1.00, p 0.0055)"
    (other,) = match(Grounded((thing("audio", 0, sure=0.29), thing("text", 80))))
    assert str(other) == "something heard at 2.1–3 s ↔ the words “the bell” (cosine 0.17, p 0.25, not confirmed)"
    assert [thing("vision", 0, sure=p).name for p in (0.39, 0.4)] == ["something", "bell"]


def test_a_match_is_plain_json():
    (one,) = match(Grounded((thing("vision", 0), thing("audio", 0))))
    told = one.to_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["a"]["names"] == [{"name": "bell", "probability": 0.9}]
    assert (told["score"], told["p"], told["adjusted"], told["confirmed"]) == (1.0, 0.25, 0.25, False)
    assert told["said"] == str(one)


def test_the_crop_is_taken_around_the_units_from_the_frame_that_holds_most_of_them():
    frames = np.full((2, 64, 128, 3), 100, np.uint8)
    frames[0, 8:24, 96:] = 30
    frames[1, 32:, :64] = 200
    p = EYES.prepare(frames)
    units = EYES.segment(p)
    in_second = [u.index for u in units.units if u.frame == 1 and u.box[2] <= 66 and u.box[1] >= 30]  # type: ignore[index]
    assert in_second
    space = Keeping()
    found = ground(space, SENSES, {"vision": p}, {"vision": units}, {"vision": [[0, *in_second]]})
    (crop,) = space.given["vision"]
    boxes = np.array([units.units[u].box for u in in_second])
    wide = boxes[:, 2].max() - boxes[:, 0].min()
    assert crop.shape[0] == 64  # no more than there is
    assert crop.shape[1] == pytest.approx(1.3 * wide, abs=4)
    assert (crop == 200).mean() > 0.3
    assert not (crop == 30).any()
    assert found.things[0].where == EYES.show([units.units[u] for u in (0, *in_second)])


def test_the_time_of_the_units_is_listened_to_and_no_less_than_a_window():
    rate = 8000
    wave = np.arange(4 * rate, dtype=np.float32) / (4 * rate)  # a ramp tells its own time
    p = EARS.prepare(wave)
    cells = EARS.segment(p)
    space = Keeping()

    def heard(first: float, last: float) -> np.ndarray:
        units = [u.index for u in cells.units if first <= u.time[0] and u.time[1] <= last]
        ground(space, SENSES, {"audio": p}, {"audio": cells}, {"audio": [units]})
        return space.given["audio"][0]

    long = heard(1.0, 3.0)
    assert len(long) / RATE == pytest.approx(2.0, abs=0.02)
    middle = long[len(long) // 4 : -len(long) // 4]
    assert middle.mean() == pytest.approx(0.5, abs=0.01)
    short = heard(2.0, 2.125)
    assert len(short) / RATE == pytest.approx(0.975, abs=1e-3)
    assert short[4000:-4000].mean() == pytest.approx(2.0625 / 4, abs=0.01)
    assert len(heard(3.75, 4.0)) == len(short)  # at the end, all of it before
    brief = replace(p, raw=wave[:1600], duration=0.2)
    less = EARS.segment(EARS.prepare(wave[:1600]))
    ground(space, SENSES, {"audio": brief}, {"audio": less}, {"audio": [[0]]})
    assert len(space.given["audio"][0]) == 3200


def test_a_sound_is_told_by_the_time_that_its_units_say():
    p = EARS.prepare(hum(1.0)[:8000])
    cells = EARS.segment(p)
    late = replace(cells, units=tuple(replace(u, time=(u.time[0] + 5, u.time[1] + 5)) for u in cells.units))
    space = Keeping()
    found = ground(space, SENSES, {"audio": p}, {"audio": late}, {"audio": [range(5, 10)]})
    assert str(found.things[0]) == "thing heard at 5.12–5.25 s"
    assert len(space.given["audio"][0]) == 15600


def test_words_are_read_in_their_order():
    space = Keeping()
    found = observation(space, {"text": [[3, 2], [0]]}, text="stop at the siren, cat")
    assert space.given["text"] == ["the siren", "stop"]
    assert [str(t) for t in found.things] == ["the words “the siren”", "the words “stop”"]


def test_what_says_nothing_has_no_place_and_is_told():
    groups = {"audio": [[0, 1], []], "vision": [[0]], "text": [[0]]}
    found = observation(
        Keeping(), groups, audio=(np.zeros(8000, np.float32), 8000), vision=plain((9, 9, 9), 16)[:4], text="cat"
    )
    silent, none, small, read = found.things
    assert [t.place is None for t in found.things] == [True, True, True, False]
    assert silent.missing == "a sound of 15600 samples at level 0 is silence"
    assert none.missing == "no units"
    assert small.missing.startswith("a crop of ")
    assert read.missing == ""
    assert found.notes[:2] == (
        "nothing to ground in audio at 0–0.12 s: a sound of 15600 samples at level 0 is silence",
        "nothing to ground in audio at nowhere: no units",
    )
    assert match(found) == ()
    assert found.to_dict()["things"][0]["missing"] == silent.missing
    with pytest.raises(InputError, match="nothing is grounded in 'vision'; there is nothing to take vectors of"):
        found.vectors("vision")


def test_what_cannot_be_grounded_or_matched_is_refused_in_words():
    with pytest.raises(InputError, match="no place for the sense 'touch'; a space has one for vision, audio, text"):
        observation(Keeping(), {"touch": [[0]]}, text="cat")
    with pytest.raises(InputError, match="the observation has no 'vision'; leave its groups out"):
        observation(Keeping(), {"vision": [[0]]}, text="cat")
    with pytest.raises(InputError, match=r"no unit 7 in text; it has 1 \(0 to 0\)"):
        observation(Keeping(), {"text": [[7]]}, text="cat")
    pair = Grounded((thing("vision", 0), thing("audio", 0)))
    with pytest.raises(InputError, match=r"alpha 1\.5; give a level between 0 and 1"):
        match(pair, alpha=1.5)
    for rows in (np.zeros((0, 2)), np.zeros((4, 3))):
        with pytest.raises(InputError, match=r"a bank of shape .* for audio; give vectors \(1 or more, 2\)"):
            match(pair, bank={"audio": rows})


@pytest.mark.usefixtures("stamps")
def test_a_violin_and_its_sound_match_and_a_violin_and_a_sheep_s_do_not():
    from benchmarks.matches import on_white
    from veridical.scenarios.courier.sounds import Clip, load_clip
    from veridical.scenarios.courier.stamps import Stamp, load_stamp

    space, paths = load_conse(), {"violin": "hobbies/music/string/violin", "sheep": "animals/mammals/bovines/sheep"}
    senses = {"vision": Vision(), "audio": Audio(), "text": READER}
    found = {}
    for bleats in ("violin", "sheep"):
        signals = {
            "vision": on_white(load_stamp(Stamp("obstacle", "violin", paths["violin"]))),
            "audio": load_clip(Clip("noise", bleats, paths[bleats])),
        }
        prepared = {m: senses[m].prepare(s) for m, s in signals.items()}
        units = {m: senses[m].segment(p) for m, p in prepared.items()}
        groups = {m: [range(len(s))] for m, s in units.items()}
        (found[bleats],) = match(ground(space, senses, prepared, units, groups))
    assert found["violin"].confirmed
    assert str(found["violin"]).startswith(
        "violin seen at most of the frame, frame 1 (0–1 s) ↔ music heard at 0–3.19 s"
    )
    assert found["violin"].score > 0.5
    assert found["sheep"].score < 0
    assert not found["sheep"].confirmed
    assert found["sheep"].p > 0.5
