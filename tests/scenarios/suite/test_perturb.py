"""Perturbations: pure, seeded, of a known strength; formulas, invariants, and what is refused."""

import io
import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests import toys
from veridical.errors import InputError
from veridical.scenarios.suite.perturb import PERTURBATIONS, perturb
from veridical.scenarios.suite.perturb_names import KINDS
from veridical.scenarios.suite.perturb_text import OVERRIDE

RATE = 8000
TEXT = "Take the parcel to the pharmacy and do not wait."
OTHER = {"vision": np.zeros((1, 4, 4, 3), np.uint8), "audio": (np.zeros(10, np.float32), 100), "text": "Halt."}
MORE = {
    "conflict": {"scene": OTHER},
    "gradient-patch": {"target": "STOP", "system": toys.Toy(toys.sees_red, toys.EYES)},
}
CASES = [(name, sense) for name, kind in KINDS.items() for sense in kind.senses]
EXACT = [case for case in CASES if case[0] not in ("absent", "conflict", "broken", "gradient-patch", "babble")]


def frames(kind: Any = np.uint8, count=4, side=32):
    values = np.random.default_rng(1).integers(20, 230, (count, side, side, 3), np.uint8)
    return values if kind is np.uint8 else (values / 255).astype(kind)


def wave(kind: Any = np.float32, channels=None):
    rng = np.random.default_rng(2)
    made = np.clip(0.2 * rng.standard_normal((RATE, channels) if channels else RATE), -1, 1)
    return made.astype(kind) if np.dtype(kind).kind == "f" else (made * 30_000).astype(kind)


def observation():
    return {"vision": frames(), "audio": (wave(), RATE), "text": TEXT}


def same(one, two):
    if isinstance(one, tuple):
        return one[1] == two[1] and same(one[0], two[0])
    return one == two if isinstance(one, str) else np.array_equal(one, two, equal_nan=one.dtype.kind == "f")


def copied(one):
    return {"vision": one["vision"].copy(), "audio": (one["audio"][0].copy(), RATE), "text": one["text"]}


def alone(given, name):
    """What a perturbation is applied to: a gradient patch's system has eyes only."""
    return {"vision": given["vision"]} if name == "gradient-patch" else given


def done(given, name, sense, strength=1.0, seed=0, **more):
    return perturb(alone(given, name), name, sense, strength, seed, **{**MORE.get(name, {}), **more})


@pytest.mark.parametrize(("name", "sense"), CASES)
def test_each_is_pure_and_seeded_and_nothing_at_strength_zero(name, sense, stamps):
    before, kept = observation(), copied(observation())
    there = alone(before, name)
    after, again = (done(before, name, sense, 0.5, 3) for _ in range(2))
    assert all(same(before[m], kept[m]) for m in before), "the input was changed"
    assert set(after) == set(again) == set(there) - ({sense} if name == "absent" else set())
    assert all(same(after[m], again[m]) for m in after), "the same seed gives another result"
    assert all(after[m] is there[m] for m in after if m != sense), "another sense was disturbed"
    if name not in ("absent", "freeze"):
        assert not same(after[sense], there[sense]), "nothing was disturbed"
    none = done(before, name, sense, 0.0)
    assert all(none[m] is there[m] for m in there)


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from([case for case in EXACT if case[1] == "vision"]),
    st.floats(0.001, 1),
    st.integers(0, 2**31 - 1),
    st.sampled_from([np.uint8, np.float32, np.float64]),
    st.sampled_from([(1, 9, 7, 3), (3, 16, 12, 3), (5, 8, 8, 3), (8, 8), (6, 9, 1), (6, 9, 4), (2, 9, 5, 1)]),
)
def test_frames_keep_shape_type_and_range(case, strength, seed, kind, shape):
    values = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    signal = values if kind is np.uint8 else (values / 255).astype(kind)
    after = perturb({"vision": signal}, case[0], case[1], strength, seed)["vision"]
    assert after.shape == signal.shape
    assert after.dtype == signal.dtype
    assert np.isfinite(after).all()
    assert after.min() >= 0
    assert after.max() <= (255 if kind is np.uint8 else 1)
    if shape[-1] == 4:
        assert np.array_equal(after[..., 3], signal[..., 3])


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from([case for case in EXACT if case[1] == "audio"]),
    st.floats(0.001, 1),
    st.integers(0, 2**31 - 1),
    st.sampled_from([np.float32, np.float64, np.int16, np.int32]),
    st.sampled_from([None, 1, 2]),
    st.booleans(),
)
def test_sounds_keep_shape_type_and_range(case, strength, seed, kind, channels, silent):
    signal = wave(kind, channels) * (0 if silent else 1)
    signal = signal.astype(kind)
    after, rate = perturb({"audio": (signal, RATE)}, case[0], case[1], strength, seed)["audio"]
    assert (rate, after.shape, after.dtype) == (RATE, signal.shape, signal.dtype)
    assert np.isfinite(after).all()
    if np.dtype(kind).kind == "f":
        assert np.abs(after).max() <= 1


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(["typo", "dropout", "insert"]), st.text(max_size=60), st.floats(0.001, 1), st.integers(0, 99))
def test_any_text_is_disturbed(name, text, strength, seed):
    after = perturb({"text": text}, name, "text", strength, seed)["text"]
    assert isinstance(after, str)
    if name == "dropout":
        assert len(after) <= len(text)
    if name == "insert":
        assert after.endswith(OVERRIDE)


