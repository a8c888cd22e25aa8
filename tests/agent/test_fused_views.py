from __future__ import annotations

import base64
import copy
import io
import re
import subprocess

import numpy as np
import pytest
from PIL import Image

from tests.agent.sample import ACTIONS, INSTRUCTION, result_and_arrays, with_fusion, without
from tests.agent.test_report import EVIL, Page
from veridical.agent import pictures
from veridical.agent.fused_views import PARTS, fused, glow
from veridical.agent.report import render_report
from veridical.agent.views import limit_of
from veridical.errors import RecordError

HEADINGS = [
    "One clock", "The words that were spoken", "What each sense is worth", "Alone, and only together", "Sense by sense",
    "Which pieces count only together", "Attention is not importance", "From early to late: the layers",
    "From early to late: the decision as evidence arrives", "Carried back through the state",
    "The same thing in two senses",
]  # fmt: skip
SECTION = re.compile(r'<section id="fused".*?</section>', re.S)


@pytest.fixture(scope="module")
def plain():
    return result_and_arrays()


@pytest.fixture(scope="module")
def sample(plain):
    return with_fusion(*plain)


@pytest.fixture
def own(sample):
    """A copy of the result that a test may change."""
    return copy.deepcopy(sample[0]), dict(sample[1])


@pytest.fixture(scope="module")
def html(sample):
    return render_report(*sample)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


@pytest.fixture
def undrawn(monkeypatch):
    monkeypatch.setattr("veridical.agent.pictures.png", lambda array: "data:image/png;base64,AA==")


def shown_of(result, arrays):
    shown = fused(result, arrays)
    assert shown is not None
    return shown


