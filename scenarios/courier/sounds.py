"""Sounds with known kinds, and their mixing at stated levels.

Recordings come from Debian's ``tuxpaint-stamps-default`` (animal calls, instruments, household, spoken words) and from
the minute of street sound in YAMNet's wheel (bicycle bells, traffic), read where they lie. There is one recorded siren,
a fire engine's; it is held out, and the sirens trained on are synthesised: the wail and the yelp of an electronic siren
(YAMNet does not take a two-tone signal for one). Some training backgrounds are synthesised too.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import soundfile
from jaxtyping import Float
from scipy.signal import resample_poly, sawtooth

from ...errors import InputError
from ...modalities.weights import fetch
from .partition import check_partition
from .stamps import stamp_folder

__all__ = ["RATE", "SOUND_KINDS", "Clip", "Sound", "clips", "load_clip", "mix", "siren"]

RATE = 16000
SOUND_KINDS = ("siren", "bell", "call", "noise")

Sound = Float[np.ndarray, " _"]  # layers of a mixture differ in length

# What is recorded under an animal's name is not always its call (some recordings are spoken, some are steps or wings).
# Those are kept, and of long ones that stretch, in which YAMNet gives its class "Animal" a score of 0.5 or more: a rule
# can only speak of what the ears can tell.
_CALLS: dict[str, dict[str, tuple[float, float] | None]] = {
    "train": {
        "birds/crow": None, "birds/duck": None, "birds/rooster": (0.0, 1.4), "birds/hen": None,
        "mammals/bovines/cow_white": (0.0, 1.3), "mammals/bovines/ram": None, "mammals/bovines/sheep_lamb": None,
        "mammals/bovines/sheep": None, "mammals/cats/tiger": (0.0, 2.6), "mammals/dogs/dog": None,
        "mammals/dogs/fox": None, "birds/quetzal": None, "birds/blackbird": (2.6, 7.9), "birds/tucan": (0.0, 1.2),
        "birds/cuckoo": None, "mammals/bears/bear": (2.3, 3.4), "mammals/deer/deer": (0.0, 1.9),
        "mammals/ferret": (0.0, 0.9), "mammals/rodents/rabbit": None, "mammals/rodents/mouse": None,
        "mammals/pig_golden": None,
    },
    "held-out": {
        "birds/gander": (0.0, 1.1), "birds/turkey": (0.0, 1.3), "birds/lark": None, "birds/vulture": (0.0, 0.9),
        "mammals/bovines/bison": (1.4, 2.8), "mammals/apes/gorilla": (0.0, 0.9),
        "mammals/equines/donkey": (0.0, 1.2), "amphibians/frog": None,
    },
}  # fmt: skip
_NOISES = {
    "train": """
        hobbies/music/string/violin hobbies/music/wind/bassoon hobbies/music/percussion/drum_tomtom_floor
        household/kettle household/Washing-machine household/dishes/glass symbols/faces/excited
        symbols/faces/mad household/tools/mallet_metal town/roadsigns/xing_school household/toilet
        military/final-roll-call naturalforces/lightningbolt seasonal/newyears/fireworks symbols/faces/sad
        space/apollo_lander household/arttools/scissors_small_open
        household/arttools/scissors_small_closed household/tools/hammer hobbies/camera_35mm
        food/fruit/apple_red seasonal/christmas/gift vehicles/ship/cartoon/bathyscape
        seasonal/hanukkah/dreydl-nun
    """.split(),
    "held-out": """
        hobbies/music/string/cello hobbies/music/percussion/drumkit hobbies/music/percussion/cymbal_crash
        household/vacuum_cleaner household/tools/saw household/dishes/bottle symbols/faces/happy
        town/flags/checkeredflag
    """.split(),
}
# The package reads each stamp's name aloud in several languages (not every one in all): real voices, which no rule
# speaks of.
_VOICES = {
    "train": """
        food/fruit/banana household/key vehicles/auto/sedan plants/flowers/rose animals/mammals/bovines/yak
        animals/birds/ostrich food/fruit/lemon hobbies/music/wind/bassoon food/fruit/pear household/kettle
        vehicles/auto/truck
    """.split(),
    "held-out": """
        food/fruit/kiwi town/roadsigns/yield vehicles/garbagetruck animals/birds/owl plants/flowers/iris
    """.split(),
}
_TONGUES = {"train": ("", "_es", "_fr", "_bg", "_be"), "held-out": ("_ru", "_da", "_ca", "_el")}
# Seconds of the street recording, which joins clips from different places: bicycle bells, and traffic without bells.
_BELLS = {"train": ((26.0, 30.0), (31.2, 33.9)), "held-out": ((7.5, 21.4),)}
_TRAFFIC = {"train": ((37.0, 54.0),), "held-out": ((1.4, 6.8),)}
_FIRE_ENGINE, _FIRE_ENGINE_SOUNDS = "vehicles/emergency/firetruck", (0.3, 5.2)
_SIRENS = 240


@dataclass(frozen=True)
class Clip:
    """A sound that can be loaded: kind, name, and where it comes from.

    Attributes:
        kind: ``siren``, ``bell``, ``call``, or ``noise`` (anything that no rule speaks of).
        name: short name.
        path: file below the stamps folder without its ending; None for the street recording and for what is
            synthesised.
        span: first and last second that are used; None for all.
        seed: seed of a synthesised siren, or None.
        hiss: seed of a synthesised background, or None.
    """

    kind: str
    name: str
    path: str | None = None
    span: tuple[float, float] | None = None
    seed: int | None = None
    hiss: int | None = None


@functools.cache
def clips(partition: str) -> dict[str, tuple[Clip, ...]]:
    """Return the clips of a partition (``train`` or ``held-out``) by kind; the partitions share no recording.

    ``"traffic"`` holds the background and ``"voice"`` spoken words; both are kinds of noise.

    Raises:
        InputError: an unknown partition, or the stamps are not installed, or not with their sounds.
    """
    check_partition(partition)
    folder = stamp_folder()

    def recorded(kind: str, paths: Mapping[str, tuple[float, float] | None], prefix: str = "") -> tuple[Clip, ...]:
        found = {p: span for p, span in paths.items() if (folder / f"{prefix}{p}.ogg").exists()}
        if not found:
            raise InputError(
                f"sounds: {str(folder)!r} holds no recording of kind {kind!r}, e.g. {prefix}{next(iter(paths))}.ogg; "
                "reinstall tuxpaint-stamps-default"
            )
        return tuple(Clip(kind, p.rsplit("/", 1)[1], prefix + p, span) for p, span in found.items())

    held_out = partition == "held-out"
    synthetic = tuple(Clip("siren", f"synthetic {i}", seed=i) for i in range(_SIRENS))
    hiss = () if held_out else tuple(Clip("noise", f"hiss {i}", hiss=i) for i in range(60))
    voices = [f"{stamp}_desc{tongue}" for stamp in _VOICES[partition] for tongue in _TONGUES[partition]]
    street = {"bell": _BELLS[partition], "traffic": _TRAFFIC[partition]}
    bells, traffic = (
        tuple(Clip("noise" if k == "traffic" else k, f"{k} {a:g}-{b:g} s", span=(a, b)) for a, b in v)
        for k, v in street.items()
    )
    return {
        "siren": (Clip("siren", "fire engine", _FIRE_ENGINE, _FIRE_ENGINE_SOUNDS),) if held_out else synthetic,
        "bell": bells,
        "call": recorded("call", _CALLS[partition], "animals/"),
        "noise": recorded("noise", dict.fromkeys(_NOISES[partition])),
        "voice": recorded("noise", dict.fromkeys(voices)),
        "traffic": traffic + hiss,
    }


def _background(seed: int, seconds: float = 8.0) -> Sound:
    """Synthesise a background: noise of a random slope in the spectrum, swelling slowly, as wind and far traffic do."""
    rng = np.random.default_rng([17, seed])
    samples = round(seconds * RATE)
    hertz = np.maximum(np.fft.rfftfreq(samples, 1 / RATE), 20.0)
    spectrum = np.fft.rfft(rng.standard_normal(samples)) * hertz ** -rng.uniform(0.2, 1.2)
    spectrum *= 1 / (1 + (hertz / rng.uniform(400, 6000)) ** 2)
    swell = 1 + 0.6 * np.sin(2 * np.pi * (rng.uniform(0.1, 0.7) * np.arange(samples) / RATE + rng.random()))
    wave = np.fft.irfft(spectrum, samples) * swell
    return (0.1 * wave / np.abs(wave).max()).astype(np.float32)


def siren(seed: int, seconds: float = 4.0) -> Sound:
    """Synthesise a siren: a wail (even seeds) or a yelp (odd seeds) of random pitch, rate, brightness and echo."""
    rng = np.random.default_rng([7, seed])
    t = np.arange(round(seconds * RATE)) / RATE
    low = rng.uniform(450, 750)
    high = low * rng.uniform(1.5, 2.4)
    rate = rng.uniform(2.0, 4.0) if seed % 2 else rng.uniform(0.12, 0.5)
    turn, width = 2 * np.pi * (rate * t + rng.random()), float(rng.uniform(0.35, 0.65))
    sweep = 0.5 + 0.5 * sawtooth(turn, width)  # pyright: ignore[reportArgumentType] - typed by its default, 1
    phase = 2 * np.pi * np.cumsum(low * (high / low) ** sweep) / RATE
    tone = sum((rng.uniform(0.3, 1.0) ** k * np.sin((k + 1) * phase) for k in range(5)), start=np.zeros_like(t))
    echo = np.zeros_like(tone)
    for _ in range(6):
        delay = int(rng.integers(200, 4000))
        echo[delay:] += rng.uniform(0.0, 0.35) * tone[:-delay]
    return (tone + echo).astype(np.float32)


@functools.lru_cache(maxsize=256)
def load_clip(clip: Clip) -> Sound:
    """Load a clip at 16 kHz, one channel, at the level it was recorded.

    Raises:
        InputError: the recording cannot be read.
    """
    if clip.seed is not None:
        return siren(clip.seed)
    if clip.hiss is not None:
        return _background(clip.hiss)
    try:
        if clip.path is not None:
            wave, rate = soundfile.read(stamp_folder() / f"{clip.path}.ogg", dtype="float32", always_2d=True)
        else:
            wave, rate = soundfile.read(fetch("yamnet") / "street.wav", dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        raise InputError(f"sounds: cannot read {clip.name!r}: {error}; reinstall tuxpaint-stamps-default") from error
    wave = wave.mean(1)
    if rate != RATE:
        wave = resample_poly(wave, RATE, rate).astype(np.float32)
    if clip.span is not None:
        wave = wave[round(clip.span[0] * RATE) : round(clip.span[1] * RATE)]
    return wave


def _level(wave: Sound) -> float:
    """Root mean square of the louder part: windows of 50 ms within 20 dB of the loudest."""
    size = RATE // 20
    windows = wave[: len(wave) // size * size].reshape(-1, size) if len(wave) >= size else wave[None]
    power = (windows.astype(np.float64) ** 2).mean(1)
    return float(np.sqrt(power[power >= power.max() / 100].mean()))


def mix(layers: list[tuple[Sound, float, int]], samples: int) -> Sound:
    """Mix sounds into ``samples`` samples.

    Each layer is (sound, level, first sample). The level is that of the sound's louder part in dB of full scale. The
    ends are faded over 10 ms. Where the sum would clip, all of it is scaled down to a peak of 0.99.
    """
    out = np.zeros(samples, np.float64)
    for wave, level, start in layers:
        piece = wave[: max(samples - start, 0)].astype(np.float64)
        ramp = np.minimum(np.arange(len(piece)) + 1, RATE // 100) / (RATE // 100)
        scale = 10 ** (level / 20) / max(_level(wave), 1e-9)
        out[start : start + len(piece)] += scale * piece * np.minimum(ramp, ramp[::-1])
    peak = np.abs(out).max(initial=0.0)
    return (out / max(1.0, peak / 0.99)).astype(np.float32)
