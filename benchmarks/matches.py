"""Do a picture, a sound and the words for one thing find each other in the semantic space?

``python -m benchmarks.matches`` (``make benchmark-matches``).

On the things of Debian's ``tuxpaint-stamps-default`` that have a picture, a recording of their own and an English
sentence ("A cow."), by Courier's partition of the pictures. A recording that serves several things is taken once, with
the first of them; one that is silent has no place. Pictures are laid on white, a tenth of their longer side around.

Told are, for each pair of senses: retrieval (is the thing's own partner among the first, against chance); the area
under the curve (AUC) of true pairs against all shuffled ones; and the share of true and of shuffled pairs with
p <= .05, each tested by itself. Shuffled pairs are what ought not to match, but most of these things are animals, and a
lamb's bleat is not wrong for a ram: their share is an upper bound of false ones. Intervals are 95 % (Wilson); none is
told for shuffled pairs, for they share their sides. The space's settings were chosen on the training partition.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from rich.console import Console
from rich.table import Table

from veridical.errors import InputError, VeridicalError
from veridical.fusion.conse import Conse
from veridical.fusion.matches import compare
from veridical.fusion.space import ALIKE, KINDS, Place, SemanticSpace, nothing_in
from veridical.scenarios.courier.partition import PARTITIONS
from veridical.scenarios.courier.sounds import Clip, load_clip
from veridical.scenarios.courier.stamps import KINDS as STAMP_KINDS
from veridical.scenarios.courier.stamps import Stamp, load_stamp, stamp_folder, stamps
from veridical.verifier.bounds import wilson

__all__ = ["Trio", "evaluate", "main", "on_white", "trios"]

ALPHA = 0.05
BORDER = 0.1


@dataclass(frozen=True)
class Trio:
    """One thing: its name, its picture, its recording at 16 kHz and what is said of it."""

    name: str
    picture: UInt8[np.ndarray, "_ _ 3"]
    sound: Float[np.ndarray, " _"]
    words: str


def on_white(rgba: Float[np.ndarray, "height width 4"]) -> UInt8[np.ndarray, "side side 3"]:
    """Lay a stamp on a white square, a tenth of its longer side around it."""
    height, width = rgba.shape[:2]
    side = round((1 + 2 * BORDER) * max(height, width))
    out = np.ones((side, side, 3), np.float32)
    y, x = (side - height) // 2, (side - width) // 2
    alpha = rgba[..., 3:]
    out[y : y + height, x : x + width] = alpha * rgba[..., :3] + 1 - alpha
    return np.rint(255 * out).astype(np.uint8)


def trios(partition: str) -> tuple[tuple[Trio, ...], tuple[str, ...]]:
    """Return the things of a partition, and the names of those left out with the reason.

    A recording that the training partition has is left out of the held-out one.

    Raises:
        InputError: an unknown partition, or the stamps are not installed.
    """
    heard: dict[bytes, str] = {}
    found: list[Trio] = []
    left_out: list[str] = []
    for part in PARTITIONS[: PARTITIONS.index(partition) + 1] if partition in PARTITIONS else (partition,):
        pool = stamps(part)
        found, left_out = [], []
        for stamp in (s for kind in STAMP_KINDS for s in pool[kind]):
            files = [stamp_folder() / f"{stamp.path}.{ending}" for ending in ("ogg", "txt")]
            if not all(path.exists() for path in files):
                continue
            sound = load_clip(Clip("call", stamp.name, stamp.path))
            key = sha256(sound.tobytes()).digest()
            nothing = nothing_in("audio", sound)
            if nothing or key in heard:
                left_out.append(f"{stamp.name}: {nothing or f'the recording of {heard[key]}'}")
                continue
            heard[key] = stamp.name
            found.append(_trio(stamp, sound, files[1].read_text(encoding="utf-8").splitlines()[0].strip()))
    return tuple(found), tuple(left_out)


def _trio(stamp: Stamp, sound: Float[np.ndarray, " _"], words: str) -> Trio:
    return Trio(stamp.name, on_white(load_stamp(stamp)), sound, words)


def _share(flags: Sequence[bool] | np.ndarray) -> list[float]:
    return wilson(int(np.sum(flags)), len(flags)).to_list()


def evaluate(queries: Sequence[Place], answers: Sequence[Place]) -> dict[str, Any]:
    """Return figures of one pair of senses; ``queries[i]`` and ``answers[i]`` are the same thing.

    Raises:
        InputError: fewer than two things.
    """
    count = len(queries)
    if count < 2:
        raise InputError(f"matches: {count} things; give two or more")
    compared = [[compare(q, a) for a in answers] for q in queries]
    score = np.array([[s for s, _ in row] for row in compared])
    p = np.array([[p for _, p in row] for row in compared])
    true, own = np.eye(count, dtype=bool), np.diag(score)
    # A tie counts half a place: a space that cannot tell things apart must be at chance.
    ranks = 1 + (score > own[:, None]).sum(1) + ((score == own[:, None]) & ~true).sum(1) / 2
    shuffled = score[~true]
    above = (own[:, None] > shuffled).mean() + (own[:, None] == shuffled).mean() / 2
    return {
        "things": count,
        "top_1": _share(ranks <= 1),
        "top_5": _share(ranks <= 5),
        "median_rank": float(np.median(ranks)),
        "chance": {"top_1": 1 / count, "top_5": min(1.0, 5 / count), "median_rank": (count + 1) / 2},
        "auc": float(above),
        "true_confirmed": _share(np.diag(p) <= ALPHA),
        "shuffled_confirmed": float((p[~true] <= ALPHA).mean()),
        "shuffled_pairs": count * (count - 1),
    }


def measure(space: SemanticSpace, things: Sequence[Trio]) -> dict[str, Any]:
    """Put things in the space, and return the figures of each pair of senses and the milliseconds for a signal."""
    signals: dict[str, list[Any]] = {"vision": [], "audio": [], "text": []}
    for thing in things:
        for kind, signal in zip(signals, (thing.picture, thing.sound, thing.words), strict=True):
            signals[kind].append(signal)
    places, spent = {}, {}
    for kind in KINDS:
        start = time.perf_counter()
        places[kind] = space.places(kind, signals[kind])
        spent[kind] = 1000 * (time.perf_counter() - start) / max(len(things), 1)
    pairs = {f"{a} to {b}": evaluate(places[a], places[b]) for b, a in combinations(KINDS, 2)}
    return {"pairs": pairs, "milliseconds": spent}


def _cell(share: Sequence[float]) -> str:
    return f"{100 * share[0]:.0f} % ({100 * share[1]:.0f}–{100 * share[2]:.0f})"


def _print(partition: str, told: dict[str, Any]) -> None:
    console = Console()
    table = Table()
    for column in ("senses", "top 1", "top 5", "rank", "AUC", "true ones", "shuffled"):
        table.add_column(column, justify="left" if column == "senses" else "right")
    for name, one in told["pairs"].items():
        cells = (_cell(one["top_1"]), _cell(one["top_5"]), f"{one['median_rank']:g}", f"{one['auc']:.3f}")
        table.add_row(name, *cells, _cell(one["true_confirmed"]), f"{100 * one['shuffled_confirmed']:.1f} %")
    first = next(iter(told["pairs"].values()))
    chance = first["chance"]
    tops = [f"{100 * chance[k]:.0f} %" for k in ("top_1", "top_5")]
    table.add_row("chance", *tops, f"{chance['median_rank']:g}", "0.500", "5 %", "5 %")
    table.title = (
        f"{partition}: pictures, sounds and words of the same {first['things']} things; shares of pairs with p ≤ .05"
    )
    console.print(table)
    spent = ", ".join(f"{kind} {ms:.0f} ms" for kind, ms in told["milliseconds"].items())
    console.print(f"a signal: {spent}; left out: {'; '.join(told['left_out']) or 'none'}")


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.matches", description="Matches across senses.")
    parser.add_argument("--partition", choices=(*PARTITIONS, "both"), default="both", help="whose things")
    parser.add_argument("--things", type=int, default=None, help="at most so many things of a partition")
    parser.add_argument("--top", type=int, default=10, help="classes that are combined")
    parser.add_argument(
        "--alike", type=float, default=ALIKE, help="share of contents a place is held against; 1 for all"
    )
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    try:
        if options.things is not None and options.things < 2:
            raise InputError(f"matches: {options.things} things; give two or more")
        space = Conse(options.top, options.alike)
        start = time.perf_counter()
        names = len(space.seen.names) + len(space.heard.names)
        told: dict[str, Any] = {"top": options.top, "alike": options.alike, "names": names}
        told["seconds_for_names"] = time.perf_counter() - start
        told["partitions"] = {}
        for partition in PARTITIONS if options.partition == "both" else (options.partition,):
            things, left_out = trios(partition)
            found = measure(space, things[: options.things])
            told["partitions"][partition] = {**found, "left_out": list(left_out)}
    except VeridicalError as error:
        parser.error(str(error))
    if options.json:
        print(json.dumps(told, indent=2))
        return
    for partition, one in told["partitions"].items():
        _print(partition, one)
    print(f"{names} names embedded in {told['seconds_for_names']:.1f} s; top {options.top}, alike {options.alike:g}")


if __name__ == "__main__":
    main()
