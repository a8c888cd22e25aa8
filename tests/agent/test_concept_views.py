from __future__ import annotations

import json
import re

import numpy as np
import pytest

from tests.agent.concept_sample import card, with_concepts
from tests.agent.sample import result_and_arrays
from tests.agent.test_report import EVIL, Page
from veridical.agent.concept_views import concepts, named_by, ruled_out, sentences, unbroken
from veridical.agent.report import render_report


@pytest.fixture
def sample(monkeypatch):
    """The sample with concepts; no picture is drawn."""
    monkeypatch.setattr("veridical.agent.pictures.png", lambda array: "data:image/png;base64,AA==")
    return with_concepts()


@pytest.fixture
def shown(sample):
    found = concepts(*sample)
    assert found is not None
    return found


def test_a_record_from_before_concepts_has_none():
    result, arrays = result_and_arrays()
    assert concepts(result, arrays) is None


def test_cards_come_in_the_order_of_their_role(shown):
    assert [(c["title"], c["badge"]["side"]) for c in shown["cards"]] == [
        ("cat", "for"), ("unnamed concept #5", "against"), ("unnamed concept #2", "along")
    ]  # fmt: skip
    assert [(row["label"], row["why"]) for row in shown["idle"]] == [("unnamed concept #9", "too small to count")]


def test_a_card_tells_effect_probability_and_what_becomes_of_the_decision(shown):
    cat, sound, word = shown["cards"]
    assert (cat["effect"], cat["interval"], cat["p"]) == ("−1.50", "−2.00 … −1.10", "0.050")
    assert (cat["before"], cat["after"], cat["becomes"], cat["stays"]) == ("94\u00a0%", "38\u00a0%", "PROCEED", False)
    assert cat["typically"] == ("−0.70", "STOP")
    assert cat["paths"] == [("direct", "−1.00"), ("memory", "−0.40")]
    assert (cat["side"], sound["side"], word["side"]) == ("for", "against", "")
    assert cat["strength"]["times"] == "2.0 times the usual"
    assert (cat["strength"]["width"], cat["strength"]["mark"]) == (100, 50)
    assert "STOP was chosen in 80\u00a0%" in word["goes_with"]


def test_the_effect_lies_among_its_random_directions_on_one_axis(shown):
    axis, (cat, sound, _) = shown["axis"], shown["cards"]
    assert cat["track"]["x"] == axis.at(-1.5)
    assert cat["track"]["low"] < cat["track"]["x"] < cat["track"]["high"]
    assert [x for x, _ in sound["track"]["controls"]] == [axis.at(v) for v in (0.1, -0.2, 0.3)]


def test_cells_are_outlined_and_the_rest_is_veiled(shown):
    here = shown["cards"][0]["here"]
    assert [(f["number"], f["share"]) for f in here["frames"]] == [(1, "4\u00a0%"), (3, "2\u00a0%")]
    assert [f["index"] for f in shown["frames"]] == [0, 2]
    runs = re.findall(r"M(\d+) (\d+)H(\d+)V(\d+)H\d+Z", here["frames"][0]["veil"])
    covered = np.zeros((224, 224), int)
    for left, top, right, bottom in (map(int, run) for run in runs):
        covered[top:bottom, left:right] += 1
    assert (covered[:32, :64] == 0).all()
    assert (covered == 1).sum() == 224 * 224 - 32 * 64


def test_a_frame_that_is_not_there_is_left_out(sample):
    result, arrays = sample
    result["concepts"]["cards"][0]["boxes"] = [[7, 0, 0, 9, 9], [0, -50, -50, 400, 400]]
    found = concepts(result, arrays)
    assert found is not None
    (frame,) = found["cards"][0]["here"]["frames"]
    assert (frame["share"], frame["veil"]) == ("100\u00a0%", "")


def test_a_stretch_of_sound_and_words_are_shown_in_their_place(shown):
    _, sound, word = (c["here"] for c in shown["cards"])
    assert (sound["kind"], sound["left"], sound["right"]) == ("times", 33.33, 33.33)
    assert [text for marked, text in word["pieces"] if marked] == ["stop", "at"]


def test_prototypes_are_shown_and_those_lacking_counted(shown):
    cat, sound, word = (c["prototypes"] for c in shown["cards"])
    assert [p["kind"] for p in cat["shown"]] == ["picture"] * 4
    assert [(p["kind"], p["of"]) for p in sound["shown"]] == [("sound", "train:0"), ("sound", "train:2")]
    assert word["shown"][0]["pieces"] == [(False, "and "), (True, "stop"), (False, " at once")]
    assert (cat["lacking"], sound["lacking"], word["lacking"]) == (0, 2, 3)


def test_what_is_beyond_single_concepts_is_told(shown):
    together, pair = shown["jointly"]
    assert (together["claim"], together["effect"], together["beyond"]) == ("c1", "−2.00", "−0.30")
    assert pair["members"] == ["cat (vision)", "unnamed concept #9 (text)"]
    assert (pair["beyond"], pair["interval"]) == ("+0.90", "+0.40 … +1.20")
    assert [(row["id"], row["share"]) for row in shown["unnamed"]] == [("unnamed:vision", "13\u00a0%")]
    assert shown["missing"] == [("lidar", "There is no bank.")]
    assert (shown["task"]["outcome"], shown["task"]["status"]) == ("not as the task asks", "contradicted")


