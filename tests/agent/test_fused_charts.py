from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.agent.sample import result_and_arrays, with_fusion
from veridical.agent import pictures
from veridical.agent.fused_charts import (
    arcs,
    bars,
    clock_axis,
    colour,
    lanes,
    matrix,
    share_rows,
    span_text,
    waterfall,
    word,
)

LANE = {"sense": "vision", "start": 0.0, "end": 4.0, "samples": 2, "rate": None, "uncertainty": 0.0, "drift": 0.0,
        "timeless": False}  # fmt: skip


@pytest.fixture(scope="module")
def fusion():
    return with_fusion(*result_and_arrays())[0]["fusion"]


def mark(start, end, value, label=None):
    return {"start": float(start), "end": float(end), "value": float(value), "label": label, "units": [0]}


def clock(*given, end=4.0):
    return {"start": 0.0, "end": end, "lanes": list(given), "notes": []}


def test_a_colour_is_the_tint_of_the_rest_of_the_report_and_full_at_the_limit():
    for value in (-3.0, -0.2, 0.4):
        red, green, blue, alpha = pictures.tint(np.array([[value]]), 2.0)[0, 0].tolist()
        assert colour(value, 2.0) == f"rgb({red} {green} {blue} / {alpha / 255:.2f})"
    assert colour(2.0, 2.0) == colour(9.0, 2.0) == "rgb(196 72 0 / 0.92)"
    assert colour(0.0, 2.0).endswith("/ 0.00)")


def test_seconds_run_from_edge_to_edge():
    axis = clock_axis(1.0, 4.0)
    assert (axis.at(1.0), axis.at(2.5), axis.at(4.0)) == (0.0, 50.0, 100.0)
    assert [label for _, label in axis.marks] == ["1 s", "2 s", "3 s", "4 s"]


def test_a_clock_without_any_time_is_given_a_second():
    assert clock_axis(2.0, 2.0).at(3.0) == 100.0


def test_bars_stand_on_the_zero_line_and_hang_below_it():
    drawn = bars([(0, 1, 3.0), (1, 2, -1.0), (2, 4, 0.0)], clock_axis(0.0, 4.0), (-1.0, 3.0))
    assert drawn["zero"] == 75.0
    up, down, none = drawn["bars"]
    assert (up["x"], up["width"], up["y"], up["height"], up["side"]) == (0.0, 25.0, 0.0, 75.0, "for")
    assert (down["x"], down["width"], down["y"], down["height"], down["side"]) == (25.0, 25.0, 75.0, 25.0, "against")
    assert (none["width"], none["height"]) == (50.0, 0.0)


def test_bars_of_one_sign_use_the_whole_height_and_bars_of_nothing_none():
    axis = clock_axis(0.0, 1.0)
    assert bars([(0, 1, 2.0)], axis, (2.0, 2.0))["zero"] == 100.0
    assert bars([(0, 1, -2.0)], axis, (-2.0, -2.0))["bars"][0]["height"] == 100.0
    assert bars([(0, 1, 0.0)], axis, (0.0, 0.0))["bars"][0]["height"] == 0.0


def test_a_small_share_of_the_other_sign_still_has_a_tenth_of_the_height():
    drawn = bars([(0, 1, 100.0), (1, 2, -1.0)], clock_axis(0.0, 2.0), (-1.0, 100.0))
    assert drawn["zero"] == 90.0
    assert drawn["bars"][0]["height"] == 90.0
    assert drawn["bars"][1]["height"] == pytest.approx(0.9)  # the same nats to the per cent as above the line


def test_what_lies_beyond_the_clock_is_cut_off():
    (bar,) = bars([(-2.0, 3.0, 1.0)], clock_axis(0.0, 2.0), (0.0, 1.0))["bars"]
    assert (bar["x"], bar["width"]) == (0.0, 100.0)


def test_all_lanes_share_one_scale_of_nats():
    low = {**LANE, "marks": [mark(0, 2, 4.0), mark(2, 4, 0.0)]}
    high = {**LANE, "sense": "audio", "marks": [mark(0, 2, -4.0), mark(2, 4, 1.0)]}
    first, second = lanes(clock(low, high), 1.0)["rows"]
    assert first["zero"] == second["zero"] == 50.0
    assert [bar["height"] for bar in (*first["bars"], *second["bars"])] == [50.0, 0.0, 50.0, 12.5]
    assert (first["total"], second["total"]) == ("+4.00", "−3.00")
    assert first["bars"][0]["title"] == "0–2\u00a0s: +4.00 nats"