@pytest.mark.parametrize(
    ("name", "sense"),
    [case for case in EXACT if case[0] not in ("compression", "insert", "motion-blur", "clock-skew", "typo")],
)
def test_stronger_is_farther_from_what_was(name, sense):
    before = observation()
    far = []
    for strength in (0.1, 0.3, 0.6, 1.0):
        after = perturb(before, name, sense, strength, 5)[sense]
        if sense == "text":
            far.append(len(before[sense]) - len(after))
        else:
            one, two = (np.asarray(x[0] if sense == "audio" else x, np.float64) for x in (before[sense], after))
            far.append(float(np.abs(one - two).sum()))
    assert far == sorted(far)
    assert far[-1] > far[0]


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_frames_that_are_not_named_stay_bit_for_bit(kind):
    before = {"vision": frames(kind)}
    after = perturb(before, "noise", "vision", 1.0, frames=[1, -1])["vision"]
    changed = [not np.array_equal(a, b) for a, b in zip(before["vision"], after, strict=True)]
    assert changed == [False, True, False, True]


def test_seconds_that_are_not_named_stay():
    before = {"audio": (wave(), RATE)}
    after = perturb(before, "noise", "audio", 1.0, span=[0.25, 0.5])["audio"][0]
    changed = np.flatnonzero(after != wave())
    assert changed.min() >= RATE // 4
    assert changed.max() < RATE // 2


def test_the_form_of_a_signal_stays():
    several = {"vision": [frames()[0], frames(side=16)[0]]}
    after = perturb(several, "darken", strength=0.5)["vision"]
    assert isinstance(after, list)
    assert [f.shape for f in after] == [(32, 32, 3), (16, 16, 3)]
    single = perturb({"vision": frames()[0]}, "darken", strength=0.5)["vision"]
    assert single.shape == (32, 32, 3)
    picture = perturb({"vision": Image.fromarray(frames()[0])}, "darken", strength=0.5)["vision"]
    assert np.array_equal(picture[0], single)


def test_darken_and_saturate_are_factors():
    light = {"vision": np.full((1, 2, 2, 3), 0.25)}
    assert np.allclose(perturb(light, "darken", strength=0.5)["vision"], 0.125)
    assert np.allclose(perturb(light, "saturate", strength=0.25)["vision"], 0.5)
    assert np.allclose(perturb(light, "saturate", strength=1.0)["vision"], 1.0)


