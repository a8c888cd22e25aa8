"""Sounds: which there are, which are held out, how they are made and mixed."""

from __future__ import annotations

import itertools
from collections import defaultdict
from hashlib import sha256

import numpy as np
import pytest
import soundfile

from veridical.errors import InputError
from veridical.scenarios.courier import sounds as module
from veridical.scenarios.courier.partition import PARTITIONS
from veridical.scenarios.courier.sounds import RATE, Clip, clips, load_clip, mix, siren

SAME = 0.6  # recordings of different things stay below it; one recording, encoded twice, above


def recorded(partition: str) -> list[Clip]:
    return [c for every in clips(partition).values() for c in every if c.seed is None and c.hiss is None]


def louder_part(wave: np.ndarray) -> float:
    """Level of the 50 ms windows within 20 dB of the loudest, in dB of full scale: the definition, a second time."""
    size = RATE // 20
    powers = [float(np.mean(wave[i : i + size].astype(float) ** 2)) for i in range(0, len(wave) - size + 1, size)]
    return 10 * np.log10(np.mean([p for p in powers if p >= max(powers) / 100]))


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Largest correlation of two sounds over all shifts, each taken over the shorter's energy."""
    n = 1 << int(np.ceil(np.log2(len(one) + len(other))))
    product = np.fft.rfft(one, n) * np.conj(np.fft.rfft(other, n))
    return float(np.abs(np.fft.irfft(product, n)).max() / np.linalg.norm(one) / np.linalg.norm(other))


@pytest.mark.usefixtures("stamps")
def test_every_sound_is_there_and_holds_something():
    for partition in PARTITIONS:
        pool = clips(partition)
        assert set(pool) == {"siren", "bell", "call", "noise", "voice", "traffic"}
        for clip in (c for every in pool.values() for c in every):
            wave = load_clip(clip)
            assert wave.dtype == np.float32
            assert np.isfinite(wave).all(), clip
            assert len(wave) >= RATE // 6, clip
            assert np.abs(wave).max() > 1e-3, clip


@pytest.mark.usefixtures("stamps")
def test_no_two_clips_hold_the_same_samples():
    holders = defaultdict(set)
    for partition in PARTITIONS:
        for clip in recorded(partition):
            holders[sha256(load_clip(clip).tobytes()).hexdigest()].add((partition, clip.path or clip.name))
    assert [names for names in holders.values() if len(names) > 1] == []


@pytest.mark.usefixtures("stamps")
def test_the_partitions_share_no_recording_not_even_one_encoded_twice():
    waves = {p: {c.path: load_clip(c)[: 6 * RATE] for c in recorded(p) if c.path} for p in PARTITIONS}
    pairs = itertools.product(waves["train"].items(), waves["held-out"].items())
    assert [(a, b) for (a, one), (b, other) in pairs if likeness(one, other) > SAME] == []


@pytest.mark.usefixtures("stamps")
def test_the_stretches_of_the_street_recording_do_not_overlap():
    spans = [c.span for p in PARTITIONS for kind in ("bell", "traffic") for c in clips(p)[kind] if c.span]
    ordered = sorted(spans)
    assert len(ordered) == 5
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(ordered))


@pytest.mark.usefixtures("stamps")
def test_sirens_are_made_for_training_and_recorded_where_held_out():
    assert all(c.seed is not None for c in clips("train")["siren"])
    assert [(c.name, c.seed) for c in clips("held-out")["siren"]] == [("fire engine", None)]


def test_a_siren_is_the_same_from_the_same_seed():
    np.testing.assert_array_equal(siren(3), siren(3))
    assert siren(3, 1.5).shape == (24000,)
    assert likeness(siren(3), siren(5)) < 0.5


@pytest.mark.parametrize("seed", range(8))
def test_a_siren_begins_where_an_electronic_siren_does(seed):
    spectrum = np.abs(np.fft.rfft(siren(seed) * np.hanning(4 * RATE))) ** 2
    hertz = np.fft.rfftfreq(4 * RATE, 1 / RATE)
    assert spectrum[hertz < 430].sum() < 0.01 * spectrum.sum()
    lowest = np.searchsorted(np.cumsum(spectrum), 0.02 * spectrum.sum())
    assert 440 < hertz[lowest] < 900


