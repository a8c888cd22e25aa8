from __future__ import annotations

import re
from itertools import pairwise

import pytest

from tests.agent.sample import INSTRUCTION, result_and_arrays, without
from veridical.agent.terminal import render


@pytest.fixture(scope="module")
def result():
    return result_and_arrays()[0]


def flat(text: str) -> str:
    return " ".join(text.replace("\u00a0", " ").split())


def test_the_first_line_tells_the_decision_and_the_verdict(result):
    assert render(result).splitlines()[0] == "Decision  STOP   ✓ account supported   by courier"


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_is_wider_than_the_terminal(result, width):
    assert max(len(line) for line in render(result, width=width).splitlines()) <= width


def test_probabilities_senses_and_reasons_are_told(result):
    text = flat(render(result))
    assert "STOP 94 % █" in text
    assert "Saw 3 frames of 420×300 px over 3.0 s" in text
    assert "Heard 3.0 s of sound at 16.0 kHz" in text
    assert f"Read “{INSTRUCTION}”" in text
    assert result["justification"]["sentences"][0]["text"] in text
    assert "· surround: effect −2.92 nats against 39 controls, p = 0.025 (α = 0.05)" in text


def test_a_claim_has_its_prediction_its_measurements_and_what_became_of_the_decision(result):
    text = flat(render(result, width=100))
    assert "1 cat (91 % sure) −2.31 −3.35 … −2.92 ✓ confirmed" in text
    assert "the middle, frames 1–3 (0–3 s) 94 % → 41 % → STOP or PROCEED" in text
    assert "~ negligible" in text
    assert "✗ contradicted" in text


def test_a_claim_takes_four_lines_at_the_most_on_eighty_columns():
    result = result_and_arrays()[0]
    for claim in result["claims"]:
        if claim["modality"] == "vision":
            claim["where"] = "the upper left, upper right and elsewhere, frames 1–3 (0–3 s)"
    lines = render(result).splitlines()
    table = lines[lines.index("What was predicted, and what was measured") + 2 :]
    starts = [i for i, line in enumerate(table) if line[:2] in {f"{k} " for k in range(1, 6)}]
    assert len(starts) == len(result["claims"])
    assert all(later - first <= 4 for first, later in pairwise(starts))


def test_shares_and_timing_are_told(result):
    lines = flat(render(result))
    assert "vision +2.28 ████" in lines
    assert "without it −3.70 … −3.10 → PROCEED or STOP" in lines
    assert lines.count("mixed down") == 1
    assert "sum +4.94 of +4.97 nats, gap 1 %" in lines
    assert render(result).splitlines()[-1] == (
        "4.2 s (attribute 1.5, verify 2.3) · 142 forward + 32 back · 103× a decision"
    )


def test_color_adds_styles_and_no_words(result):
    colored = render(result, color=True)
    assert "\x1b[" in colored
    strip = "\n".join(line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", colored).splitlines())
    assert strip.strip() == render(result).strip()
    assert "\x1b" not in render(result)


def test_an_absent_sense_is_said(result):
    text = flat(render(without("audio")[0]))
    assert "Heard nothing (absent)" in text
    assert "siren (" not in text


def test_a_stream_without_unicode_gets_plain_characters(result):
    text = render(result, encoding="ascii")
    assert text.isascii()
    assert "+ account supported" in text
    assert "?" not in text.replace("…?", "")


def test_what_a_user_supplied_cannot_steer_the_terminal():
    result = result_and_arrays()[0]
    evil = "\x1b[2J\x1b]0;owned\x07[bold red]x[/] \u202eabc"
    result["observation"]["text"]["text"] = evil
    result["claims"][0]["name"] = evil
    result["notes"] = [evil]
    result["verdict"]["reasons"] = [evil]
    text = render(result)
    assert not set(text) & {"\x1b", "\x07", "\u202e"}
    assert "[bold red]x[/]" in text


def test_an_attribution_out_of_tolerance_is_said():
    result = result_and_arrays()[0]
    result["attribution"] |= {"within_tolerance": False, "gap_share": 0.21}
    assert "gap 21 %, more than the 5 % allowed: read these shares with care" in flat(render(result))


@pytest.mark.parametrize("verdict", ["unsupported", "inconclusive"])
def test_a_verdict_that_is_not_good_is_as_prominent(verdict):
    result = result_and_arrays()[0]
    result["verdict"]["verdict"] = verdict
    text = render(result)
    assert f"account {verdict}" in text.splitlines()[0]
    assert verdict.upper() in text


def test_no_claims_and_no_tests_is_a_result_too():
    result = result_and_arrays()[0]
    result["claims"], result["notes"], result["justification"]["sentences"] = [], [], []
    result["verdict"] |= {"tests": [], "reasons": ["Nothing speaks for the decision."], "verdict": "inconclusive"}
    text = flat(render(result))
    assert "None: no evidence was found that speaks for the decision." in text


def test_a_share_that_speaks_against_is_drawn_otherwise():
    result = result_and_arrays()[0]
    result["attribution"]["shares"]["text"] = -2.0
    text = flat(render(result))
    assert "text −2.00 ░░░░" in text
    assert "text -2.00 ...." in flat(render(result, encoding="ascii"))
