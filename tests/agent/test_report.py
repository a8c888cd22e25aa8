from __future__ import annotations

import base64
import hashlib
import re
import subprocess
from html.parser import HTMLParser

import pytest

from tests.agent.concept_sample import with_concepts
from tests.agent.sample import INSTRUCTION, result_and_arrays, without
from veridical.agent.report import render_report, write_report
from veridical.errors import InputError, RecordError

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
SECTIONS = [
    "What it saw", "What it heard", "What it read", "If it had been otherwise", "Was that true?",
    "How it was tested", "Why: the causal graph", "How it was measured",
]  # fmt: skip


class Page(HTMLParser):
    """Tags with their attributes, and the text outside of style and script."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.words, self._inside = [], [], ""
        self.feed(html)
        self.text = " ".join(" ".join(self.words).replace("\u00a0", " ").split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside not in {"style", "script"}:
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def sample():
    return result_and_arrays()


@pytest.fixture(scope="module")
def html(sample):
    return render_report(*sample)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


@pytest.fixture
def undrawn(monkeypatch):
    """No picture is drawn: what a test says of words does not wait for them."""
    monkeypatch.setattr("veridical.agent.pictures.png", lambda array: "data:image/png;base64,AA==")


def test_chromium_shows_every_section_and_runs_the_script(tmp_path, sample, chromium):
    path = write_report(tmp_path / "new" / "report.html", *sample)
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
               f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    shown = Page(done.stdout)
    for section in SECTIONS:
        assert section in shown.text
    assert dict(shown.all("html")[0])["class"] == "scripted"  # so the policy's hash is that of the script
    assert "supported" in shown.text
    assert len([a for a in shown.all("audio") if a["src"].startswith("data:audio/wav")]) == 4


def test_no_host_is_named_anywhere(html):
    assert not re.search(r"https?:|//[a-z]|url\(|@import", re.sub(r"data:[\w/]+;base64,[\w+/=]+", "", html))
    assert "default-src 'none'" in html


def test_everything_a_page_can_load_is_inside_it(page):
    sources = [a[k] for _, a in page.tags for k in ("src", "href", "srcset", "data", "poster") if k in a]
    assert sources
    assert all(s.startswith(("data:image/png;base64,", "data:audio/wav;base64,", "#")) for s in sources)


def test_links_lead_to_something_and_ids_are_unique(page):
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"].removeprefix("#") for a in page.all("a")} <= set(ids)


def test_pictures_have_a_text_or_are_marked_as_decoration(page):
    assert all("alt" in a for a in page.all("img"))
    assert all("aria-hidden" in a or "aria-label" in a or "x" in a for a in page.all("svg"))


def test_decision_verdict_and_justification_come_first(page, sample):
    result, _ = sample
    head = page.text[: page.text.index("What it saw")]
    for said in ("STOP", "94 %", "supported", *result["verdict"]["reasons"]):
        assert said.replace("\u00a0", " ") in head
    assert "1 cheaper account was tried before, in vain." in head
    for sentence in result["justification"]["sentences"]:
        assert sentence["text"] in head
    assert "✗ not confirmed" in head


def test_claims_tell_prediction_measurement_and_decision(page):
    assert "Predicted −2.31 , measured −3.35 … −2.92 nats: the probability of STOP goes from 94 % to 41 %" in page.text
    assert "The decision changes to PROCEED when edited by blur." in page.text
    assert "stays at 94 %" in page.text
    assert "surround → STOP (−0.62 nats)" in page.text


def test_the_ladder_and_the_tests_are_told(page):
    text = page.text[page.text.index("How it was tested") : page.text.index("How it was measured")]
    assert "gradient 14 passes, 0.4 s ✗ unsupported predictions miss, agreement 31 %" in text
    assert "path 142 passes, 3.8 s ✓ supported holds, agreement 71 %, p = 0.025" in text
    assert "It stopped there, for the account is supported." in text
    assert "chance 1 of 40 ways to place the predictions fits: p = 0.025" in text
    assert "necessary with all claims' evidence out: PROCEED" in text
    assert "What the critic said on the way gradient Prediction and measurement part most" in text
    assert "The critic:" not in text


def test_the_critic_stands_out_where_the_account_that_stands_failed(undrawn):
    result, arrays = result_and_arrays()
    result["verdict"]["attempts"] = result["verdict"]["attempts"][:1]
    assert "The critic: Prediction and measurement part most" in Page(render_report(result, arrays)).text


def test_every_claim_is_shown_among_its_controls(page):
    assert "0 of 39 do more" in page.text
    assert page.text.count(" of 3 do more") == 4
    assert "Of all 40 ways to say the same of the claims or of their controls, 1 agrees as well" in page.text


def test_edited_words_are_struck_and_marked(html):
    assert "<mark>stop</mark>" in html
    assert "<del>stop at once if you meet an animal,</del>" in html
    assert "<ins>[MASK]</ins>" in html


def test_each_word_has_its_value_and_the_text_stays_whole(html):
    passage = re.search(r'<p class="instruction">(.*?)</p>', html, re.S)
    assert passage
    assert passage[1].count("nats") == len(INSTRUCTION.split())
    bare = re.sub(r"<[^>]+>", "", re.sub(r"<rt>.*?</rt>", "", passage[1], flags=re.S))
    assert bare == INSTRUCTION


@pytest.mark.parametrize(
    ("modality", "said"),
    [("vision", "no camera frame was given"), ("audio", "no sound was given"), ("text", "no instruction was given")],
)
def test_an_absent_sense_is_said_in_its_place(undrawn, modality, said):
    page = Page(render_report(*without(modality)))
    assert said in page.text
    for section in SECTIONS:
        assert section in page.text


def test_all_that_a_user_can_supply_is_escaped(undrawn):
    result, arrays = result_and_arrays()
    result["observation"]["text"]["text"] = EVIL + " " + INSTRUCTION
    result["observation"]["vision"]["notes"] = [EVIL]
    result["system"]["name"] = EVIL
    result["notes"] = result["verdict"]["reasons"] = [EVIL]
    result["justification"]["sentences"][0]["text"] = EVIL
    for claim in result["claims"]:
        claim["name"] = claim["named_by"] = claim["where"] = EVIL
        claim["confidence"] = 0.5
        for effect in claim["effects"]:
            effect["operator"] = EVIL
            effect["text"] = EVIL
    for node in result["graph"]["nodes"]:
        node["label"] = EVIL
    for test in result["verdict"]["tests"]:
        test["operator"] = EVIL
    for attempt in result["verdict"]["attempts"]:
        attempt["rung"] = attempt["method"] = attempt["cause"] = EVIL
    result["verdict"]["attempts"][0]["critique"]["sentence"] = EVIL
    result["verdict"]["necessity"]["actions"] = [EVIL]
    page = Page(render_report(result, arrays))
    assert len(page.all("script")) == 1
    assert not any("onerror" in attributes for _, attributes in page.tags)
    assert "alert(1)" in page.text


def test_a_result_without_claims_tests_or_graph_has_a_report(undrawn):
    result, arrays = result_and_arrays()
    result["claims"], result["complement"], result["justification"]["sentences"] = [], [], []
    result["verdict"] |= {"tests": [], "further_controls": [], "claim": None, "verdict": "inconclusive"}
    result["verdict"] |= {"specific": None, "stability": None, "necessity": None, "sufficiency": None}
    result["graph"] = {"nodes": [], "edges": []}
    text = Page(render_report(result, arrays)).text
    assert "No claim was made" in text
    assert "No control edits were run" in text
    assert "No effect was measured" in text


def test_what_is_optional_may_be_there_or_not(undrawn):
    result, arrays = result_and_arrays()
    result["system"]["digest"] = None
    del result["senses"]
    result["verdict"]["committed"] = {"note": "</pre>" + EVIL}
    html = render_report(result, arrays)
    page = Page(html)
    assert "it states no digest" in page.text
    assert "What was committed to, before any edit" in page.text
    assert "without it, measured" not in page.text
    assert len(page.all("script")) == 1


def test_a_sense_taken_away_is_told_beside_its_share(page):
    assert "vision +2.28 nats without it, measured: −3.70 … −3.10 → PROCEED or STOP" in page.text


def test_a_missing_array_is_named(sample):
    result, arrays = sample
    with pytest.raises(RecordError, match=r"'vision\.units' is missing"):
        render_report(result, {k: v for k, v in arrays.items() if k != "vision.units"})


def test_a_target_that_cannot_be_written_is_named(tmp_path, sample):
    with pytest.raises(InputError, match="is a folder; name a file"):
        write_report(tmp_path, *sample)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        write_report(tmp_path / "file" / "x.html", *sample)


def test_the_graph_follows_the_account_and_a_sentence_finds_its_claims(page):
    assert page.text.index("Why: the causal graph") < page.text.index("What it saw")
    first = next(a for _, a in page.tags if "data-claims" in a)
    assert first["data-claims"] == '["c1"]'
    assert first["tabindex"] == "0"
    assert "All that was found" not in page.text  # a record from before concepts has no full text
    assert "The concepts behind it" not in page.text


def test_chromium_lights_up_what_a_sentence_rests_on(tmp_path, chromium):
    """The script runs as it stands; what asks it to is added here, and let through by name."""
    html = render_report(*with_concepts())
    asks = 'document.querySelectorAll(".said")[1].dispatchEvent(new Event("mouseenter"));'
    digest = base64.b64encode(hashlib.sha256(asks.encode()).digest()).decode()
    html = html.replace("script-src ", f"script-src 'sha256-{digest}' ", 1)
    (tmp_path / "lit.html").write_text(html.replace("</body>", f"<script>{asks}</script></body>"), encoding="utf-8")
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
               f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", (tmp_path / "lit.html").as_uri()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    shown = Page(done.stdout)
    assert "lighting" in dict(shown.all("html")[0])["class"]
    lit = [a for _, a in shown.tags if "lit" in a.get("class", "").split()]
    assert {a["data-edge"] for a in lit if "data-edge" in a} == {"vision#3→decision"}
    assert {a["data-node"] for a in lit if "data-node" in a} == {"vision#3", "c1"}
    assert [a["id"] for a in lit if "id" in a] == ["c1"]
