"""The timeline of all senses."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from tests.toys import EARS, EYES, RATE, READER, Toy, linear, picture, sound
from veridical.errors import InputError
from veridical.fusion.frame import contributions
from veridical.fusion.lanes import Lane
from veridical.fusion.timeline import timeline
from veridical.modalities.array import Array
from veridical.modalities.axis import Axis
from veridical.modalities.clock import Clock
from veridical.modalities.observation import prepare
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target
from veridical.modalities.timed import Timed, place
from veridical.scenarios.courier.model import load

TOY = Toy(linear({}))
WORDS = "stop for the cat"


def laid_out(observation, spans=None, system=TOY, seed: int = 0):
    """Return the timeline of an observation whose units contribute at random, and those contributions."""
    prepared = prepare(system, observation)
    placed = {m: place(system.modalities[m].segment(p), p) for m, p in prepared.items()}
    rng = np.random.default_rng(seed)
    values = {m: rng.normal(size=len(s)) for m, s in placed.items()}
    return timeline(system, prepared, placed, values, spans), values, placed


def lanes(observation, **options) -> dict[str, Lane]:
    return {lane.sense: lane for lane in laid_out(observation, **options)[0].lanes}


def spans_of(lane: Lane) -> list[tuple[float, float]]:
    return [(mark.start, mark.end) for mark in lane.marks]


def test_every_unit_is_in_one_mark_and_marks_sum_to_the_senses_share():
    observation = {
        "vision": Timed.stamped(picture(3), [0, 1.2, 2.0]),
        "audio": Timed.started(np.tile(sound(), 3), 0.3, 5e-5, 0.01),
        "text": WORDS,
    }
    line, values, placed = laid_out(observation)
    assert [lane.sense for lane in line.lanes] == ["vision", "audio", "text"]
    for lane in line.lanes:
        assert sorted(u for mark in lane.marks for u in mark.units) == list(range(len(placed[lane.sense])))
        assert lane.share == pytest.approx(math.fsum(values[lane.sense]), abs=1e-12)
        for mark in lane.marks:
            assert mark.value == pytest.approx(values[lane.sense][list(mark.units)].sum(), abs=1e-12)
        assert spans_of(lane) == sorted(spans_of(lane))
        assert lane.marks[0].start == pytest.approx(lane.start)
        assert lane.marks[-1].end == pytest.approx(lane.end)


def test_frames_sounds_and_words_lie_where_their_clocks_say():
    observation = {
        "vision": Timed.stamped(picture(3), [0, 1.2, 2.0], 0.02),
        "audio": Timed(np.tile(sound(), 3), Clock.affine(0.5, 0.01, 0.03, 0.01)),
        "text": WORDS,
    }
    line, _, _ = laid_out(observation)
    seen, heard, read = line.lanes
    assert spans_of(seen) == [(0.0, 1.2), (1.2, 2.0), (2.0, 3.0)]
    assert [mark.label for mark in seen.marks] == ["frame 1", "frame 2", "frame 3"]
    assert (seen.samples, seen.rate, seen.uncertainty, seen.drift) == (3, None, 0.02, None)
    assert (heard.start, heard.end) == (0.5, pytest.approx(3.53))
    assert len(heard.marks) == 24
    assert heard.marks[1].start == pytest.approx(0.5 + 0.125 * 1.01)
    assert (heard.samples, heard.rate) == (3 * RATE, pytest.approx(RATE / 1.01))
    assert heard.drift == pytest.approx(0.01)
    assert heard.uncertainty == pytest.approx(math.hypot(0.03, 0.01 * 3))
    assert read.timeless
    assert [mark.label for mark in read.marks] == WORDS.split()
    np.testing.assert_allclose(spans_of(read), [(3.53 * k / 4, 3.53 * (k + 1) / 4) for k in range(4)], atol=1e-9)
    assert (line.start, line.end) == (0.0, pytest.approx(3.53))
    assert line.common == (0.5, 3.0)
    assert line.notes == (
        "vision ends 0.53 s before audio",
        "audio begins 0.5 s after vision",
        "text has no time of its own; its words stand in their order, evenly",
    )


def test_without_clocks_all_senses_count_the_same_seconds():
    line, _, _ = laid_out({"vision": picture(3), "audio": np.tile(sound(), 3)})
    seen, heard = line.lanes
    assert spans_of(seen) == [(0, 1), (1, 2), (2, 3)]
    assert (seen.rate, heard.rate) == (1.0, RATE)
    assert [lane.uncertainty for lane in line.lanes] == [lane.drift for lane in line.lanes] == [0.0, 0.0]
    assert line.common == (line.start, line.end) == (0, 3)
    assert line.notes == ()


def test_evenly_stamped_frames_have_the_rate_of_their_stamps():
    assert lanes({"vision": Timed.stamped(picture(4), [5, 5.04, 5.08, 5.12])})["vision"].rate == pytest.approx(25)


def test_spoken_words_lie_where_they_were_said():
    spans = {"text": [(0.2, 0.5), (0.5, 0.6), (0.7, 0.8), (0.8, 1.1)]}
    line, values, _ = laid_out({"audio": np.tile(sound(), 2), "text": WORDS}, spans=spans)
    said = line.lanes[1]
    assert spans_of(said) == spans["text"]
    assert [mark.value for mark in said.marks] == values["text"].tolist()
    assert (said.start, said.end, said.timeless) == (0.2, 1.1, False)
    assert line.common == (0, 2)  # words are no stream of their own
    assert line.notes == ()


def test_a_single_frame_stands_for_the_whole_time():
    line, values, _ = laid_out({"vision": Timed.stamped(picture(1), [1.25]), "audio": np.tile(sound(), 3)})
    assert spans_of(line.lanes[0]) == [(0, 3)]
    assert line.lanes[0].share == pytest.approx(values["vision"].sum())
    assert line.notes == ("vision was sampled once, at 1.25 s; it stands for the whole time (0–3 s)",)


def test_a_single_frame_alone_has_its_own_second():
    line, _, _ = laid_out({"vision": picture(1), "text": WORDS})
    assert spans_of(line.lanes[0]) == [(0, 1)]
    assert (line.lanes[1].start, line.lanes[1].end) == (0, 1)


def test_text_alone_has_no_time_and_says_so():
    line, _, _ = laid_out({"text": WORDS})
    assert (line.start, line.end, line.common) == (0, 0, (0, 0))
    assert spans_of(line.lanes[0]) == [(0, 0)] * 4
    assert line.notes == ("text has no time of its own; its words stand in their order, evenly",)


def test_a_text_that_came_in_later_holds_from_then_on():
    read = lanes({"vision": picture(4), "text": Timed.started(WORDS, 2.0)})["text"]
    assert spans_of(read) == [(2.0, 2.5), (2.5, 3.0), (3.0, 3.5), (3.5, 4.0)]
    earlier = lanes({"vision": picture(4), "text": Timed.started(WORDS, -60.0)})["text"]
    assert (earlier.start, earlier.end) == (0, 4)


def test_an_empty_text_is_a_lane_without_marks():
    read = lanes({"vision": picture(2), "text": ""})["text"]
    assert (read.samples, read.marks, read.share) == (0, (), 0)


def test_a_table_holds_throughout_and_a_spectrum_over_time_has_its_columns():
    table = Array("table", [Axis("feature", labels=("age", "sex"))], baseline=0.0)
    motion = Array("motion", [Axis("axis", 3), Axis("time", 20, block=5, unit="s", step=0.1)], baseline=0.0)
    toy = Toy(linear({}), EYES, table, motion)
    observation = {"vision": picture(2), "table": [1.0, 2.0], "motion": np.ones((3, 20))}
    found = lanes(observation, system=toy)
    assert [(mark.start, mark.end, mark.units) for mark in found["table"].marks] == [(0, 2, (0, 1))]
    assert found["table"].timeless
    np.testing.assert_allclose(spans_of(found["motion"]), [(0, 0.5), (0.5, 1), (1, 1.5), (1.5, 2)])
    assert all(len(mark.units) == 3 for mark in found["motion"].marks)
    line, _, _ = laid_out(observation, system=toy)
    assert line.notes == ("table has no time of its own; it holds throughout",)


def test_an_alignment_of_unknown_uncertainty_is_told():
    line, _, _ = laid_out({"audio": Timed(sound(), Clock.fit([0, 1], [2, 3]))})
    assert line.lanes[0].uncertainty is None
    assert line.notes == ("how well the clock of audio is aligned is not known",)


def test_an_overlap_shorter_than_the_alignment_errs_is_told():
    line, _, _ = laid_out({"vision": picture(2), "audio": Timed.started(sound(), 1.9, 0.0, 0.25)})
    assert line.notes[-1] == (
        "the senses share 0.1 s, less than the 0.25 s by which their alignment errs (one standard deviation)"
    )


def test_a_timeline_is_json():
    line, _, _ = laid_out({"vision": Timed.stamped(picture(2), [0, 1.5]), "audio": sound(), "text": WORDS})
    assert json.loads(json.dumps(line.to_dict(), allow_nan=False)) == line.to_dict()


@pytest.mark.parametrize(
    ("observation", "spans", "message"),
    [
        (
            {"vision": Timed.stamped(picture(2), [10, 11]), "audio": sound()},
            None,
            "no overlap in time: vision covers 10–12 s and audio covers 0–1 s; are all on one clock",
        ),
        (
            {"vision": Timed.stamped(picture(1), [7]), "audio": sound()},
            None,
            "vision covers 7–8 s and audio covers 0–1 s",
        ),
        (
            {"vision": picture(2), "text": Timed.started(WORDS, 9.0)},
            None,
            "text covers 9–9 s and vision covers 0–2 s",
        ),
        (
            {"audio": sound(), "text": WORDS},
            {"text": [(5.0, 6.0)] * 4},
            "text covers 5–6 s and audio covers 0–1 s",
        ),
        ({"text": WORDS}, {"text": [(0.0, 1.0)]}, "text has 4 words and 1 spans; give one for each"),
        ({"text": "stop"}, {"text": [(1.0, 0.5)]}, "word 0 is said to span 1.0 to 0.5 s"),
        ({"text": "stop"}, {"text": [(0.0, math.nan)]}, "word 0 is said to span 0.0 to nan s"),
        (
            {"text": "stop for"},
            {"text": [(1.0, 1.5), (0.5, 2.0)]},
            r"word 1 begins at 0.5 s, before word 0 \(1.0 s\)",
        ),
    ],
)
def test_what_cannot_be_laid_out_is_refused_in_words(observation, spans, message: str):
    with pytest.raises(InputError, match=message):
        laid_out(observation, spans=spans)


def test_units_that_were_not_placed_or_twice_are_refused():
    prepared = prepare(TOY, {"audio": Timed.started(sound(), 2.0)})
    raw = EARS.segment(prepared["audio"])
    twice = place(place(raw, prepared["audio"]), prepared["audio"])
    for units, at in ((raw, 0), (twice, 4)):
        with pytest.raises(InputError, match=f"audio begins at 2 s and its first unit at {at} s; put its units on"):
            timeline(TOY, prepared, {"audio": units}, {"audio": np.zeros(len(units))})


def test_values_that_do_not_fit_are_refused():
    prepared = prepare(TOY, {"text": WORDS})
    units = {"text": READER.segment(prepared["text"])}
    for values, message in (
        ({}, "text has no values; give them"),
        ({"text": np.zeros(3)}, r"text has 4 units and values of shape \(3,\); one each"),
        ({"text": np.array([0, np.nan, 0, 0])}, "text: the value of unit 1 is not finite"),
    ):
        with pytest.raises(InputError, match=message):
            timeline(TOY, prepared, units, values)
    with pytest.raises(InputError, match="text has no units; give them"):
        timeline(TOY, prepared, {}, {"text": np.zeros(4)})
    with pytest.raises(InputError, match="no sense; give at least one prepared signal"):
        timeline(TOY, {}, {}, {})


def test_couriers_example_on_its_stamps():
    """Gradient times change of the committed head: what each frame gives, laid where the late camera's stamps say."""
    courier = load()
    example = courier.example()
    prepared = prepare(courier, example | {"vision": Timed.stamped(example["vision"], [0, 1.2, 2.0])})
    placed = {m: place(courier.modalities[m].segment(p), p) for m, p in prepared.items()}
    slopes = Scorer(courier, Target(2)).gradient({m: p.tensor for m, p in prepared.items()}).values
    line = timeline(courier, prepared, placed, contributions(courier, prepared, placed, slopes))
    assert spans_of(line.lanes[0]) == [(0.0, 1.2), (1.2, 2.0), (2.0, 3.0)]
    product = {m: (slopes[m] * (p.tensor - p.baseline)).double() for m, p in prepared.items()}
    per_frame = product["vision"].sum((0, 2, 3, 4)).tolist()
    assert max(map(abs, per_frame)) > 0.01
    assert [mark.value for mark in line.lanes[0].marks] == pytest.approx(per_frame, rel=1e-4, abs=1e-6)
    assert [lane.share for lane in line.lanes] == pytest.approx(
        [float(product[lane.sense].sum()) for lane in line.lanes], rel=1e-3, abs=1e-4
    )
    assert line.common == (0, 3)
