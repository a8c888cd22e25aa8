"""Courier as a system: the contract, its two halves, and its file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open

import veridical.scenarios.courier as face
from tests.concepts.planted import planted
from veridical.concepts.bank_file import write_banks
from veridical.errors import InputError, WeightsError
from veridical.modalities import SplitSystem, check_system
from veridical.modalities.observation import prepare
from veridical.modalities.target import decision_score
from veridical.scenarios.courier import model as module
from veridical.scenarios.courier import scene as scene_module
from veridical.scenarios.courier.head import WINDOW, WINDOW_HOP, CourierHead, HeadSize
from veridical.scenarios.courier.model import HEAD_FILE, Courier, load, load_biased, load_head, save_head
from veridical.scenarios.courier.scene import render, sample_scene

SENSES = ("vision", "audio", "text")


@pytest.fixture(scope="module")
def inputs(courier):
    return {m: p.tensor for m, p in prepare(courier, courier.example()).items()}


def test_courier_meets_the_contract(courier):
    right = check_system(courier, courier.example())
    assert {f"a finite gradient arrives at {m}" for m in SENSES} < set(right)
    assert "encode and decide agree with the call" in right
    assert isinstance(courier, SplitSystem)


def test_courier_is_named_and_loaded_once(courier):
    assert courier is load() is face.load()
    assert (courier.name, tuple(courier.actions)) == ("courier", ("PROCEED", "SLOW", "STOP", "YIELD"))
    assert tuple(courier.modalities) == SENSES
    assert face.Courier is Courier
    with pytest.raises(AttributeError, match="has no attribute 'fly'"):
        face.fly  # noqa: B018 - the look-up is what is tested


def test_everything_is_frozen_and_in_evaluation_mode(courier):
    for part in (courier.head, courier.eyes, courier.ears, courier.reader):
        assert not any(module.training for module in part.modules())
    assert not any(p.requires_grad for p in courier.head.parameters())


@torch.no_grad()
def test_features_have_the_stated_shapes(courier, inputs):
    shapes = {m: tuple(courier.encode(m, x).shape) for m, x in inputs.items()}
    tokens = inputs["text"].shape[1]
    assert shapes == {"vision": (1, 3, 1280, 7, 7), "audio": (1, 6, 521), "text": (1, tokens, 384)}


@torch.no_grad()
def test_a_sense_left_out_is_one_whose_features_are_zero(courier, inputs):
    features = {m: courier.encode(m, x) for m, x in inputs.items()}
    for gone in SENSES:
        zeros = {m: torch.zeros_like(x) if m == gone else x for m, x in features.items()}
        left_out = {m: x for m, x in inputs.items() if m != gone}
        torch.testing.assert_close(courier.decide(zeros), courier(left_out), atol=1e-4, rtol=1e-4)


def test_every_sense_has_a_say(courier, inputs):
    leaves = {m: x.clone().requires_grad_() for m, x in inputs.items()}
    score = decision_score(courier(leaves), courier.actions.index("STOP")).sum()
    gradients = torch.autograd.grad(score, list(leaves.values()))
    assert all(g.isfinite().all() and g.abs().max() > 0 for g in gradients)


def test_curvature_reaches_the_features_of_every_sense(courier, inputs):
    with torch.no_grad():
        features = {m: courier.encode(m, x) for m, x in inputs.items()}
    leaves = {m: x.clone().requires_grad_() for m, x in features.items()}
    score = decision_score(courier.decide(leaves), 2).sum()
    gradients = torch.autograd.grad(score, list(leaves.values()), create_graph=True)
    bent = torch.autograd.grad([(g**2).sum() for g in gradients], list(leaves.values()))
    assert all(g.isfinite().all() and g.abs().max() > 0 for g in bent)


@pytest.fixture
def counted(courier, monkeypatch):
    seen: list[int] = []
    features = courier.eyes.features

    def counting(frames):
        seen.append(len(frames))
        return features(frames)

    monkeypatch.setattr(courier.eyes, "features", counting)
    return seen


def test_a_frame_that_is_the_same_is_encoded_once_and_nothing_else_changes(courier, inputs, counted):
    x = inputs["vision"].repeat(3, 1, 1, 1, 1)
    x[1, 0] = 0.5
    x[2, 2] = x[0, 0]
    with torch.no_grad():
        alone = torch.cat([courier.encode("vision", member[None]) for member in x])
        counted.clear()
        together = courier.encode("vision", x)
    assert counted == [4]  # the three frames of the first, and the grey one
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def test_where_a_gradient_is_asked_for_every_frame_is_encoded(courier, inputs, counted):
    x = inputs["vision"][:, :1].repeat(2, 1, 1, 1, 1).requires_grad_()
    gradient = torch.autograd.grad(courier.encode("vision", x).sum(), x)[0]
    assert counted == [2]
    torch.testing.assert_close(gradient[0], gradient[1], atol=1e-4, rtol=1e-3)
    assert gradient.abs().max() > 0


def test_many_frames_are_encoded_in_their_order(courier, monkeypatch):
    monkeypatch.setattr(courier.eyes, "features", lambda frames: frames.mean((1, 2, 3)))
    x = torch.randperm(60, generator=torch.Generator().manual_seed(0)).float().view(30, 2, 1, 1, 1)
    x[7] = x[3]
    torch.testing.assert_close(courier.encode("vision", x.expand(30, 2, 3, 4, 4)), x[..., 0, 0, 0])


def test_an_unknown_sense_is_refused(courier):
    with pytest.raises(InputError, match=r"^courier: no sense 'smell'; it has vision, audio, text$"):
        courier.encode("smell", torch.zeros(1, 3))


def test_the_committed_head_is_small():
    assert HEAD_FILE.stat().st_size < 4_000_000
    with safe_open(HEAD_FILE, "pt") as file:
        assert sum(file.get_tensor(name).numel() for name in file.keys()) <= 1_000_000  # noqa: SIM118 - no mapping


def test_a_head_that_was_written_is_read_back_bit_by_bit(tmp_path):
    torch.manual_seed(3)
    head = CourierHead()
    save_head(head, tmp_path / "head.safetensors")
    again = load_head(tmp_path / "head.safetensors").state_dict()
    assert again.keys() == head.state_dict().keys()
    assert all(torch.equal(value, again[name]) for name, value in head.state_dict().items())


def test_a_missing_head_is_told_with_what_makes_one(tmp_path):
    with pytest.raises(WeightsError, match=r"^courier: no head at 'gone\.safetensors'; run `make train-courier`$"):
        load_head(tmp_path / "gone.safetensors")


def damaged_torn(path):
    save_head(CourierHead(), path)
    path.write_bytes(path.read_bytes()[:-100])


def damaged_no_safetensors(path):
    path.write_bytes(b"no head at all")


def damaged_narrow(path):
    save_head(CourierHead(HeadSize(width=56)), path)


@pytest.mark.parametrize("damage", [damaged_torn, damaged_no_safetensors, damaged_narrow])
def test_a_damaged_head_is_told_in_one_line(tmp_path, damage):
    damage(tmp_path / "bad.safetensors")
    told = r"^courier: 'bad\.safetensors' does not hold a head of \{'vision': 1280.*\}: .+; run `make train-courier`$"
    with pytest.raises(WeightsError, match=told) as caught:
        load_head(tmp_path / "bad.safetensors")
    assert "\n" not in str(caught.value)


def test_what_is_wrong_with_the_shapes_is_told(tmp_path):
    damaged_narrow(tmp_path / "bad.safetensors")
    with pytest.raises(WeightsError, match="size mismatch for place"):
        module.load_head(tmp_path / "bad.safetensors")


# The biased head, the concepts, and scenes by name


def test_the_biased_courier_is_another_head_under_the_same_encoders(courier):
    biased = load_biased()
    assert biased is load_biased()
    assert biased.name == "courier-biased"
    assert biased.digest != courier.digest
    for part in ("eyes", "ears", "reader"):
        one, other = (getattr(system, part).state_dict() for system in (courier, biased))
        assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert biased.reference is None


def test_the_concepts_of_the_committed_head_are_its_own(courier):
    assert set(courier.concepts) == set(SENSES)
    assert {bank.made["system"] for bank in courier.concepts.values()} == {courier.digest}
    channels = {"vision": 1280, "audio": 521, "text": 384}
    assert {m: bank.channels for m, bank in courier.concepts.items()} == channels


def test_a_head_that_nobody_looked_into_has_no_concepts(untrained):
    assert untrained.concepts == {}


def test_concepts_are_found_by_the_heads_digest(untrained, monkeypatch, tmp_path):
    bank = planted(np.eye(3)[:1], channels=1280, made={"system": untrained.digest})
    for name, made in (("other", {"system": "sha256:0"}), ("own", bank.made)):
        (tmp_path / name).mkdir()
        write_banks(tmp_path / name, {"vision": replace(bank, made=made)})
    monkeypatch.setattr(module, "BANKS", tmp_path / "other")
    monkeypatch.setattr(module, "BIASED_BANKS", tmp_path / "own")
    found = Courier(untrained.head).concepts
    assert {m: each.digest for m, each in found.items()} == {"vision": bank.digest}
    monkeypatch.setattr(module, "BIASED_BANKS", tmp_path / "gone")
    assert Courier(untrained.head).concepts == {}


def test_what_is_not_installed_or_not_named_is_not_recalled(courier, monkeypatch):
    assert courier.recall("a scene") is None
    monkeypatch.setenv("VERIDICAL_STAMPS", "/nonexistent")
    monkeypatch.setattr(scene_module, "stamps", scene_module.stamps.__wrapped__)  # else what was read once is kept
    assert courier.recall("train:12") is None


@pytest.mark.usefixtures("stamps")
def test_a_scene_is_recalled_by_its_name(courier):
    assert courier.recall("train:12")["text"] == render(sample_scene(12))["text"]


def test_rows_have_times_but_for_words(courier):
    assert courier.row_times("vision", 3).tolist() == [[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]
    times = courier.row_times("audio", 6)
    np.testing.assert_allclose(times[:, 0], WINDOW_HOP * np.arange(6))
    np.testing.assert_allclose(times[:, 1] - times[:, 0], WINDOW)
    assert courier.row_times("text", 20) is None