def test_names_say_who_gave_them():
    assert named_by(card("vision", 1, 0.0, "for")) == "No name was earned."
    named = card("vision", 1, 0.0, "for", named=True, source="AudioSet", score=0.61, margin=0.3)
    assert named_by(named) == "Named by AudioSet: score 0.61, 0.30 ahead of the next."
    assert named_by({**named, "score": None, "margin": None, "source": "operator"}) == "Named by operator."
    assert named_by({**named, "named": False, "vetoed": True}) == "An operator took its name away."


@pytest.mark.parametrize(
    ("effect", "p", "interval", "why"),
    [(None, None, None, "not tested"), (0.05, None, None, "too small to count"), (0.5, None, None, "not put to the "
     "test"), (0.5, 0.3, [0.2, 0.6], "not told from chance"), (0.5, 0.05, [-0.1, 0.6], "may be nothing")],
)  # fmt: skip
def test_why_a_concept_has_no_edge(effect, p, interval, why):
    assert ruled_out({"effect": effect, "p": p, "interval": interval}, 0.1) == why


def test_sentences_carry_what_they_rest_on(sample):
    result, _ = sample
    _, cat, word = sentences(result, result["justification"]["full"])
    assert json.loads(cat["edges"]) == ["vision#3→decision"]
    assert json.loads(cat["claims"]) == ["c1"]
    assert json.loads(cat["nodes"]) == ["vision#3", "c1"]
    assert (cat["effect"], cat["word"], word["word"], word["confirmed"]) == ("−1.50", "for", "no cause", False)
    assert unbroken("−1.5 nats (3 %) 3 sides") == "−1.5\u00a0nats (3\u00a0%) 3 sides"


def test_sentences_from_before_kinds_are_told_bare():
    result, _ = result_and_arrays()
    first, *_ = sentences(result, result["justification"]["sentences"])
    assert (first["kind"], first["edges"], first["effect"]) == ("", "[]", "")


def test_the_report_tells_all_of_it(sample):
    page = Page(render_report(*sample))
    for said in ("The concepts behind it", "speaks for STOP", "speaks against STOP", "goes along, no effect shown",
                 "the decision becomes PROCEED", "Others are not at hand",
                 "all that claim 1 carries", "No concepts of lidar.", "✗ not as the task asks",
                 "1 more concept is in this input", "STOP, by a cat (94 %).",
                 "Effects are on this system."):  # fmt: skip
        assert said in page.text
    spans = [a for _, a in page.tags if "data-edges" in a]
    assert len(spans) == 5
    assert all(a["tabindex"] == "0" and json.loads(a["data-nodes"]) is not None for a in spans)
    edges = {a.get("data-edge") for _, a in page.tags} - {None}
    assert {"vision#3→decision", "c1→decision", "sense:vision→decision", "vision#3→text#9"} <= edges
    links = {a["href"].removeprefix("#") for a in page.all("a")} | {a["href"][1:] for a in page.all("use")}
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert links <= set(ids)
    assert len(ids) == len(set(ids))


def test_nothing_in_a_record_gets_out_of_its_place(sample):
    result, arrays = sample
    found = result["concepts"]
    for each in found["cards"]:
        each |= dict.fromkeys(("id", "label", "where", "source", "describes", "becomes"), EVIL)
        each["named"] = True
        for prototype in each["prototypes"]:
            prototype["observation"] = EVIL
    found["cards"][3]["prototypes"][0]["text"] = EVIL
    found["missing"] = {EVIL: EVIL}
    found["pairs"][0]["members"] = found["groups"][0]["members"] = [EVIL, EVIL]
    found["task"] |= {"task": EVIL, "outcome": EVIL}
    for finding in found["task"]["findings"]:
        finding |= dict.fromkeys(("kind", "text", "severity"), EVIL)
    for node in result["graph"]["nodes"]:
        node |= {"label": EVIL, "where": EVIL} | ({"modality": EVIL} if node["kind"] == "concept" else {})
    result["graph"]["graph"] |= {"note": EVIL, "action": EVIL}
    for edge in result["graph"]["edges"]:
        edge["becomes"] = EVIL
    result["justification"]["short"] = EVIL
    for sentence in result["justification"]["full"]:
        sentence |= {"text": EVIL, "kind": EVIL, "edges": [[EVIL, EVIL]]}
    html = render_report(result, arrays)
    page = Page(html)
    assert len(page.all("script")) == 1
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert not any(a.get("src") == "x" for a in page.all("img"))
    assert "alert(1)" in page.text


def fact(relation, value, subject="c1"):
    return {"subject": subject, "relation": relation, "value": value, "unit": "nats", "of": ""}


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ([fact("range-low", -3.2), fact("range-high", -2.8)], "−3.20 … −2.80"),
        ([fact("interval-low", -2.5), fact("interval-high", -2.5)], "−2.50"),
        ([fact("speaks-for", -1.5), fact("direct", -1.0)], "−1.50"),
        ([fact("effect", 0.1), fact("effect", 0.2, "c2")], ""),
        ([], ""),
    ],
)
def test_a_sentence_has_one_figure_its_interval_or_none(facts, said):
    result, _ = with_concepts()
    sentence = {"text": "x", "claims": [], "confirmed": True, "kind": "sureness", "facts": facts}
    assert sentences(result, [sentence])[0]["effect"] == said