def test_a_lane_says_what_its_time_is_made_of(fusion):
    vision, audio, text = lanes(fusion["clock"], 1.0)["rows"]
    assert vision["facts"] == ["3 frames", "1 a second"]
    assert audio["facts"] == [
        "48\u202f000 samples",
        "16\u202f000 a second",
        "±\u00a00.04\u00a0s",
        "drift +0.005\u00a0%",
    ]
    assert text["facts"] == ["no time of its own: it holds throughout"]
    (odd,) = lanes(clock({**LANE, "uncertainty": None, "drift": None, "marks": []}), 1.0)["rows"]
    assert odd["facts"] == ["2 frames", "irregular", "how well it is aligned is not known"]


def test_whiskers_reach_one_deviation_about_each_border_inside_the_clock():
    (row,) = lanes(clock({**LANE, "uncertainty": 0.2, "marks": [mark(0, 2, 1), mark(2, 4, 1)]}), 1.0)["rows"]
    assert row["whiskers"] == [(0.0, 5.0), (45.0, 55.0), (95.0, 100.0)]
    many = [mark(i / 10, (i + 1) / 10, 1) for i in range(40)]
    (dense,) = lanes(clock({**LANE, "uncertainty": 0.2, "marks": many}), 1.0)["rows"]
    assert dense["whiskers"] == [(0.0, 5.0), (95.0, 100.0)]
    (none,) = lanes(clock({**LANE, "marks": many}), 1.0)["rows"]
    assert none["whiskers"] == []


def test_words_stand_beneath_their_time_and_none_covers_another():
    words = [mark(i / 5, (i + 1) / 5, (-1) ** i * i, f"word{i}") for i in range(20)]
    (row,) = lanes(clock({**LANE, "sense": "text", "marks": words}), 1.0)["rows"]
    assert row["dense"]
    for line in range(row["depth"]):
        drawn = [c for c in row["captions"] if c["row"] == line]
        ends = [(c["x"], 0.85 * (len(c["label"]) + len(c["nats"]) + 1) / 2) for c in drawn]
        assert all(a + u <= b - v + 0.011 for (a, u), (b, v) in itertools.pairwise(ends))
    assert [c["nats"] for c in row["captions"] if c["nats"]] == ["−19.00"]  # the strongest alone has room for a figure


def test_written_words_keep_their_order_and_have_no_place_in_time(fusion):
    text = lanes(fusion["clock"], 1.0)["rows"][2]
    assert [w["text"] for w in text["words"]][:4] == ["Go", "down", "the", "left"]
    assert [(w["text"], w["nats"]) for w in text["words"] if w["shown"]] == [
        ("Go", "−0.31"), ("stop", "+0.62"), ("animal", "+0.74"),
    ]  # fmt: skip
    assert "bars" not in text


def test_a_word_has_a_line_as_thick_as_its_share_of_the_limit():
    assert word("a", 2.0, 2.0) == {"text": "a", "side": "for", "strength": 1.0, "line": 6.0}
    assert word("a", -0.5, 2.0) == {"text": "a", "side": "against", "strength": 0.5, "line": 3.0}
    assert word("a", 0.01, 2.0)["line"] == 0


def test_shares_are_bars_from_zero_with_their_interval(fusion):
    axis, rows = share_rows(fusion["shares"])
    for row, share in zip(rows, fusion["shares"], strict=True):
        assert row["x"] == axis.at(0.0)
        assert row["x"] + row["width"] == pytest.approx(axis.at(share["contribution"]), abs=0.011)
        assert (row["low"], row["high"]) == (axis.at(share["low"]), axis.at(share["high"]))
    assert [row["condition"] for row in rows] == ["frozen", "", ""]
    assert not rows[0]["nothing"]


def test_a_share_against_the_decision_ends_at_zero_and_a_dark_camera_tells_nothing(fusion):
    share = {**fusion["shares"][0], "contribution": -1.0, "low": -2.0, "high": 0.0, "condition": "black"}
    axis, (row,) = share_rows([share])
    assert row["side"] == "against"
    assert (row["x"], round(row["x"] + row["width"], 2)) == (axis.at(-1.0), axis.at(0.0))
    assert row["nothing"]


