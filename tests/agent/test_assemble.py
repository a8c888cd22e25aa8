"""Findings as a plain result."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.toys import CAT, SENTENCE, Toy, hears_tone, picture, reads_cat, sees_red, sound
from veridical.agent.assemble import _edited_text, signal_digest
from veridical.agent.explainer import Settings, explain
from veridical.modalities.contract import Prepared
from veridical.modalities.observation import prepare
from veridical.modalities.path import PathSettings
from veridical.verifier.commitment import commit
from veridical.verifier.ladder import LadderSettings

TOY = Toy(lambda i: 0.5 * sees_red(i) + 0.5 * hears_tone(i) + reads_cat(i))
OBSERVATION = {"vision": picture(2), "audio": sound(), "text": SENTENCE}
FOUND = explain(TOY, OBSERVATION, Settings(namer=None, salt="s"))
RESULT = FOUND.to_dict()


PAGE = (Path(__file__).parents[2] / "docs" / "record.md").read_text(encoding="utf-8")


def documented(start: str, end: str) -> set[str]:
    """The keys that a table of the record's specification has in its first column."""
    section = PAGE[PAGE.index(start) : PAGE.index(end)]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {key for row in rows for key in re.findall(r"`(\w+)`", row)}


def test_the_result_has_the_keys_of_the_record_documented():
    assert set(RESULT) == documented("## The result", "### The verdict")


def test_the_verdict_and_its_attempts_have_the_keys_documented():
    assert set(RESULT["verdict"]) == documented("### The verdict", "An attempt:")
    told = documented("An attempt:", "`commitment` is `sha256:`") | {"p"}
    assert all(set(attempt) == told for attempt in RESULT["verdict"]["attempts"])
    keys = set(re.findall(r"`(\w+)`", PAGE))
    for claim in RESULT["claims"]:
        assert set(claim) <= keys
    for part in ("specific", "stability", "necessity", "sufficiency", "criteria", "committed"):
        assert set(RESULT["verdict"][part]) <= keys, part


def test_the_last_attempt_is_the_one_that_stands():
    verdict, last = RESULT["verdict"], RESULT["verdict"]["attempts"][-1]
    for key in ("verdict", "cause", "reasons", "agreement", "commitment", "committed", "salt", "rung"):
        assert verdict[key] == last[key]
    assert last["p"] == verdict["specific"]["p"]
    assert [c["predicted"] for c in last["claims"]] == [c["predicted"] for c in RESULT["claims"]]
    assert last["measured"] == [c["measured"] for c in RESULT["claims"]]
    assert [c["claim"] for c in last["controls"]] == [c["id"] for c in RESULT["claims"]]
    assert last["controls"][1:] == verdict["further_controls"]
    firsts = [c["units"] for c in last["controls"][0]["controls"]]
    assert all([c["units"] for c in test["controls"]] == firsts for test in verdict["tests"])


def test_probabilities_and_scores_hang_together():
    decision, attribution = RESULT["decision"], RESULT["attribution"]
    p = decision["probabilities"]
    assert sum(p.values()) == pytest.approx(1)
    assert decision["score"] == pytest.approx(np.log(p["STOP"] / (1 - p["STOP"])), rel=1e-4)
    assert attribution["score"] == pytest.approx(decision["score"], abs=1e-4)
    assert attribution["difference"] == attribution["score"] - attribution["baseline_score"]
    assert attribution["sum"] == pytest.approx(sum(attribution["shares"].values()), abs=1e-4)
    assert attribution["gap"] == abs(attribution["sum"] - attribution["difference"])
    assert attribution["baseline_action"] == "GO"


def test_claims_say_what_was_predicted_and_measured():
    for rank, claim in enumerate(RESULT["claims"], 1):
        assert (claim["rank"], claim["id"]) == (rank, f"c{rank}")
        effects = [e["effect"] for e in claim["effects"]]
        assert claim["measured"] == pytest.approx(np.mean(effects))
        flipped = {e["action"] for e in claim["effects"]} == {"GO"}
        assert claim["flips"] == flipped
        assert claim["flips_to"] == ("GO" if flipped else None)
        own = {(claim["modality"], i) for i in claim["units"]}
        of_units = [u["contribution"] for u in RESULT["ranking"] if (u["modality"], u["index"]) in own]
        assert claim["predicted"] == pytest.approx(-sum(of_units))


def test_the_edited_text_is_told_for_words():
    claim = next(c for c in RESULT["claims"] if c["modality"] == "text")
    masked, deleted = (e["text"] for e in claim["effects"])
    assert masked == SENTENCE.replace("cat", "[MASK]")
    assert deleted == SENTENCE.replace("cat ", "")
    assert _edited_text("Wait,  cat, at", [(7, 10)]) == ("Wait, , at", "Wait,  [MASK], at")
    assert _edited_text("a b", [(2, 3), (0, 1)]) == ("", "[MASK] [MASK]")


def test_the_commitment_can_be_computed_again_from_the_result():
    verdict = RESULT["verdict"]
    assert commit(verdict["committed"]).digest == verdict["commitment"]
    assert verdict["committed"]["observation"] == {m: s["digest"] for m, s in RESULT["observation"].items()}
    for test in verdict["tests"]:
        assert test["k"] == len(test["controls"])
        as_low = sum(c["effect"] <= test["effect"] for c in test["controls"])
        assert test["p"] == (1 + as_low) / (test["k"] + 1)


def test_passes_are_counted():
    passes = RESULT["timing"]["passes"]
    attempts = RESULT["verdict"]["attempts"]
    gradients = sum(a["gradients"] for a in attempts) + 5  # with the diagnostics': at the input and four neighbours
    edits = sum(a["passes"]["proposing"] + a["passes"]["verifying"] for a in attempts)
    assert passes["backward"] == gradients
    assert passes["forward"] == 1 + gradients + edits + 1  # the decision, and the diagnostics' baseline


def test_the_digest_of_a_signal_is_of_the_signal_alone():
    prepared = prepare(TOY, OBSERVATION)
    assert {m: signal_digest(p, None) for m, p in prepared.items()} == {
        m: signal_digest(p, None) for m, p in prepare(TOY, OBSERVATION).items()
    }
    one = prepare(TOY, {"vision": picture(1)})["vision"]
    assert signal_digest(one, None) != signal_digest(prepared["vision"], None)
    text = prepared["text"]
    other = Prepared("text", text.tensor, text.baseline, SENTENCE + " ", 0.0)
    assert signal_digest(other, None) != signal_digest(text, None)


def test_a_path_that_misses_the_difference_is_told():
    path = PathSettings(first=1, last=1, tolerance=0.001)
    settings = Settings(namer=None, salt="s", ladder=LadderSettings(rungs=("path",), path=path))
    toy = Toy(lambda i: (4 * i["text"][:, :, CAT].sum(1)).exp() / 10)
    toy.modalities = {"text": toy.modalities["text"]}
    notes = explain(toy, {"text": SENTENCE}, settings).result["notes"]
    assert re.search(
        r"miss the score's difference by \d+\.\d\d nats \(\d+\u00a0%\), more than the 0.1\u00a0% asked for", notes[0]
    )
