"""Sounds with known kinds, and their mixing at stated levels.

Recordings come from Debian's ``tuxpaint-stamps-default`` (animal calls, instruments, household, spoken words) and from the minute of street sound
in YAMNet's wheel (bicycle bells, traffic), read where they lie. There is one recorded siren, a fire engine's; it is held out, and the sirens trained on are
synthesised from the signals that electronic sirens make (wail, yelp, two-tone).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import soundfile
from jaxtyping import Float
from scipy.signal import resample_poly, sawtooth

from ...errors import InputError
from ...modalities.weights import fetch
from .stamps import stamp_folder

__all__ = ["RATE", "SOUND_KINDS", "Clip", "Sound", "clips", "load_clip", "mix", "siren"]

RATE = 16000
SOUND_KINDS = ("siren", "bell", "call", "noise")

Sound = Float[np.ndarray, " samples"]

# Rodents, giraffe, iguana, insects and the like are left out: what is recorded under their names is not a call that a
# listener (or the audio encoder's 521 classes) would take for an animal's.
_CALLS = {
    "train": """birds/blackbird birds/cuckoo birds/gander birds/lark birds/owl birds/penguin birds/seagull birds/tucan birds/turkey birds/nandou
        mammals/apes/chimp mammals/apes/gorilla mammals/aquatic/sea_lion mammals/bears/bear mammals/bovines/bison mammals/bovines/bull
        mammals/bovines/goat mammals/bovines/mountaingoat mammals/cats/lion mammals/deer/deer mammals/deer/caribou
        mammals/equines/donkey mammals/equines/zebra mammals/pig mammals/pig_golden mammals/hippopotamus mammals/camel/camel amphibians/frog
        birds/quetzal""".split(),
    "held-out": """birds/crow birds/duck birds/drake birds/hen birds/rooster mammals/bovines/cow mammals/bovines/cow_white mammals/bovines/sheep
        mammals/bovines/ram mammals/dogs/dog mammals/dogs/fox mammals/cats/tiger mammals/elephant mammals/equines/horse""".split(),
}
_NOISES = {
    "train": """hobbies/music/string/cello hobbies/music/percussion/drumkit household/vacuum_cleaner household/toilet household/tools/saw
        household/dishes/bottle military/final-roll-call naturalforces/lightningbolt seasonal/newyears/fireworks symbols/faces/sad symbols/faces/happy
        town/flags/checkeredflag space/apollo_lander household/arttools/scissors_small_open""".split(),
    "held-out": """hobbies/music/string/violin hobbies/music/wind/bassoon hobbies/music/percussion/drum_tomtom_floor household/kettle
        household/Washing-machine household/dishes/glass symbols/faces/excited household/tools/mallet_metal""".split(),
}
# The package reads each stamp's name aloud in several languages: real voices, which no rule speaks of.
_VOICES = {
    "train": "food/fruit/banana_desc household/key_desc vehicles/auto/sedan_desc_es town/roadsigns/stop_desc_fr plants/flowers/rose_desc_bg".split(),
    "held-out": "food/fruit/pear_desc household/kettle_desc vehicles/auto/truck_desc_ru plants/flowers/iris_desc_da".split(),
}
# Seconds of the street recording, which joins clips from different places: bells here, traffic without bells there.
_BELLS = {"train": ((6.9, 24.8),), "held-out": ((0.0, 1.3), (26.0, 36.9), (54.9, 60.0))}
_TRAFFIC = {"train": ((37.0, 54.8),), "held-out": ((1.4, 6.8),)}
_FIRE_ENGINE = "vehicles/emergency/firetruck"


@dataclass(frozen=True)
class Clip:
    """A sound that can be loaded: kind, name, and where it comes from.

    Attributes:
        kind: ``siren``, ``bell``, ``call``, or ``noise`` (anything that no rule speaks of).
        name: short name.
        path: file below the stamps folder without its ending, or None.
        street: first and last second in the street recording, or None.
        seed: seed of a synthesised siren, or None.
    """

    kind: str
    name: str
    path: str | None = None
    street: tuple[float, float] | None = None
    seed: int | None = None


@functools.cache
def clips(partition: str) -> dict[str, tuple[Clip, ...]]:
    """Return the clips of a partition (``train`` or ``held-out``) by kind; the partitions share no recording.

    ``"traffic"`` holds the background; it is a kind of noise.
    """
    folder = stamp_folder()

    def recorded(kind: str, paths: list[str], prefix: str = "") -> tuple[Clip, ...]:
        found = [p for p in paths if (folder / f"{prefix}{p}.ogg").exists()]
        return tuple(Clip(kind, p.rsplit("/", 1)[1], prefix + p) for p in found)

    held_out = partition == "held-out"
    sirens = (Clip("siren", "fire engine", _FIRE_ENGINE),) if held_out else tuple(Clip("siren", f"synthetic {i}", seed=i) for i in range(400))
    return {
        "siren": sirens,
        "bell": tuple(Clip("bell", f"street {a:g}-{b:g} s", street=(a, b)) for a, b in _BELLS[partition]),
        "call": recorded("call", _CALLS[partition], "animals/"),
        "noise": recorded("noise", _NOISES[partition]) + recorded("noise", _VOICES[partition]),
        "traffic": tuple(Clip("noise", f"traffic {a:g}-{b:g} s", street=(a, b)) for a, b in _TRAFFIC[partition]),
    }


def siren(seed: int, seconds: float = 4.0) -> Sound:
    """Synthesise a siren: a wail, a yelp or a two-tone signal with random pitch, rate, brightness and echo."""
    rng = np.random.default_rng([7, seed])
    t = np.arange(round(seconds * RATE)) / RATE
    low = rng.uniform(450, 800)
    high = low * rng.uniform(1.3, 2.3)
    form = ("wail", "yelp", "two-tone")[seed % 3]
    if form == "two-tone":
        frequency = np.where((t * rng.uniform(0.7, 2.2)) % 1 < 0.5, low, low * rng.uniform(1.15, 1.5))
    else:
        rate = rng.uniform(0.12, 0.5) if form == "wail" else rng.uniform(1.5, 4.5)
        sweep = 0.5 + 0.5 * sawtooth(2 * np.pi * (rate * t + rng.random()), width=float(rng.uniform(0.3, 0.7)))
        frequency = low * (high / low) ** sweep
    phase = 2 * np.pi * np.cumsum(frequency) / RATE
    tone = sum(rng.uniform(0.3, 1.0) ** k * np.sin((k + 1) * phase) for k in range(5))
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
    if clip.street is not None:
        wave = wave[round(clip.street[0] * RATE) : round(clip.street[1] * RATE)]
    return wave


def _level(wave: Sound) -> float:
    """Root mean square of the louder part: windows of 50 ms within 20 dB of the loudest."""
    size = RATE // 20
    windows = wave[: len(wave) // size * size].reshape(-1, size) if len(wave) >= size else wave[None]
    power = (windows.astype(np.float64) ** 2).mean(1)
    return float(np.sqrt(power[power >= power.max() / 100].mean()))


def mix(layers: list[tuple[Sound, float, int]], samples: int) -> Sound:
    """Mix sounds into ``samples`` samples.

    Each layer is (sound, level, first sample). The level is that of the sound's louder part in dB of full scale. The ends are faded over 10 ms.
    """
    out = np.zeros(samples, np.float64)
    for wave, level, start in layers:
        piece = wave[: samples - start].astype(np.float64)
        ramp = np.minimum(np.arange(len(piece)) + 1, RATE // 100) / (RATE // 100)
        scale = 10 ** (level / 20) / max(_level(wave), 1e-9)
        out[start : start + len(piece)] += scale * piece * np.minimum(ramp, ramp[::-1])
    peak = np.abs(out).max(initial=0.0)
    return (out / max(1.0, peak / 0.99)).astype(np.float32)
