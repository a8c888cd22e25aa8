"""Where a concept is in this input, and what it was like elsewhere: pictures, stretches of time, marked words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import pictures
from .wording import clean, number, percent, seconds

__all__ = ["PROTOTYPES", "RATE", "frames_of", "here", "prototypes_of"]

PROTOTYPES = 4
"""Prototypes shown of a concept at the most."""
RATE = 16_000
"""Samples a second of a prototype's sound."""

_SMALL = 72  # rows of a small spectrogram

Arrays = Mapping[str, np.ndarray]
Json = Mapping[str, Any]


def frames_of(cards: Sequence[Json], arrays: Arrays) -> list[dict[str, Any]]:
    """Return the frames that any card points into, kept once for all of them.

    Raises:
        KeyError: there are no frames.
    """
    wanted = sorted({int(box[0]) for card in cards if card["sense"] == "vision" for box in card["boxes"]})
    if not wanted:
        return []
    frames = arrays["vision.frames"]
    height, width = frames.shape[1:3]
    return [
        {"index": i, "image": pictures.png(frames[i]), "width": width, "height": height}
        for i in wanted
        if 0 <= i < len(frames)
    ]


def here(card: Json, result: Json, arrays: Arrays) -> dict[str, Any]:
    """Return where a concept is in this input: ``kind`` cells, times, words or none, and what that kind needs.

    Raises:
        KeyError: the signal that it is drawn on is missing.
    """
    sense, signal = card["sense"], result["observation"].get(card["sense"])
    if not signal or not signal["present"]:
        return {"kind": "none"}
    if sense == "vision" and card["boxes"]:
        return _cells(card, arrays["vision.frames"], signal["duration"])
    if sense == "audio" and card["time"] and signal["duration"]:
        first, last = (100 * min(max(t / signal["duration"], 0.0), 1.0) for t in card["time"])
        rows = pictures.mel_rows(arrays["audio.frequencies"], _SMALL)
        image = pictures.png(pictures.grey(arrays["audio.spectrogram"])[rows])
        return {"kind": "times", "image": image, "left": round(first, 2), "right": round(100 - last, 2),
                "time": seconds(card["time"])}  # fmt: skip
    if sense == "text" and card["units"] and "text" in signal:
        spans = {e["index"]: e["unit"]["span"] for e in result["ranking"] if e["modality"] == "text"}
        return {"kind": "words", "pieces": _marked(signal["text"], [spans[u] for u in card["units"] if u in spans])}
    return {"kind": "none"}


def _cells(card: Json, frames: np.ndarray, duration: float) -> dict[str, Any]:
    """Each frame that has cells of the concept: their outline, and a veil over all the rest."""
    height, width = frames.shape[1:3]
    step, drawn = duration / len(frames), []
    for frame in sorted({int(box[0]) for box in card["boxes"]}):
        if not 0 <= frame < len(frames):
            continue
        mask = np.zeros((height, width), bool)
        for _, left, top, right, bottom in (box for box in card["boxes"] if int(box[0]) == frame):
            mask[round(max(top, 0)) : round(max(bottom, 0)), round(max(left, 0)) : round(max(right, 0))] = True
        share, time = percent(float(mask.mean())), f"{number(frame * step, 1)}–{number((frame + 1) * step, 1)} s"
        drawn.append(
            {"index": frame, "number": frame + 1, "time": time,
             "path": pictures.outline(mask), "veil": _veil(mask), "share": share}
        )  # fmt: skip
    return {"kind": "cells", "frames": drawn, "width": width, "height": height}


def _veil(mask: np.ndarray) -> str:
    """All that is not in a mask, as an SVG path: a rectangle for each run of each stack of like rows."""
    path, first = [], 0
    changes = [*(np.flatnonzero((mask[1:] != mask[:-1]).any(1)) + 1).tolist(), len(mask)]
    for past in changes:
        edges = np.flatnonzero(np.diff(np.concatenate(([0], (~mask[first]).astype(np.int8), [0]))))
        path += [f"M{a} {first}H{b}V{past}H{a}Z" for a, b in edges.reshape(-1, 2)]
        first = past
    return "".join(path)


def _marked(text: str, spans: Sequence[Sequence[int]]) -> list[tuple[bool, str]]:
    """Cut a text into pieces: whether marked, and the words."""
    pieces, last = [], 0
    for first, past in sorted(map(tuple, spans)):
        pieces += [(False, text[last:first]), (True, text[max(first, last) : past])]
        last = max(past, last)
    return [piece for piece in [*pieces, (False, text[last:])] if piece[1]]


def prototypes_of(card: Json, arrays: Arrays) -> dict[str, Any]:
    """Return up to four prototypes, drawn as their sense has them, and which observations the card names."""
    first = card["prototypes"][:PROTOTYPES]
    had = [p for p in first if p.get("shown")]
    values = arrays.get(f"concept.{card['sense']}#{card['concept']}.prototypes")
    shown: list[dict[str, Any]] = []
    if values is not None and values.ndim == 4:
        shown = [{"kind": "picture", "image": pictures.png(picture)} for picture in values[:PROTOTYPES]]
    elif values is not None and values.ndim == 2:
        rows = pictures.mel_rows(np.linspace(0.0, RATE / 2, 257), _SMALL)
        shown = [
            {"kind": "sound", "sound": pictures.wav(wave, RATE),
             "image": pictures.png(pictures.grey(pictures.spectrum(wave))[rows])} for wave in values[:PROTOTYPES]
        ]  # fmt: skip
    else:
        shown = [{"kind": "words", "pieces": _marked(p["text"], [p["span"]])} for p in had if p.get("text")]
    for each, prototype in zip(shown, had, strict=False):
        each["of"], each["strength"] = clean(prototype["observation"]), number(prototype["strength"])
    names = [clean(p["observation"]) for p in first]
    return {"shown": shown, "names": names, "lacking": len(first) - len(shown)}