def test_noise_has_its_sigma():
    grey = {"vision": np.full((1, 200, 200, 3), 0.5)}
    assert perturb(grey, "noise", "vision", 0.2)["vision"].std() == pytest.approx(0.38 * 0.2, rel=0.02)
    before = {"audio": (wave(np.float64) * 0.2, RATE)}
    added = perturb(before, "noise", "audio", 0.1)["audio"][0] - before["audio"][0]
    ratio = 20 * np.log10(np.sqrt((before["audio"][0] ** 2).mean()) / added.std())
    assert ratio == pytest.approx(20, abs=0.2)


def test_salt_and_pepper_has_its_share():
    grey = {"vision": np.full((1, 200, 200, 3), 0.5)}
    after = perturb(grey, "salt-pepper", strength=0.5)["vision"]
    assert (after != 0.5).any(-1).mean() == pytest.approx(0.135, rel=0.05)
    assert set(np.unique(after)) == {0.0, 0.5, 1.0}


def test_blurs_keep_the_mean_and_spread_a_point():
    point = np.zeros((1, 224, 224, 1))
    point[0, 112, 112] = 1
    for name, sigma in (("blur", (6.0, 6.0)), ("motion-blur", (0.0, (1 + 224 / 6) / math.sqrt(12)))):
        after = perturb({"vision": point}, name, strength=1.0)["vision"][0, ..., 0]
        assert after.sum() == pytest.approx(1)
        at = np.arange(224) - 112
        spread = [np.sqrt((after.sum(axis) * at**2).sum()) for axis in (1, 0)]
        assert spread == pytest.approx(sigma, rel=0.02, abs=1e-6)


def test_compression_is_jpeg_of_its_quality():
    file = io.BytesIO()
    Image.fromarray(frames()[0]).save(file, "JPEG", quality=50)
    with Image.open(file) as picture:
        expected = np.asarray(picture)
    assert np.array_equal(perturb({"vision": frames()[0]}, "compression", strength=0.5)["vision"], expected)


def test_what_is_lost_is_a_share():
    lost = perturb({"vision": frames()}, "dropout", "vision", 0.5)["vision"]
    assert (lost == 0).all(axis=(1, 2, 3)).sum() == 2
    assert not perturb({"vision": frames()}, "dropout", "vision", 1.0)["vision"].any()
    quiet = perturb({"audio": (wave(), RATE)}, "dropout", "audio", 0.3)["audio"][0].reshape(10, -1)
    assert (quiet == 0).all(1).sum() == 3
    assert len(perturb({"text": TEXT}, "dropout", "text", 0.5)["text"].split()) == 5
    assert perturb({"text": TEXT}, "dropout", "text", 1.0)["text"] == ""


def test_a_stalled_camera_repeats_its_last_frame():
    after = perturb({"vision": frames()}, "freeze", strength=0.5)["vision"]
    assert np.array_equal(after[:2], frames()[:2])
    assert all(np.array_equal(frame, frames()[1]) for frame in after[2:])
    whole = perturb({"vision": frames()}, "freeze")["vision"]
    assert all(np.array_equal(frame, frames()[0]) for frame in whole)
    assert np.array_equal(perturb({"vision": frames()[:1]}, "freeze")["vision"], frames()[:1])


def test_a_box_covers_its_share_in_the_same_place():
    for name in ("occlusion", "patch"):
        after = perturb({"vision": frames(side=100)}, name, strength=0.25, seed=4)["vision"]
        changed = (after != frames(side=100)).any(-1)
        boxes = [(np.flatnonzero(c.any(1))[[0, -1]], np.flatnonzero(c.any(0))[[0, -1]]) for c in changed]
        assert all(np.array_equal(box, boxes[0]) for box in boxes)
        assert [int(np.diff(edges)[0]) + 1 for edges in boxes[0]] == [50, 50]
    at = perturb({"vision": frames(side=100)}, "occlusion", strength=0.01, at=[0.0, 1.0])["vision"]
    rows, columns = np.nonzero((at[0] != frames(side=100)[0]).any(-1))
    assert (rows.min(), columns.max()) == (90, 9)


def test_a_patch_is_of_the_strongest_colours():
    after = perturb({"vision": frames()}, "patch")["vision"]
    assert set(np.unique(after)) == {0, 255}