def pixels(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def test_a_report_without_fusion_is_the_report_with_it_less_the_section(plain, html):
    without_it = render_report(*plain)
    assert 'id="fused"' not in without_it
    assert SECTION.sub("", html) == without_it
    assert fused(*plain) is None
    assert fused({**plain[0], "fusion": None}, plain[1]) is None


def test_nothing_is_wider_than_a_phone(tmp_path, html, chromium):
    asking = "<script>onload = () => parent.postMessage(document.documentElement.scrollWidth, '*')</script></body>"
    free = re.sub(r"<meta http-equiv[^>]*>", "", html)  # the policy would forbid the script that measures
    (tmp_path / "report.html").write_text(free.replace("</body>", asking), encoding="utf-8")
    frame = '<iframe src="report.html" style="width:390px;height:800px;border:0"></iframe>'
    probe = tmp_path / "probe.html"
    probe.write_text(
        f"<p>?</p>{frame}<script>onmessage = m => document.querySelector('p').textContent = m.data</script>"
    )
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
               f"--user-data-dir={tmp_path / 'profile'}", "--hide-scrollbars",
               "--virtual-time-budget=5000", "--dump-dom"]  # fmt: skip
    done = subprocess.run([*command, probe.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    assert "<p>390</p>" in done.stdout


def test_no_host_is_named_and_nothing_is_loaded_from_elsewhere(html, page):
    assert not re.search(r"https?:|//[a-z]|url\(|@import", re.sub(r"data:[\w/]+;base64,[\w+/=]+", "", html))
    sources = [a[k] for _, a in page.tags for k in ("src", "href", "srcset", "data", "poster") if k in a]
    assert all(s.startswith(("data:image/png;base64,", "data:audio/wav;base64,", "#")) for s in sources)
    assert len(page.all("script")) == 1


def test_links_ids_and_alternative_texts_are_whole(page):
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"].removeprefix("#") for a in page.all("a")} <= set(ids)
    assert all("alt" in a for a in page.all("img"))
    assert all("aria-hidden" in a or "aria-label" in a or "x" in a for a in page.all("svg"))
    assert all(a.get("aria-label") for a in page.all("div") if a.get("role") == "img")


def test_the_figures_stand_in_their_places(html):
    text = Page(SECTION.findall(html)[0]).text
    for said in (
        "frame 3 +0.87", "vision ~ frozen", "All 3 frames are the same", "+1.90 … +3.40",
        "vision + text, only together +2.40", "all at their baseline −2.22", "the decision +2.75",
        "2 of 5 pairs of evidence stand out among 24 random pairs (α = 0.05)",
        "✓ synergy −3.10 −1.30 −3.30 +1.10 +0.70 … +1.50 +0.77 +1.05 0.020", "~ chance", "~ not large",
        "vision ✓ the gradient was right", "audio ~ undecided", "Top sets overlap by 20 % ; rank correlation 0.31.",
        "56 × 56 blocks.1 edges 0.41 , last 0.20 full at ±", "0–2 s +1.10 nats STOP changed",
        "meow heard at 1.2 s ↔ tabby seen in the middle 0.61, p = 0.010 ✓ beyond chance", "~ not beyond chance",
    ):  # fmt: skip
        assert said.replace(" %", "\u00a0%").replace("\u00a0", " ").replace(" ;", ";") in text, said


def test_words_without_a_time_are_all_there_in_order(html):
    lane = re.search(r'<p class="throughout">(.*?)</p>', html, re.S)
    assert lane
    bare = re.sub(r"<[^>]+>", "", re.sub(r"<rt>.*?</rt>", "", lane[1], flags=re.S))
    assert bare.split() == [token.strip(",.") for token in INSTRUCTION.split()]


@pytest.mark.parametrize("part", list(PARTS))
def test_an_absent_part_is_left_out_with_one_line_that_says_why(undrawn, own, part):
    result, arrays = own
    result["fusion"][part] = None
    result["fusion"]["missing"] = {part: f"because of {EVIL}"}
    page = Page(render_report(result, arrays))
    assert page.text.count("because of <script>alert(1)") == 1
    assert f"Not shown: {PARTS[part]}." in page.text
    heading = HEADINGS[list(PARTS).index(part)]
    assert heading not in page.text
    assert all(other in page.text for other in HEADINGS if other != heading)


def test_a_result_with_nothing_but_reasons_has_a_section_of_reasons(undrawn, own):
    result, arrays = own
    result["fusion"] = {"missing": dict.fromkeys(PARTS, "one sense only")}
    assert Page(render_report(result, arrays)).text.count("one sense only") == len(PARTS)


def test_a_reason_for_what_is_there_is_not_told(undrawn, own):
    result, arrays = own
    result["fusion"]["missing"] = {"clock": "why not"}
    assert "why not" not in Page(render_report(result, arrays)).text


def _poisoned(value):
    """Every text of a plain value made hostile, but names that something else is looked up by."""
    if isinstance(value, dict):
        kept = {"sense", "action", "senses", "probabilities"}
        return {k: v if k in kept else _poisoned(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_poisoned(v) for v in value]
    return EVIL + "\u202e\x1b[31m" if isinstance(value, str) else value


def test_every_text_of_a_hostile_record_is_escaped_and_cleaned(undrawn, own):
    result, arrays = own
    result["fusion"] = _poisoned(result["fusion"])
    for key in ("shares", "attention"):
        result["fusion"][key][0]["sense"] = EVIL
    result["fusion"]["matrix"]["senses"][0] = result["fusion"]["clock"]["lanes"][0]["sense"] = EVIL
    result["fusion"]["together"][0]["senses"] = [EVIL]
    result["fusion"]["interactions"]["pairs"][0]["a"]["sense"] = EVIL
    html = render_report(result, arrays)
    page = Page(html)
    assert len(page.all("script")) == 1
    assert not any("onerror" in attributes for _, attributes in page.tags)
    assert not any(control in html for control in ("\u202e", "\x1b"))
    assert page.text.count("alert(1)") > 30


def test_attention_has_a_colour_of_its_own_that_grows_to_full():
    drawn = glow(np.array([[0.0, 0.25, 1.0]]), 1.0)
    assert drawn.dtype == np.uint8
    assert [int(a) for a in drawn[0, :, 3]] == [0, 118, 235]  # the square root of the share
    assert (drawn[0, :, :3] == drawn[0, 0, :3]).all()


def test_the_frame_with_most_of_either_is_shown_beside_itself(own):
    result, arrays = own
    labels = arrays["vision.units"]
    arrays["fusion.attention.vision"] = np.zeros(labels.max() + 1, np.float32)
    chosen = int(labels[1][100, 100])
    arrays["fusion.attention.vision"][chosen] = 1.0
    shown = shown_of(result, arrays)["attention"][0]["shown"]
    assert (shown["kind"], shown["number"]) == ("frames", 2)
    opacity = pixels(shown["attention"]["overlay"])[..., 3]
    np.testing.assert_array_equal(opacity > 0, labels[1] == chosen)
    mine = {e["index"]: e["contribution"] for e in result["ranking"] if e["modality"] == "vision"}
    expected = pictures.tint(pictures.per_unit(labels[1], mine), limit_of(result))
    np.testing.assert_array_equal(pixels(shown["gradient"]["overlay"]), expected)
    assert pixels(shown["image"]).ndim == 2  # grey


def test_sound_is_summed_over_bands_and_named_evidence_is_framed(own):
    result, arrays = own
    values = np.zeros(96, np.float32)
    values[8:16] = 1.0  # the second quarter of a second
    arrays["fusion.attention.audio"] = values
    result["fusion"]["attention"][1]["attention"]["units"] = [8, 9, 17]
    shown = shown_of(result, arrays)["attention"][1]["shown"]
    heights = [bar["height"] for bar in shown["attention"]["bars"]]
    assert heights == [0.0, 100.0, *[0.0] * 10]
    assert shown["attention"]["named"] == [(8.33, 16.67)]  # 0.25–0.75 s of 3 s, joined
    assert {bar["side"] for bar in shown["attention"]["bars"]} == {"seen"}


def test_words_are_shown_twice_with_what_each_side_names(sample):
    shown = shown_of(*sample)["attention"][2]["shown"]
    assert [w["text"] for w in shown["attention"]] == [w["text"] for w in shown["gradient"]]
    assert [w["text"] for w in shown["attention"] if w["named"]] == ["pharmacy"]
    assert [w["text"] for w in shown["gradient"] if w["named"]] == ["stop", "animal"]


def test_without_the_map_of_attention_the_ruling_stands_and_says_so(undrawn, own):
    result, arrays = own
    del arrays["fusion.attention.text"]
    text = Page(render_report(result, arrays)).text
    assert text.count("The map of attention was not kept.") == 1
    assert "The gradient’s words move the score." in text


def test_effects_lie_on_one_axis_with_the_band_of_chance(own):
    result, arrays = own
    row = shown_of(result, arrays)["attention"][0]["row"]
    assert (row["attention"], row["gradient"]) == (row["axis"].at(-0.2), row["axis"].at(-3.1))
    assert row["low"] == row["axis"].at(-0.4)
    assert row["low"] + row["width"] == pytest.approx(row["axis"].at(0.1), abs=0.011)
    result["fusion"]["attention"][0] |= {"random": [], "correlation": None}
    entry = shown_of(result, arrays)["attention"][0]
    assert (entry["row"]["width"], entry["correlation"]) == (0.0, "–")


def test_a_depth_is_drawn_cell_by_cell_on_the_frame_with_most_relevance(own):
    result, arrays = own
    for k, side in enumerate((56, 28, 14, 7)):
        arrays[f"fusion.depth.{k}"] = np.zeros((3, side, side), np.float32)
        arrays[f"fusion.depth.{k}"][1, 2, 3] = -0.5 * (k + 1)
    drawn = shown_of(result, arrays)["depths"]
    assert drawn["number"] == 2
    for layer, side, full in zip(drawn["layers"], (56, 28, 14, 7), ("0.50", "1.00", "1.50", "2.00"), strict=True):
        overlay = pixels(layer["overlay"])
        assert overlay.shape == (side, side, 4)
        np.testing.assert_array_equal(overlay[2, 3], pictures.tint(np.array([[-1.0]]), 1.0)[0, 0])
        assert (overlay[..., 3] > 0).sum() == 1
        assert layer["full"] == f"±{full}"


def test_a_layer_without_a_correlation_or_any_relevance_has_none(undrawn, own):
    result, arrays = own
    arrays["fusion.depth.0"] = np.zeros((3, 56, 56), np.float32)
    result["fusion"]["depths"][0] |= {"edges": None, "last": None}
    layer = shown_of(result, arrays)["depths"]["layers"][0]
    assert (layer["edges"], layer["last"], layer["full"]) == (None, None, "±0.00")
    assert "56 × 56 blocks.1 full at ±0.00 nats" in Page(render_report(result, arrays)).text


def test_steps_say_where_the_decision_changes(sample):
    steps = shown_of(*sample)["arrivals"]
    assert [(step["action"], step["changed"]) for step in steps] == [
        ("PROCEED", False),
        ("STOP", True),
        ("STOP", False),
    ]
    assert [row["name"] for row in steps[0]["odds"]] == list(ACTIONS)
    stop = next(row for row in steps[1]["odds"] if row["name"] == "STOP")
    assert (stop["width"], stop["chosen"], stop["followed"]) == (75.0, True, True)


def test_without_the_camera_there_are_no_pictures_of_it(undrawn, sample):
    result, arrays = sample
    bare, kept = without("vision")
    bare["fusion"] = result["fusion"]
    kept |= {name: array for name, array in arrays.items() if name.startswith("fusion.")}
    drawn = shown_of(bare, kept)
    assert drawn["depths"] is None
    assert drawn["attention"][0]["shown"] is None


def test_pairs_without_any_tested_say_so(undrawn, own):
    result, arrays = own
    result["fusion"]["interactions"] |= {"pairs": [], "tested": 0}
    text = Page(render_report(result, arrays)).text
    assert "No pair of evidence was tested." in text
    assert "0 of 0 pairs of evidence stand out" in text


def test_arrays_that_do_not_fit_are_refused_in_words(undrawn, own):
    result, arrays = own
    with pytest.raises(RecordError, match=r"'fusion\.depth\.1' has shape \(2, 28, 28\), but there are 3 frames"):
        render_report(result, {**arrays, "fusion.depth.1": np.zeros((2, 28, 28), np.float32)})
    with pytest.raises(
        RecordError, match=r"'fusion\.attention\.audio' has 5 values, but the ranking names its unit 95"
    ):
        render_report(result, {**arrays, "fusion.attention.audio": np.zeros(5, np.float32)})
    del arrays["fusion.depth.2"]
    with pytest.raises(RecordError, match=r"'fusion\.depth\.2' is missing"):
        render_report(result, arrays)
