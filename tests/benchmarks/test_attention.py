"""The benchmark of attention: it reads attention where it is, and counts what it says it counts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import attention
from benchmarks._attentive import TEXTS, TOPICS, Heard, Nearest
from benchmarks._vit import SIDE, read_digits, train_vit
from benchmarks.attention import Reading, Row, rule_on, summarise
from tests.toys import EARS, EYES, RATE, READER, SENTENCE, Split, picture, sees_red, sound
from veridical.errors import InputError
from veridical.fusion.attention import attended
from veridical.modalities.adapters.transcript import Transcript
from veridical.modalities.encoders.whisper import Hearing, load_whisper, spoken_words
from veridical.modalities.observation import prepare
from veridical.modalities.unrolled import AttentiveSystem
from veridical.verifier.adjudicate import Adjudication, adjudicate

ROW = Row("toy", "1", "vision", "gradient times change", 0.5, 0.25, "gradient", -0.5, 2.0)
FEW = Adjudication(controls=4)


class Attentive(Split):
    """Looks at the upper left, hears the first half, reads the first token."""

    def attention(self, features):
        return ({m: self.first(x) for m, x in features.items()},)

    def first(self, x: torch.Tensor) -> torch.Tensor:
        found = torch.zeros(1, x.shape[1], 2, 2) if x.ndim == 5 else torch.zeros(1, 2 if x.ndim == 2 else x.shape[1])
        found.flatten(1)[:, 0 if x.ndim == 5 else 1] = 0.3
        return found


def rows_of(**changed: Any) -> list[Row]:
    system = Attentive(lambda i: sees_red(i) + i["audio"].sum(1) + i["text"].sum((1, 2)), EYES, EARS, READER)
    observation = {"vision": picture(), "audio": (sound(), RATE), "text": SENTENCE}
    return list(rule_on("toy", "1", system, observation, Reading(**changed), FEW))


def test_every_sense_is_ruled_on_by_every_account():
    rows = rows_of(few=True)
    accounts = ("gradient times change", "nine points of the path")
    assert [(r.account, r.sense) for r in rows] == [(a, m) for a in accounts for m in ("vision", "audio", "text")]
    seen = rows[0]
    assert (seen.right, seen.overlap) == ("gradient", 0)
    assert abs(seen.gradient) > 1 > abs(seen.attention)


def test_sounds_are_cut_in_time_alone(monkeypatch):
    seen: list[Any] = []

    def spy(laboratory, first, second, operators, **options):
        if options["sense"] == "audio":
            seen.extend((laboratory.segmentations["audio"], first["audio"]))
        return adjudicate(laboratory, first, second, operators, **options)

    monkeypatch.setattr(attention, "adjudicate", spy)
    rows_of(times={"audio": np.array([[0.0, 0.1], [0.5, 0.625]])})
    segmentation, values = seen
    assert [unit.time for unit in segmentation.units] == [(k / 8, (k + 1) / 8) for k in range(8)]
    np.testing.assert_allclose(values, [0, 0, 0, 0, 0.3, 0, 0, 0], rtol=1e-6)  # of the second row, which is attended to


def test_a_table_counts_who_was_right():
    rows = [
        ROW,
        replace(ROW, sample="2", overlap=0.1, correlation=None, right="neither", attention=0.5, gradient=-1.0),
        replace(ROW, system="ViT"),
    ]
    first, second = summarise(rows)
    assert (first["system"], first["n"], second["system"], second["n"]) == ("toy", 2, "ViT", 1)
    assert first["overlap"] == pytest.approx(0.3)
    assert first["correlation"] == 0.25
    assert [first[k] for k in ("attention", "gradient", "neither", "undecided", "agree")] == [0, 1, 1, 0, 0]
    assert first["moved"] == {"attention": 0.5, "gradient": 1.5}


def test_minilm_is_nearest_to_the_sentence_of_the_same_topic():
    system = Nearest()
    with torch.no_grad():
        nearest = [int(system({"text": prepare(system, {"text": text})["text"].tensor}).argmax()) for text in TEXTS]
    assert nearest == [0, 1, 2, 3] * 2
    assert len(TOPICS) == 4
    cosine = float(system.reader.sentence(TEXTS[:1])[0] @ system.reader.sentence(TOPICS[:1])[0])
    with torch.no_grad():
        score = system({"text": prepare(system, {"text": TEXTS[0]})["text"].tensor})[0, 0]
    assert float(score) == pytest.approx(20 * cosine, rel=1e-4)


def test_a_word_heard_is_the_same_system_split_and_shows_where_the_decoder_listens():
    whisper = load_whisper()
    tokens = whisper.tokenizer.encode(" the red cat", add_special_tokens=False)
    text, words = spoken_words(whisper.tokenizer, tokens, [0.5] * len(tokens))
    wave = 0.1 * np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    hearing = Hearing(text, tuple(tokens), (0.5,) * len(tokens), words, 0.0, True)
    word = Transcript(whisper, wave, hearing).word(1, cell=(0.1, 1))
    system = Heard(word)
    assert isinstance(system, AttentiveSystem)
    prepared = prepare(system, word.example())
    inputs = {m: p.tensor for m, p in prepared.items()}
    with torch.no_grad():
        torch.testing.assert_close(system(inputs), word(inputs))
        states = {m: system.encode(m, x) for m, x in inputs.items()}
        (step,) = system.attention(states)
        # By the model's own account of its weights.
        before = torch.tensor([[50257, 50362, *tokens[:2]]])
        found = whisper.network.model.decoder(
            input_ids=before, encoder_hidden_states=states["spectrogram"], use_cache=False, output_attentions=True
        )
    expected = torch.stack(found.cross_attentions)[:, :, :, 2].mean((0, 2))
    torch.testing.assert_close(step["spectrogram"], expected)
    segmentations = {m: system.modalities[m].segment(p) for m, p in prepared.items()}
    seen = attended(system, prepared, segmentations)["spectrogram"]
    assert len(seen) == 10
    # Five states of 20 ms in a tenth of a second.
    assert seen[0] == pytest.approx(float(expected[0, :5].sum()), rel=1e-4)


def test_digits_of_other_writers_are_read_and_training_repeats():
    pytest.importorskip("sklearn")
    digits = read_digits()
    assert digits.pictures.shape == (1797, SIDE, SIDE)
    assert (digits.pictures[0, ::4, ::4] == digits.pictures[0, 3::4, 3::4]).all()
    before = torch.random.get_rng_state()
    trained = train_vit(epochs=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert trained.accuracy > 0.3  # of ten digits, after one epoch
    x = trained.system.modalities["vision"].prepare(trained.observation(0)["vision"]).tensor
    with torch.no_grad():
        expected = trained.system.module(2 * x[:, 0] - 1)
        torch.testing.assert_close(trained.system({"vision": x}), expected)
    again = train_vit.__wrapped__(epochs=1)
    assert isinstance(again.system.module, nn.Module)
    assert again.accuracy == trained.accuracy
    (row,) = rule_on("ViT", "0", trained.system, trained.observation(0), Reading("first"), FEW)
    assert row.sense == "vision"


def test_prompts_that_are_not_installed_are_told_in_words(monkeypatch, tmp_path):
    monkeypatch.setenv("VERIDICAL_VOICES", str(tmp_path))
    with pytest.raises(InputError, match="the recorded prompts are not there; apt-get install"):
        next(attention.whisper_rows(1, FEW))


def test_the_command_prints_a_table_or_json(monkeypatch, capsys):
    asked: list[Any] = []
    monkeypatch.setattr(attention, "courier_rows", lambda *options: asked.append(options) or iter([ROW]))
    for name in ("minilm_rows", "whisper_rows", "vit_rows"):
        monkeypatch.setattr(attention, name, lambda *options: asked.append(options) or iter([]))
    options = ["--sentences", "0", "--prompts", "0", "--digits", "0", "--controls", "7"]
    attention.main([*options, "--scenes", "3", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert asked[0] == (3, attention.FIRST_SEED + 800_000, "held-out", Adjudication(controls=7))
    assert told["summary"][0]["gradient"] == len(told["rows"]) == 1
    assert told["vit_accuracy"] is None
    attention.main(options)
    out = capsys.readouterr().out
    assert "gradient times change" in out
    assert "0.50 / 2.00" in out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--scenes", "-1"], "attention: -1 scenes"),
        (["--sentences", "99"], "of the last three at most 8, 7, 350"),
        (["--prompts", "99"], "99 prompts"),
        (["--controls", "1"], "adjudicate: Adjudication(count=None, share=0.05, controls=1"),
    ],
)
def test_numbers_out_of_range_are_refused(options, told: str, capsys):
    with pytest.raises(SystemExit) as left:
        attention.main(options)
    assert left.value.code == 2
    assert told in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.usefixtures("stamps")
def test_scenes_are_ruled_on_with_couriers_own_windows(monkeypatch):
    given: list[Reading] = []
    monkeypatch.setattr(attention, "rule_on", lambda *options: given.append(options[4]) or iter([ROW]))
    rows = list(attention.courier_rows(1, attention.FIRST_SEED + 800_000, "held-out", FEW))
    assert rows == [ROW]
    assert given[0].few
    assert given[0].times is not None
    spans = given[0].times["audio"]
    np.testing.assert_allclose(spans[:2], [[0, 0.975], [0.48, 1.455]])
