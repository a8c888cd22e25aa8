from __future__ import annotations

import re

import pytest

from tests.agent.sample import result_and_arrays, without
from veridical.agent.terminal import render


@pytest.fixture(scope="module")
def result():
    return result_and_arrays()[0]


def flat(text: str) -> str:
    return " ".join(text.replace("\u00a0", " ").split())


def test_the_first_line_tells_the_decision_and_the_verdict(result):
    first, second = flat(render(result)), render(result).splitlines()[1].strip()
    assert first.startswith("Decision STOP 94 % ✓ account supported by courier")
    assert second.replace("\u00a0", " ") == "PROCEED 3 % · SLOW 2 % · YIELD 1 %"


def test_a_typical_decision_takes_no_more_than_a_screen():
    result = result_and_arrays()[0]
    assert len(render(result, width=80).splitlines()) <= 54  # with shares and two notes
    result["notes"], result["attribution"]["additive"] = [], False
    for signal in result["observation"].values():
        signal["notes"] = []
    assert len(render(result, width=80).splitlines()) <= 45


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_is_wider_than_the_terminal(result, width):
    assert max(len(line) for line in render(result, width=width).splitlines()) <= width


def test_probabilities_senses_and_reasons_are_told(result):
    text = flat(render(result))
    assert "Saw 3 frames of 420×300 px over 3.0 s" in text
    assert "Heard 3.0 s of sound at 16.0 kHz" in text
    assert "Read “Go down the left side of the market street to the pharmacy, and stop at once" in text
    assert result["justification"]["sentences"][0]["text"] in text


def test_a_claim_has_its_prediction_its_measurements_and_what_became_of_the_decision(result):
    text = flat(render(result, width=100))
    assert "1 cat (91 % sure) −2.31 −3.35 … −2.92 ✓ confirmed" in text
    assert "the middle, frames 1–3 (0–3 s): 94 % → 41 %, STOP or PROCEED" in text
    assert "~ negligible" in text
    assert "✗ contradicted" in text


def test_a_claim_takes_two_lines_on_eighty_columns(result):
    lines = render(result).splitlines()
    first = next(i for i, line in enumerate(lines) if "If this is edited" in line)
    starts = [line[:2] for line in lines[first + 1 : first + 11 : 2]]
    assert starts == ["1 ", "2 ", "3 ", "4 ", "5 "]
    assert lines[first + 11] == ""


def test_a_flip_that_was_not_predicted_and_one_that_did_not_come_are_said():
    result = result_and_arrays()[0]
    first, second, *_ = result["claims"]
    for effect in first["effects"]:
        effect["action"] = "PROCEED"
    first["predicted_flip"], second["predicted_flip"] = False, True
    text = flat(render(result))
    assert "PROCEED (not predicted)" in text
    assert "still STOP (a change was predicted)" in text


def test_the_verdict_is_told_with_what_was_measured_for_it(result):
    text = flat(render(result))
    assert f"Verdict ✓ SUPPORTED {flat(result['verdict']['reasons'][0])} controls" in text
    assert "controls none of 39 edits like claim 1 lower the score more than it does" in text
    assert "noise near the input claim 1 does −3.05 nats; noise alone moves 0.21" in text
    assert "necessary with all claims' evidence out: PROCEED (−4.90 nats, −4.56 predicted)" in text
    assert "sufficient random supersets keep STOP in 22 of 24; at least 0.67 at 90 %" in text
    assert "flips decision changes predicted for none, measured for none, by some edits for 1" in text
    assert "critic" not in text


def test_the_ladder_has_a_line_for_each_rung(result):
    text = flat(render(result))
    assert "gradient ✗ unsupported predictions miss, agreement 31 % 14 passes 0.4 s" in text
    assert "path ✓ supported holds, agreement 71 %, p = 0.025 142 passes 3.8 s" in text


def test_the_critic_is_heard_where_the_account_that_stands_is_not_supported():
    result = result_and_arrays()[0]
    verdict = result["verdict"]
    verdict["attempts"] = verdict["attempts"][:1]
    verdict |= {"verdict": "unsupported", "cause": "inaccurate", "specific": None, "tests": [], "stability": None}
    text = flat(render(result))
    assert "critic Prediction and measurement part most at claim 1 (vision). To do: integrate" in text


def test_effects_measured_one_by_one_are_not_told_as_shares():
    result = result_and_arrays()[0]
    result["attribution"]["additive"] = False
    text = flat(render(result))
    assert "Share of each sense" not in text
    assert "senses without vision PROCEED or STOP (−3.40), audio STOP (−1.60), text STOP (−1.90)" in text


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