def test_broken_values_are_no_numbers():
    seen = perturb({"vision": frames()}, "broken", "vision", 0.25)["vision"]
    assert seen.dtype == np.float32
    assert (~np.isfinite(seen)).all(-1).mean() == 0.25
    heard = perturb({"audio": (wave(np.int16), RATE)}, "broken", "audio", 0.5)["audio"][0]
    assert (~np.isfinite(heard)).mean() == 0.5
    with pytest.raises(InputError, match="finite"):
        toys.EYES.prepare(seen)
    with pytest.raises(InputError, match="finite"):
        toys.EARS.prepare((heard, RATE))


def test_gain_loss_and_clipping():
    before = {"audio": (wave(np.float64), RATE)}
    quieter = perturb(before, "gain-loss", strength=1 / 3)["audio"][0]
    assert np.allclose(quieter, before["audio"][0] / 10)
    peak = np.abs(before["audio"][0]).max()
    cut = perturb(before, "clipping", strength=0.5)["audio"][0]
    assert np.abs(cut).max() == pytest.approx(peak)
    low = np.abs(before["audio"][0]) < 0.1 * peak
    assert np.allclose(cut[low], 10 * before["audio"][0][low])
    assert (np.isclose(np.abs(cut), peak) >= ~low).all()


def test_the_sound_runs_behind_or_ahead():
    before = {"audio": (wave(), RATE)}
    late = perturb(before, "clock-skew", strength=0.1)["audio"][0]
    shift = round(0.3 * RATE)
    assert not late[:shift].any()
    assert np.array_equal(late[shift:], wave()[:-shift])
    early = perturb(before, "clock-skew", strength=0.1, early=True)["audio"][0]
    assert np.array_equal(early[:-shift], wave()[shift:])
    assert not early[-shift:].any()
    assert not perturb(before, "clock-skew")["audio"][0].any()  # three seconds of one


def test_babble_has_its_ratio(stamps):
    before = {"audio": (wave(np.float64) * 0.2, RATE)}
    added = perturb(before, "babble", strength=0.5)["audio"][0] - before["audio"][0]
    rms = [np.sqrt((x**2).mean()) for x in (before["audio"][0], added)]
    assert 20 * np.log10(rms[0] / rms[1]) == pytest.approx(6.02, abs=0.05)


def test_slips_are_in_a_share_of_the_words():
    for seed in range(20):
        after = perturb({"text": TEXT}, "typo", "text", 0.3, seed)["text"]
        changed = [a != b for a, b in zip(TEXT.split(), after.split(), strict=True)] if len(after.split()) == 10 else []
        assert sum(changed) in (0, 3)
    assert perturb({"text": "12 34"}, "typo")["text"] == "12 34"


def test_a_text_is_added():
    assert perturb({"text": "Go on."}, "insert")["text"] == f"Go on. {OVERRIDE}"
    assert perturb({"text": "Go on."}, "insert", text="Stop.", first=True)["text"] == "Stop. Go on."
    assert perturb({"text": ""}, "insert", text="Stop.")["text"] == "Stop."


def test_a_sense_is_missing_or_another_scenes(stamps):
    assert set(perturb(observation(), "absent", "audio")) == {"vision", "text"}
    assert perturb(observation(), "conflict", "text", scene=OTHER)["text"] == "Halt."
    drawn = perturb(observation(), "conflict", "vision", seed=1, rule="animal")["vision"]
    assert drawn.shape == (3, 224, 224, 3)


def test_a_patch_against_the_system_raises_the_score():
    system = toys.Split(toys.sees_red)
    before = {"vision": toys.picture(2), "text": "go down"}
    plain, against = (
        perturb(before, name, "vision", 0.1, 2, at=[0.6, 0.6], **more)["vision"]
        for name, more in (("patch", {}), ("gradient-patch", {"system": system, "target": "GO"}))
    )

    def score(seen):
        return float(system({"vision": toys.EYES.prepare(seen).tensor})[0, 0])

    assert score(against) < score(plain)
    assert sum(batch for sense, batch in system.encoded if sense == "text") == 1, "the text was encoded at every step"
    assert against.dtype == np.uint8
    assert np.array_equal((against != before["vision"]).any(-1)[0], (against != before["vision"]).any(-1)[1])
    # In the red square's place the score of GO falls with red and rises with green: the optimum is known.
    rows, columns = slice(16, 24), slice(16, 24)
    covered = (against != before["vision"]).any(-1)[1, rows, columns]
    assert (against[1, rows, columns][covered][:, 0] == 0).all()
    assert (against[1, rows, columns][covered][:, 1] == 255).all()