def test_a_made_background_is_quiet_finite_and_its_own():
    one, other = (load_clip(Clip("noise", f"hiss {i}", hiss=i)) for i in (0, 1))
    assert np.abs(one).max() == pytest.approx(0.1, rel=1e-6)
    assert likeness(one, other) < 0.3


@pytest.mark.usefixtures("stamps")
@pytest.mark.parametrize("level", [-46.0, -20.0])
def test_sounds_reach_the_stated_level(level):
    for partition in PARTITIONS:
        for clip in recorded(partition):
            wave = np.pad(load_clip(clip), RATE // 20)  # so that silence is faded, and no loud onset
            out = mix([(wave, level, 0)], len(wave))
            if np.abs(out).max() < 0.989:  # else it was scaled down, so as not to clip
                assert louder_part(out) == pytest.approx(level, abs=0.01), clip


def test_a_sine_of_full_scale_is_at_minus_three_decibels():
    sine = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
    out = mix([(sine, -3.0103, 0)], RATE)
    np.testing.assert_allclose(out[200:-200] / 0.99, sine[200:-200], atol=2e-3)  # its peak is 1, and 0.99 is allowed
    assert np.abs(mix([(sine, -23.0103, 0)], RATE)).max() == pytest.approx(0.1, rel=1e-3)


def test_a_mixture_is_the_sum_of_its_layers():
    rng = np.random.default_rng(0)
    layers = [
        (rng.standard_normal(n).astype(np.float32), -30.0, at) for n, at in ((4000, 0), (3000, 2000), (800, 7000))
    ]
    alone = sum(mix([layer], 8000).astype(np.float64) for layer in layers)
    np.testing.assert_allclose(mix(layers, 8000), alone, atol=1e-7)


def test_a_layer_fades_over_ten_milliseconds_and_stays_in_its_time():
    out = mix([(np.ones(1600, np.float32), -20.0, 400)], 4000)
    np.testing.assert_allclose(out[400:560], 0.1 * np.arange(1, 161) / 160, rtol=1e-5)
    np.testing.assert_array_equal(out[400:2000], out[400:2000][::-1])
    assert not out[:400].any()
    assert not out[2000:].any()


def test_what_begins_after_the_end_is_not_heard():
    assert not mix([(np.ones(1600, np.float32), -20.0, start) for start in (1000, 1100)], 1000).any()


def test_no_layers_are_silence():
    np.testing.assert_array_equal(mix([], 100), np.zeros(100, np.float32))


def test_a_mixture_never_clips_and_keeps_its_shape():
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    loud, quiet = mix([(noise, 0.0, 0)], RATE), mix([(noise, -40.0, 0)], RATE)
    assert np.abs(loud).max() == pytest.approx(0.99, rel=1e-6)
    np.testing.assert_allclose(loud / np.abs(loud).max(), quiet / np.abs(quiet).max(), atol=1e-5)


def test_a_clip_is_resampled_mixed_down_and_cut(tmp_path, monkeypatch):
    monkeypatch.setenv("VERIDICAL_STAMPS", str(tmp_path))
    t = np.arange(8000 * 2) / 8000
    sine = 0.5 * np.sin(2 * np.pi * 440 * t)
    soundfile.write(tmp_path / "tone.ogg", np.stack((sine, 0 * sine), 1), 8000, format="OGG", subtype="VORBIS")
    wave = load_clip(Clip("noise", "tone", "tone", (0.5, 1.5)))
    assert wave.shape == (RATE,)
    expected = 0.25 * np.sin(2 * np.pi * 440 * (np.arange(RATE) / RATE + 0.5))
    assert likeness(wave, expected) > 0.99
    assert np.abs(wave).max() == pytest.approx(0.25, rel=0.1)


def test_a_damaged_recording_is_told_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("VERIDICAL_STAMPS", str(tmp_path))
    (tmp_path / "torn.ogg").write_bytes(b"OggS torn")
    with pytest.raises(InputError, match=r"^sounds: cannot read 'torn': .*; reinstall tuxpaint-stamps-default$"):
        load_clip(Clip("call", "torn", "torn"))


def test_a_folder_without_recordings_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("VERIDICAL_STAMPS", str(tmp_path))
    with pytest.raises(
        InputError, match=r"holds no recording of kind 'call', e\.g\. animals/birds/crow\.ogg; reinstall"
    ):
        module.clips.__wrapped__("train")


def test_an_unknown_partition_is_refused():
    with pytest.raises(InputError, match="partition: no 'test'"):
        module.clips.__wrapped__("test")
