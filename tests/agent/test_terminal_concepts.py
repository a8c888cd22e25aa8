from __future__ import annotations

import pytest

from tests.agent.concept_sample import card, with_concepts
from tests.agent.sample import result_and_arrays
from veridical.agent.terminal import render


@pytest.fixture
def result():
    return with_concepts()[0]


def section(text: str) -> list[str]:
    lines = text.splitlines()
    first = lines.index("Concepts, in nats")
    return lines[first : lines.index("", first)]


def test_each_concept_is_a_line_and_the_rest_are_counted(result):
    head, cat, sound, word, rest, *_ = section(render(result, width=100))
    assert head == "Concepts, in nats"
    assert cat.startswith("cat, somewhere in vision")
    assert "(−2.00 … −1.10)" in cat
    assert "p 0.050" in cat
    assert sound.startswith("audio #5, somewhere in audio")
    assert sound.endswith("against")
    assert word.endswith("goes along")
    assert rest == "and 1 without an effect that could be shown"


def test_the_task_is_told_with_its_first_fault(result):
    assert section(render(result, width=100))[-1] == "Task  ✗ not as the task asks: It rests on a patch."
    result["concepts"]["task"] |= {"outcome": "undecided", "findings": []}
    assert section(render(result))[-1] == "Task  ~ undecided"


def test_no_more_than_six_lines(result):
    result["concepts"]["cards"] = [card("vision", k, -1.0, "for") for k in range(9)]
    result["concepts"]["task"] = None
    told = section(render(result))
    assert len(told) == 8
    assert told[-1] == "and 3 more"


def test_it_stands_between_verdict_and_fusion(result):
    text = render(result)
    assert text.index("Verdict") < text.index("Concepts, in nats") < text.index("Share of each sense")


@pytest.mark.parametrize("width", [60, 80])
def test_no_line_is_wider_than_the_terminal(result, width):
    assert max(map(len, render(result, width=width).splitlines())) <= width


def test_nothing_is_said_where_there_are_no_concepts(result):
    assert "Concepts, in nats" not in render(result_and_arrays()[0])
    result["concepts"] |= {"cards": [], "task": None}
    assert "Concepts, in nats" not in render(result)


def test_names_cannot_steer_the_terminal(result):
    for each in result["concepts"]["cards"]:
        each |= {"label": "\x1b[2J\u202e[bold]x[/]", "where": "\x07y", "named": True}
    result["concepts"]["task"]["findings"][1]["text"] = "\x1b]0;owned\x07"
    assert not set(render(result)) & {"\x1b", "\x07", "\u202e"}