def test_gradients_are_off_again_after_a_patch():
    perturb({"vision": toys.picture()}, "gradient-patch", **MORE["gradient-patch"])
    with torch.no_grad():
        perturb({"vision": toys.picture()}, "gradient-patch", strength=0.1, **MORE["gradient-patch"])
        assert not torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("given", "name", "more", "said"),
    [
        ({"text": "a"}, "nose", {}, "no 'nose'; do you mean 'noise'"),
        ({"text": "a"}, "noise", {}, "noise can disturb vision, audio; say which sense"),
        ({"text": "a"}, "noise", {"sense": "text"}, "noise cannot disturb 'text'"),
        ({"text": "a"}, "blur", {}, "blur disturbs vision, which is not observed; observed: text"),
        ({"text": "a"}, "typo", {"strength": 1.5}, "strength 1.5; give 0 to 1"),
        ({"text": "a"}, "typo", {"strength": float("nan")}, "strength nan; give 0 to 1"),
        ({"text": "a"}, "typo", {"frames": [0]}, "typo does not read frames; it takes no options"),
        ({"text": 3}, "typo", {}, "the text is a int"),
        ({"vision": np.zeros((1, 4, 4, 3))}, "blur", {"frames": [1]}, "there is no frame 1; there are 1"),
        ({"vision": np.zeros((1, 4, 4, 3))}, "patch", {"at": [0.5, 2]}, "a middle of [0.5, 2]"),
        ({"vision": np.zeros((1, 4, 4, 3))}, "gradient-patch", {"target": "STOP"}, "give system and target"),
        ({"vision": np.zeros((0, 4, 4, 3))}, "blur", {}, "the sequence holds no frames"),
        ({"vision": "none.png"}, "blur", {}, "none.png"),
        ({"audio": np.zeros(4)}, "gain-loss", {}, "the sound has no rate"),
        ({"audio": (np.zeros(4), 0)}, "gain-loss", {}, "a rate of 0"),
        ({"audio": (np.zeros((2, 2, 2)), 8000)}, "gain-loss", {}, "is no sound"),
        ({"audio": "none.wav"}, "gain-loss", {}, "'none.wav' cannot be read as a sound"),
        ({"audio": (np.zeros(8000), 8000)}, "gain-loss", {"span": [1, 2]}, "nothing is heard from second 1 on"),
        ({"audio": (np.zeros(8000), 8000)}, "gain-loss", {"span": [0.5, 0.5]}, "the earlier one first"),
        ({"text": "a"}, "conflict", {"sense": "text", "scene": {"vision": 1}}, "nothing of the other scene is text"),
        ({"text": "a"}, "conflict", {"sense": "text", "scene": "b"}, "the other scene is a str"),
    ],
)
def test_what_cannot_be_done_is_told(given, name, more, said):
    with pytest.raises(InputError) as caught:
        perturb(given, name, more.pop("sense", None), **more)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_system_no_action():
    with pytest.raises(InputError, match="no action 'FLY'; it has STOP, GO"):
        perturb({"vision": toys.picture()}, "gradient-patch", system=MORE["gradient-patch"]["system"], target="FLY")


def test_the_table_and_the_functions_agree():
    assert set(PERTURBATIONS) == set(KINDS)
    for name, each in PERTURBATIONS.items():
        assert set(each.apply) == (set() if name in ("absent", "conflict") else set(each.kind.senses))


def test_nothing_warns_on_silence_and_darkness():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, sense in EXACT:
            perturb({"vision": frames() * 0, "audio": (wave() * 0, RATE), "text": ""}, name, sense, 0.7)
