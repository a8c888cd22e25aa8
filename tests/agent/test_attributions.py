"""Attributions told, drawn and saved."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.toys import EARS, EYES, READER, SENTENCE, Toy, linear, picture, sound, weights
from veridical.agent.attributions import Asked, compute, draw, listed, save, tell
from veridical.errors import InputError
from veridical.modalities.attribution import METHODS
from veridical.modalities.observation import prepare

SCENE = {"vision": picture(2), "audio": sound(), "text": SENTENCE}
TOY = Toy(linear(weights(0, prepare(Toy(linear({})), SCENE)), 1.0), EYES, EARS, READER)
READING = Toy(linear({"text": weights(0, prepare(Toy(linear({})), SCENE))["text"]}, 1.0), READER)


@pytest.fixture(scope="module")
def found():
    return compute(TOY, SCENE, Asked(("gradient-times-input", "smoothgrad"), "STOP", "GO", seed=2))


def test_every_method_is_listed_with_a_line_of_its_own():
    rows = listed()
    assert [row["name"] for row in rows] == list(METHODS)
    assert all(row["summary"].endswith((".", ":")) for row in rows)


def test_the_json_holds_totals_leading_units_and_diagnostics(found, capsys):
    tell(found, as_json=True)
    rows = json.loads(capsys.readouterr().out)
    assert [row["method"] for row in rows] == ["gradient-times-input", "smoothgrad"]
    assert rows[0]["target"] == "STOP rather than GO"
    text = rows[0]["senses"]["text"]
    assert text["unit"] == "nat"
    assert text["total"] == pytest.approx(found.by_method["gradient-times-input"].map("text").total(), rel=1e-5)
    assert len(text["leading"]) == 3
    assert text["leading"][0]["value"] >= text["leading"][1]["value"]
    assert text["diagnostics"]["local_share"] is not None


def test_the_table_names_method_sense_and_evidence_and_that_nothing_was_tested(found, capsys):
    tell(found, as_json=False)
    out = capsys.readouterr().out
    for word in ("smoothgrad", "STOP rather than GO", "vision", "audio", "text", "not saturated", "not tested"):
        assert word in out


def test_the_picture_has_a_row_for_each_method_and_a_column_for_each_frame_and_the_sound(found):
    sheet = draw(found)
    assert sheet.size == (8 + 3 * 232, 8 + 2 * 250)
    assert len(np.unique(np.asarray(sheet).reshape(-1, 3), axis=0)) > 100


def test_a_picture_of_words_alone_is_refused():
    with pytest.raises(InputError, match="none of these senses can be drawn"):
        draw(compute(READING, {"text": SENTENCE}, Asked(("gradient",))))


def test_the_arrays_are_read_back_by_numpy(found, tmp_path):
    save(found, tmp_path / "maps.npz")
    with np.load(tmp_path / "maps.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(
            arrays["smoothgrad/vision/pixels"], found.by_method["smoothgrad"].map("vision", "pixels").values
        )


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Asked(("nonsense",)), "no method 'nonsense'"),
        (Asked(("layer-integrated-gradients",)), "must be told which layer"),
        (Asked(("gradient",), "JUMP"), "no action 'JUMP'; the system has STOP, GO"),
        (Asked(("gradient",), None, "JUMP"), "no action 'JUMP'"),
        (Asked(("gradient",), "GO", "GO"), "against itself"),
    ],
)
def test_what_is_not_there_is_named(asked, message):
    with pytest.raises(InputError, match=message):
        compute(READING, {"text": SENTENCE}, asked)
