"""Training of the head: it learns, it is reproducible, and it says what is missing."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import Progress

from veridical.errors import InputError
from veridical.scenarios.courier import train as module
from veridical.scenarios.courier.examples import make_example
from veridical.scenarios.courier.head import CourierHead
from veridical.scenarios.courier.model import load_head
from veridical.scenarios.courier.train import Features, TrainSettings, collect, train

SETTINGS = TrainSettings(epochs=8, batch=16, dropout=0.0)


def quiet() -> Progress:
    return Progress(console=Console(file=io.StringIO()))


@pytest.fixture(scope="module")
def features() -> Features:
    """Examples whose action is told by four of the sound's classes; little is seen, and nothing read."""
    make = torch.Generator().manual_seed(0)
    action = torch.arange(64) % 4
    audio = 0.1 * torch.rand(64, 6, 521, generator=make)
    audio[torch.arange(64), :, action] += 2
    vision = torch.rand(64, 1, 1280, 7, 7, generator=make)
    return Features(vision.half(), audio.half(), torch.zeros(64, 8, 384).half(), action, ("clear",) * 64)


@pytest.fixture(scope="module")
def trained(features) -> CourierHead:
    return train(features, SETTINGS, quiet())


@torch.no_grad()
def loss(head: CourierHead, features: Features) -> float:
    inputs, action = features.batch(torch.arange(64))
    return float(F.cross_entropy(head(inputs), action))


def test_the_loss_falls(features, trained):
    torch.manual_seed(SETTINGS.seed)
    before, after = loss(CourierHead().eval(), features), loss(trained, features)
    assert 1.2 < before < 1.7  # four actions, none preferred: ln 4 is 1.39
    assert after < 0.5


def test_the_same_seed_gives_the_same_head_bit_by_bit(features, trained):
    torch.manual_seed(99)  # what was drawn before does not matter
    again = train(features, SETTINGS, quiet()).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in trained.state_dict().items())


def test_another_seed_gives_another_head(features, trained):
    other = train(features, replace(SETTINGS, seed=1, epochs=1), quiet())
    assert not torch.equal(other.place, trained.place)


def test_a_trained_head_is_in_evaluation_mode(trained):
    assert not trained.training


def test_fewer_examples_than_a_batch_are_refused(features):
    with pytest.raises(InputError, match=r"^courier: 64 examples and 8 epochs; at least one batch of 65 and 1 epoch"):
        train(features, replace(SETTINGS, batch=65), quiet())


def test_a_batch_is_in_single_precision(features):
    inputs, action = features.batch(torch.tensor([5, 2]))
    assert {m: (tuple(x.shape), x.dtype) for m, x in inputs.items()} == {
        "vision": ((2, 1, 1280, 7, 7), torch.float32),
        "audio": ((2, 6, 521), torch.float32),
        "text": ((2, 8, 384), torch.float32),
    }
    assert action.tolist() == [1, 2]


@pytest.mark.parametrize("shape", [(4, 3, 200, 2, 2), (4, 6, 200), (4, 9, 200)])
def test_whole_channels_are_dropped_and_the_rest_is_raised(shape):
    torch.manual_seed(0)
    x = torch.rand(shape) + 0.5
    x[3] = 0
    out = module._dropped(x, 0.25)
    kept = out[:3] != 0
    places = kept.reshape(3, shape[1], shape[2], -1)
    assert torch.equal(places, places[:, :1, :, :1].expand_as(places))
    torch.testing.assert_close(out[:3][kept], (x[:3] / 0.75)[kept])
    assert 0.65 < kept.float().mean() < 0.85
    assert not out[3].any()
    torch.testing.assert_close(module._dropped(x, 0.0), x)


@pytest.mark.usefixtures("stamps")
def test_collected_rows_are_the_examples_one_by_one(untrained):
    features = collect(0, 6, "train", None, quiet(), workers=1)
    assert features.vision.shape == (6, 3, 1280, 7, 7)
    assert features.audio.shape == (6, 6, 521)
    for i in range(6):
        example = make_example(untrained, i)
        assert (features.rules[i], int(features.action[i])) == (example.rule, example.action)
        for m in ("vision", "audio", "text"):
            stored = getattr(features, m)[i]
            if m not in example.features:
                assert not stored.any()
                continue
            expected = example.features[m][0].half()
            torch.testing.assert_close(stored[: len(expected)], expected, atol=4e-3, rtol=4e-3)
            assert not stored[len(expected) :].any()


def test_no_scene_is_refused():
    with pytest.raises(InputError, match=r"^courier: 0 scenes; at least 1 is wanted$"):
        collect(0, 0, "train", None, quiet())


def test_without_stamps_nothing_is_started(monkeypatch):
    monkeypatch.setenv("VERIDICAL_STAMPS", "/nonexistent")
    with pytest.raises(InputError, match=r"^stamps: no folder '/nonexistent'"):
        collect(0, 1, "train", None, quiet())


@pytest.fixture
def asked(monkeypatch, features) -> list:
    """What the command asks `collect` for, which gives the examples at hand."""
    seen = []

    def collected(*arguments, shortcut):
        seen.append((*arguments[:4], shortcut))
        return features

    monkeypatch.setattr(module, "collect", collected)
    return seen


def test_the_command_writes_the_head_that_training_gives(tmp_path, capsys, features, asked):
    out = tmp_path / "head.safetensors"
    module.main(["--out", str(out), "--scenes", "64", "--epochs", "1", "--seed", "7"])
    assert asked == [(0, 64, "train", None, False)]
    expected = train(features, TrainSettings(epochs=1, seed=7), quiet()).state_dict()
    written = load_head(out).state_dict()
    assert all(torch.equal(value, written[name]) for name, value in expected.items())
    assert "parameters" in capsys.readouterr().out


@pytest.mark.parametrize(("options", "name"), [([], "HEAD_FILE"), (["--shortcut"], "BIASED_FILE")])
def test_each_head_has_its_file(tmp_path, monkeypatch, asked, options, name):
    for each in ("HEAD_FILE", "BIASED_FILE"):
        monkeypatch.setattr(module, each, tmp_path / each)
    module.main([*options, "--scenes", "64", "--epochs", "1"])
    assert asked == [(0, 64, "train", None, bool(options))]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_shortcut_is_part_of_every_job(monkeypatch):
    jobs = []
    monkeypatch.setattr(module, "stamp_folder", lambda: None)
    monkeypatch.setattr(module, "fetch", lambda name: None)
    nothing = ({}, 2, "clear")
    monkeypatch.setattr(module, "_results", lambda given, workers: jobs.extend(given) or [nothing] * len(given))
    for shortcut in (False, True):
        collect(5, 2, "train", "plain", quiet(), workers=1, shortcut=shortcut)
    assert jobs == [(seed, "train", "plain", shortcut) for shortcut in (False, True) for seed in (5, 6)]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--scenes", "0"], "courier: 0 scenes; at least 1 is wanted"),
        (["--scenes", "x"], "invalid int value: 'x'"),
        (["--out", "/nonexistent/head.safetensors"], "no folder '/nonexistent' to write the head into"),
    ],
)
def test_the_command_leaves_with_two_and_one_line(arguments, told, capsys):
    with pytest.raises(SystemExit) as left:
        module.main(arguments)
    assert left.value.code == 2
    assert told in capsys.readouterr().err.splitlines()[-1]
