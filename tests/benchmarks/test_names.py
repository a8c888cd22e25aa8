"""The benchmark of names: what is known of a scene, which names cover it, and how they are counted."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import names
from benchmarks._known import ALIKE, COVERED, Judge, Known, heard, read, seen
from benchmarks.names import Row, summarise
from tests.concepts.planted import planted
from tests.toys import READER
from veridical.concepts.bank import ConceptBank, ConceptName
from veridical.concepts.general_nouns import EXTENTS
from veridical.concepts.instances import Instance
from veridical.concepts.layer import Found
from veridical.concepts.places import Place
from veridical.errors import InputError
from veridical.modalities.audio import Audio
from veridical.modalities.vision import Vision
from veridical.scenarios.courier.evaluate import FIRST_SEED, wilson
from veridical.scenarios.courier.head import CourierHead, HeadSize
from veridical.scenarios.courier.model import Courier
from veridical.scenarios.courier.scene import Cause, mask, sample_scene
from veridical.scenarios.courier.sounds import Clip
from veridical.scenarios.courier.stamps import Stamp

NONE: Any = None
ROW = Row(1, "vision", 3, "animal", "A duck", 0.8, matches=True, chance=0.25)


class Little(Courier):
    """Courier with encoders that only pool, and a small random head; what was encoded is counted."""

    def __init__(self, banks: dict[str, ConceptBank]) -> None:
        torch.manual_seed(0)
        size = HeadSize(vision=4, audio=3, text=8, width=8, heads=2, slots=2)
        self.name, self.head = "little", CourierHead(size).eval().requires_grad_(False)
        self.modalities = {sense.name: sense for sense in (Vision(), Audio(), READER)}
        self.encoded: list[str] = []
        self.__dict__["concepts"] = banks

    def encode(self, modality, x):
        self.encoded.append(modality)
        if modality == "text":
            return 2 * x
        if modality == "vision":
            frames = torch.nn.functional.avg_pool2d(x.flatten(0, 1), 32).unflatten(0, x.shape[:2])
            return 4 * torch.cat((frames, frames.mean(2, keepdim=True)), 2)
        loud = torch.nn.functional.avg_pool1d(x.abs()[:, None], 15600, 7680)[:, 0]
        return torch.stack((30 * loud, 20 * loud.sqrt(), loud), -1)


@functools.cache
def little() -> Little:
    """A system with a bank of each sense; of the first two concepts each has a name, the third has none."""
    told = {"vision": ("animal", "vehicle"), "audio": ("Siren", "Animal"), "text": ("market", "street")}
    banks = {}
    for (sense, texts), channels in zip(told.items(), (4, 3, 8), strict=True):
        space = np.eye(channels, 3, dtype=np.float32)
        straight = {"centre": np.zeros(channels, np.float32), "space": space, "back": space.T.copy()}
        straight["typical"] = np.zeros(3, np.float32)  # strong enough for their names wherever they are
        bank = planted(np.eye(3), channels, sense=sense, **straight)
        named = tuple(name(text) for text in texts)
        banks[sense] = bank.named((*named, None))
    return Little(banks)


def fixed(cosine: float) -> Judge:
    """A judge in whose space every two phrases have this cosine."""
    judge = Judge()
    judge.cosine = lambda a, b: cosine
    return judge


def name(text: str) -> ConceptName:
    return ConceptName(text, "ImageNet", 0.8, 0.3)


@pytest.mark.usefixtures("stamps")
@pytest.mark.parametrize(
    ("path", "words", "covered", "not_covered"),
    [
        ("animals/birds/duck", "A duck", {"animal", "bird", "duck or goose", "Animal"}, {"mammal", "vehicle"}),
        ("animals/mammals/bovines/cow", "A cow", {"animal", "mammal", "hoofed animal"}, {"bird", "big cat"}),
        ("vehicles/emergency/firetruck", "A fire truck", {"vehicle", "truck"}, {"car", "animal"}),
        ("plants/flowers/flower7", "Some flowers", {"plant", "flower"}, {"fruit"}),
        ("town/roadsigns/stop", "A “Stop” sign", {"street sign"}, {"vehicle"}),
    ],
)
def test_a_picture_is_what_its_folder_says(path, words, covered, not_covered):
    known = seen(Stamp("any", path.rsplit("/", 1)[-1], path))
    assert known.words == words
    assert covered <= known.names
    assert not not_covered & known.names


@pytest.mark.usefixtures("stamps")
@pytest.mark.parametrize(
    ("clip", "words", "covers"),
    [
        (Clip("siren", "synthetic 3", seed=3), "a siren", "Siren"),
        (Clip("siren", "fire engine", "vehicles/emergency/firetruck"), "a siren", "Fire engine, fire truck (siren)"),
        (Clip("bell", "bell 26-30 s", span=(26, 30)), "a bicycle bell", "Bicycle bell"),
        (Clip("call", "crow", "animals/birds/crow"), "A crow", "Bird"),
        (Clip("noise", "key_desc_es", "household/key_desc_es"), "speech", "Speech"),
        (Clip("noise", "traffic 37-54 s", span=(37, 54)), "traffic", "Vehicle"),
        (Clip("noise", "hiss 4", hiss=4), "the hiss of wind", "Noise"),
        (Clip("noise", "saw", "household/tools/saw"), "A saw", "Tools"),
    ],
)
def test_a_sound_is_what_its_kind_or_folder_says(clip, words, covers):
    known = heard(clip)
    assert known.words == words
    assert covers in known.names


def test_names_written_out_are_general_nouns_or_begin_with_a_capital():
    given = [n for listed in COVERED for n in listed.split("; ")]
    assert {n for n in given if n[0].islower()} - set(EXTENTS) == {"street sign"}


def test_a_name_covers_by_folder_or_by_likeness():
    duck = Known("A duck", frozenset({"animal", "bird"}))
    assert fixed(0.0).covers(name("animal"), duck)
    assert not fixed(ALIKE - 0.01).covers(name("drake"), duck)
    assert fixed(ALIKE).covers(name("drake"), duck)


def test_a_judge_embeds_each_phrase_once_and_tells_cosines(monkeypatch):
    asked = []

    class Space:
        def embed(self, texts):
            asked.extend(texts)
            return np.array([[3.0, 0.0] if "duck" in text else [1.0, 1.0] for text in texts], np.float32)

    monkeypatch.setattr("benchmarks._known.load_conse", Space)
    judge = Judge()
    assert judge.cosine("a duck", "duck") == pytest.approx(1)
    assert judge.cosine("a duck", "bread") == pytest.approx(0.5**0.5)
    assert sorted(asked) == ["a duck", "bread", "duck"]


@pytest.mark.parametrize(
    ("words", "given", "covers"),
    [
        ("“creep past animals”,", "animal", True),
        ("creep past animals", "creeping past", True),
        ("creep past animals", "past creep", False),
        ("creep past animals", "creep animals", False),
        ("slow", "slow down", False),
    ],
)
def test_a_name_of_words_stands_in_the_place(words, given, covers):
    assert fixed(1.0).covers(name(given), read(words)) is covers


def found(sense: str, rows: tuple[int, ...], units: tuple[int, ...] = ()) -> Found:
    return Found(Instance(sense, 0, 1, rows, 1.0, float(len(rows))), Place("somewhere", units=units))


def view(**changes: Any) -> Any:
    seed = next(s for s in range(100) if len((made := sample_scene(s)).things) == 1 and len(made.sounds) == 2)
    scene, system = sample_scene(seed), little()
    laboratory, features, _ = names.laboratory_of(system, names.render(scene))
    strengths = {
        m: np.ones((np.prod(x.shape[1:]) // x.shape[2 if m == "vision" else -1], 1)) for m, x in features.items()
    }
    grids = {"vision": (3, 7, 7), "audio": strengths["audio"].shape[:1], "text": strengths["text"].shape[:1]}
    given = {"scene": scene, "laboratory": laboratory, "strengths": strengths, "grids": grids, "carried": {}}
    return names._View(system, **(given | changes))


@pytest.mark.usefixtures("stamps")
def test_a_place_lies_on_the_thing_that_has_half_of_its_strength():
    looked = view()
    where = np.asarray(mask(looked.scene, Cause("", "vision", 0)))
    covered = where.reshape(3, 7, 32, 7, 32).mean((2, 4)).ravel() >= 0.25
    inside, outside = np.flatnonzero(covered).tolist(), np.flatnonzero(~covered).tolist()
    known, share = looked.on(found("vision", tuple(inside)))
    assert share == 1
    assert known == seen(looked.scene.things[0].stamp)
    known, share = looked.on(found("vision", tuple(sorted(inside + outside[: len(inside)]))))
    assert share == 0.5
    assert known is not None
    known, share = looked.on(found("vision", tuple(sorted(inside + outside[: len(inside) + 1]))))
    assert share < 0.5
    assert known is None
    nothing = replace(looked, scene=replace(looked.scene, things=()))
    assert nothing.on(found("vision", tuple(inside))) == (None, 0.0)


@pytest.mark.usefixtures("stamps")
def test_of_several_sounds_it_is_the_one_without_which_the_strength_goes():
    looked = view()
    start, end = mask(looked.scene, Cause("", "audio", 1))
    row = round((start + end) / 2 / 0.48 - 1)
    place = found("audio", (row,))
    assert looked.on(place) == (None, 1.0)  # the background sounds there too, and neither is known to make it
    loud = replace(looked, carried={"0": {}, "1": {place.instance.id: 0.6}})
    assert loud.on(place)[0] == heard(looked.scene.sounds[1].clip)
    alone = replace(looked, scene=replace(looked.scene, sounds=looked.scene.sounds[:1]))
    assert alone.on(place)[0] == heard(looked.scene.sounds[0].clip)


@pytest.mark.usefixtures("stamps")
def test_words_are_known_wherever_they_are():
    looked = view()
    words = looked.scene.instruction.text.split()
    known, share = looked.on(found("text", (1, 3), (0, 2)))
    assert (known.words.rstrip(".,"), share) == (" ".join(words[:3]).rstrip(".,"), 1.0)
    assert looked.on(found("text", (0,)))[0] is None  # a token that is of no word


@pytest.mark.usefixtures("stamps")
def test_rows_are_well_formed_and_nothing_is_encoded_twice(monkeypatch):
    monkeypatch.setattr("benchmarks._known.Judge.cosine", lambda self, a, b: 0.0)
    system = little()
    system.encoded.clear()
    rows = names.measure(2, 50, "train", system)
    assert {r.seed for r in rows} == {50, 51}
    assert {r.sense for r in rows} == {"vision", "audio", "text"}
    assert [system.encoded.count(m) for m in ("vision", "text")] == [2, 2]
    assert system.encoded.count("audio") == 2 + sum(len(sample_scene(s).sounds) for s in (50, 51))
    for row in rows:
        assert (row.name is None) == (row.concept == 2)
        assert (row.matches is None) == (row.name is None or row.thing is None)
        assert row.matches is None or (row.share >= 0.5 and row.chance in (0.0, 1.0))
        if row.sense == "text" and row.thing:
            assert row.thing.split()[0] in sample_scene(row.seed).instruction.text
    assert rows == names.measure(2, 50, "train", system)


def test_shares_of_known_rows():
    wrong = replace(ROW, concept=4, name="vehicle", matches=False, chance=0.75)
    unnamed = replace(ROW, concept=5, name=None, matches=None, chance=None)
    nowhere = replace(ROW, thing=None, share=0.1, matches=None, chance=None)
    heard_it = replace(unnamed, sense="audio", seed=2)
    told = summarise([ROW, wrong, unnamed, nowhere, heard_it])
    assert told["scenes"] == 2
    assert told["all"]["matches"] == {"share": 0.5, "interval": list(wilson(1, 2)), "count": 2}
    assert told["all"]["chance"] == 0.5
    assert told["all"]["known"]["share"] == 0.8
    assert told["all"]["unnamed"]["share"] == 0.4
    assert told["all"]["unnamed_where_known"]["share"] == 0.5
    assert told["all"]["nothing_where_named"] == {"share": 1 / 3, "interval": list(wilson(1, 3)), "count": 3}
    assert list(told["by_sense"]) == ["audio", "vision"]
    assert told["by_sense"]["audio"]["chance"] is None
    assert [(n["name"], n["places"], n["matches"]["share"]) for n in told["by_name"]] == [
        ("animal", 2, 1),
        ("vehicle", 1, 0),
    ]


@given(st.lists(st.booleans(), max_size=12))
def test_shares_are_those_of_the_rows_with_a_name_on_a_thing(flags):
    told = summarise([replace(ROW, matches=flag) for flag in flags])["all"]["matches"]
    assert told["count"] == len(flags)
    assert told["share"] == pytest.approx(sum(flags) / max(1, len(flags)))


def test_the_command_prints_a_table_or_json(monkeypatch, capsys):
    monkeypatch.setattr(names, "measure", lambda scenes, first, partition: [replace(ROW, seed=first)] * scenes)
    names.main(["--scenes", "2", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [row["seed"] for row in told["rows"]] == [FIRST_SEED + 610_000] * 2
    assert told["all"]["matches"]["share"] == 1
    names.main(["--scenes", "2"])
    out = " ".join(capsys.readouterr().out.split())
    assert "names of concepts against what is there, 1 scenes" in out
    assert "25.0 %" in out


def test_no_scene_and_no_banks_are_refused(capsys):
    with pytest.raises(InputError, match=r"^names: 0 scenes; at least 1 is wanted$"):
        names.measure(0, 1, "train")
    with pytest.raises(InputError, match=r"^names: the system 'little' has no concept banks; find its concepts first$"):
        names.measure(1, 1, "train", Little({}))
    with pytest.raises(SystemExit) as left:
        names.main(["--scenes", "0"])
    assert left.value.code == 2
    assert "names: 0 scenes" in capsys.readouterr().err.splitlines()[-1]
