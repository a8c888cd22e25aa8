"""What the senses did together, on a terminal."""

from __future__ import annotations

from tests.agent.sample import result_and_arrays, with_fusion
from veridical.agent.terminal import render


def test_shares_combinations_pairs_and_rulings_are_told():
    result, _ = with_fusion(*result_and_arrays())
    page = render(result, width=100)
    assert "The senses together, in nats" in page
    for share in result["fusion"]["shares"]:
        assert f"{share['sense']}" in page
    assert "only together" in page
    assert page.count("\npair") == len(result["fusion"]["interactions"]["pairs"])
    assert "Most speaks “hold” for STOP." in page


def test_a_broken_sense_says_what_is_wrong_instead_of_a_share():
    result, _ = with_fusion(*result_and_arrays())
    result["fusion"]["shares"][0] |= {"condition": "black", "told": "The camera is black."}
    assert "black: The camera is black." in render(result, width=100)


def test_without_fusion_nothing_is_said():
    result, _ = result_and_arrays()
    assert "The senses together" not in render(result)


def test_names_from_a_record_cannot_steer_the_terminal():
    result, _ = with_fusion(*result_and_arrays())
    result["fusion"]["speech"]["told"] = "\x1b[31mred"
    assert "\x1b[31mred" not in render(result)