def test_the_waterfall_leads_from_the_baseline_to_the_decision_without_a_gap(fusion):
    axis, rows = waterfall(fusion["together"], fusion)
    assert [row["label"] for row in rows] == [
        "all at their baseline", "vision alone", "audio alone", "text alone", "vision + audio, only together",
        "vision + text, only together", "audio + text, only together", "all 3, only together", "the decision",
    ]  # fmt: skip
    steps = rows[1:-1]
    assert rows[0]["x"] == steps[0]["from"] == axis.at(fusion["baseline_score"])
    assert all(a["end"] == b["from"] for a, b in itertools.pairwise(steps))
    assert steps[-1]["end"] == rows[-1]["x"] == axis.at(fusion["score"])
    assert rows[-1]["nats"] == "+2.75"
    assert [row["side"] for row in steps][2:5] == ["against", "against", "for"]


def test_what_the_parts_leave_over_is_a_step_of_its_own():
    parts = [{"senses": ["vision"], "value": 1.0}, {"senses": ["audio"], "value": 2.0}]
    _, rows = waterfall(parts, {"difference": 3.5, "baseline_score": -1.0})
    assert [(row["label"], row["nats"]) for row in rows][-2:] == [
        ("not accounted for", "+0.50"),
        ("the decision", "+2.50"),
    ]
    _, rows = waterfall(parts, {"difference": 3.004, "baseline_score": -1.0})
    assert len(rows) == 4


def test_without_a_score_at_the_baseline_the_waterfall_starts_at_zero():
    axis, rows = waterfall([{"senses": ["vision"], "value": 1.0}], {"difference": None, "baseline_score": None})
    assert [row["label"] for row in rows] == ["vision alone", "the whole difference"]
    assert rows[0]["from"] == axis.at(0.0)


def test_cells_of_the_matrix_are_as_long_as_they_are_large(fusion):
    drawn = matrix(fusion["matrix"], 1.2)
    assert drawn["senses"] == ["vision", "audio", "text"]
    cells = [cells for _, cells in drawn["rows"]]
    assert [[cell["nats"] for cell in row] for row in cells] == [
        ["+1.90", "−0.30", "+2.40"], ["−0.30", "+1.10", "+0.10"], ["+2.40", "+0.10", "−0.40"],
    ]  # fmt: skip
    assert (cells[0][2]["width"], cells[0][1]["width"], cells[0][1]["side"]) == (100.0, 12.5, "against")
    assert cells[0][1]["fill"] == colour(-0.3, 1.2)
    assert [cell["own"] for cell in cells[1]] == [False, True, False]
    assert matrix({"senses": ["a"], "values": [[None]]}, 1.0)["rows"][0][1][0]["nats"] == "–"


def test_arcs_join_their_rows_and_are_as_wide_as_the_interaction(fusion):
    drawn = arcs(fusion["interactions"]["pairs"], ["c1", "c2"])
    assert [(row["sense"], row["claim"]) for row in drawn["rows"]] == [
        ("vision", "c1"), ("vision", None), ("audio", "c2"), ("audio", None), ("text", None), ("text", None),
    ]  # fmt: skip
    strongest = drawn["arcs"][-2]
    assert (strongest["nats"], strongest["width"], strongest["kind"], strongest["found"]) == (
        "+1.10",
        12.0,
        "synergy",
        True,
    )
    first, last = drawn["rows"][0]["y"], drawn["rows"][4]["y"]
    assert strongest["path"].startswith(f"M0 {first:.2f}C")
    assert strongest["path"].endswith(f" 0 {last:.2f}")
    assert strongest["y"] == pytest.approx((first + last) / 2, abs=0.01)
    assert drawn["arcs"][-1]["kind"] == "redundancy"
    assert drawn["arcs"][-1]["width"] == round(12 * 0.7 / 1.1, 1)
    assert [arc["found"] for arc in drawn["arcs"]] == [False] * 3 + [True] * 2  # what was found lies on top


def test_an_arcs_figure_stands_where_the_arc_is_farthest_out(fusion):
    for arc in arcs(fusion["interactions"]["pairs"], [])["arcs"]:
        x1 = float(arc["path"].split("C")[1].split()[0])
        t = np.linspace(0, 1, 1001)
        assert (3 * t * (1 - t) ** 2 * x1 + 3 * t**2 * (1 - t) * x1).max() == pytest.approx(arc["x"], abs=0.01)
        assert arc["x"] <= 75.0


@pytest.mark.parametrize(("low", "high", "told"), [(3.2, 5.0, "+3.20 … +5.00"), (1.0, 1.001, "+1.00")])
def test_an_interval_whose_ends_read_the_same_is_one_figure(low, high, told):
    assert span_text(low, high) == told
