"""What each section of a report shows: from a result and its arrays to plain values for the templates."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from scipy.ndimage import label

from . import pictures
from .charts import Axis, axis_over
from .wording import clean, effect_range, kept, nats, number, percent, title_of

__all__ = ["claims", "heard", "hertz", "limit_of", "read", "saw"]

_ROWS = 200  # height of a drawn spectrogram in pixels
_FAINT = 0.15  # strength of colour below which a word is not underlined
_HERTZ = (125, 500, 1000, 2000, 4000, 8000, 16000)

Arrays = Mapping[str, np.ndarray]
Result = Mapping[str, Any]


def limit_of(result: Result) -> float:
    """Return the largest contribution of any unit of any sense, in nats: where every colour of the report is full."""
    return max((abs(entry["contribution"]) for entry in result["ranking"]), default=0.0) or 1.0


def _contributions(result: Result, modality: str) -> dict[int, float]:
    return {e["index"]: e["contribution"] for e in result["ranking"] if e["modality"] == modality}


def _claims_in(result: Result, modality: str) -> list[Mapping[str, Any]]:
    return [claim for claim in result["claims"] if claim["modality"] == modality]


def _marks(labels: np.ndarray, members: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Outline, number and place (in %) of each claim that has units in a picture of labels."""
    found = []
    for claim in members:
        mask = np.isin(labels, claim["units"])
        if mask.any():
            parts, _ = cast("tuple[np.ndarray, int]", label(mask))
            rows, columns = np.nonzero(parts == np.bincount(parts[mask]).argmax())  # the largest connected part
            top = int(rows.min())
            left = float(columns[rows == top].mean())
            place = {"left": round(100 * left / mask.shape[1], 1), "top": round(100 * top / mask.shape[0], 1)}
            found.append({"id": claim["id"], "path": pictures.outline(mask), "title": title_of(claim), **place})
    return found


def saw(result: Result, arrays: Arrays) -> dict[str, Any] | None:
    """Return the frames with their overlays and outlines, or None if the sense is absent."""
    signal = result["observation"].get("vision")
    if not signal or not signal["present"]:
        return None
    limit, mine = limit_of(result), _contributions(result, "vision")
    labels, frames = arrays["vision.units"], arrays["vision.frames"]
    fine = pictures.density(arrays["vision.saliency"], labels)
    step = signal["duration"] / len(frames)
    drawn = []
    for index, frame in enumerate(frames):
        inside = np.unique(labels[index][labels[index] >= 0])
        drawn.append(
            {
                "number": index + 1,
                "time": f"{number(index * step, 1)}–{number((index + 1) * step, 1)} s",
                "image": pictures.png(frame),
                "units": pictures.png(pictures.tint(pictures.per_unit(labels[index], mine), limit)),
                "fine": pictures.png(pictures.tint(fine[index], limit)),
                "marks": _marks(labels[index], _claims_in(result, "vision")),
                "nats": sum(mine.get(int(unit), 0.0) for unit in inside),
                "shape": frame.shape[:2],
            }
        )
    best = max(drawn, key=lambda frame: frame["nats"])
    return {"frames": drawn, "best": best, "signal": signal}


def hertz(frequencies: np.ndarray, rows: np.ndarray) -> list[tuple[float, str]]:
    """Return the frequency labels of a mel picture: (position from the top in %, text)."""
    shown = np.asarray(frequencies, np.float64)[rows]
    marks = []
    for value in _HERTZ:
        if shown.min() <= value <= shown.max() * 1.001:
            place = 100.0 * (np.abs(shown - value).argmin() + 0.5) / len(rows)
            marks.append((round(float(place), 1), f"{value / 1000:g} kHz" if value >= 1000 else f"{value} Hz"))
    return marks


def _clock(duration: float) -> Axis:
    """Axis of seconds over a whole recording, without margins."""
    free = axis_over([duration])
    inner = Axis(0.0, duration, ())
    step = max(duration / 5, 1e-6)
    power = 10.0 ** np.floor(np.log10(step))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= step * 0.999)
    marks = [i * step for i in range(int(duration / step + 1e-9) + 1)]
    return Axis(0.0, duration, tuple((inner.at(m), f"{m:g} s") for m in marks)) if duration else free


def heard(result: Result, arrays: Arrays) -> dict[str, Any] | None:
    """Return the spectrogram with its overlays, outlines and axes, or None if the sense is absent."""
    signal = result["observation"].get("audio")
    if not signal or not signal["present"]:
        return None
    limit, mine = limit_of(result), _contributions(result, "audio")
    rows = pictures.mel_rows(arrays["audio.frequencies"], _ROWS)
    labels = arrays["audio.units"]
    drawn, fine = labels[rows], pictures.density(arrays["audio.saliency"], labels)
    return {
        "image": pictures.png(pictures.grey(arrays["audio.spectrogram"])[rows]),
        "units": pictures.png(pictures.tint(pictures.per_unit(drawn, mine), limit)),
        "fine": pictures.png(pictures.tint(fine[rows], limit)),
        "marks": _marks(drawn, _claims_in(result, "audio")),
        "shape": drawn.shape,
        "hertz": hertz(arrays["audio.frequencies"], rows),
        "clock": _clock(signal["duration"]),
        "sound": pictures.wav(arrays["audio.waveform"], signal["rate"]),
        "signal": signal,
    }


def read(result: Result) -> dict[str, Any] | None:
    """Return the instruction in pieces, each word with its contribution, or None if the sense is absent."""
    signal = result["observation"].get("text")
    if not signal or not signal["present"]:
        return None
    limit, pieces, last = limit_of(result), [], 0
    words = sorted((e for e in result["ranking"] if e["modality"] == "text"), key=lambda e: e["unit"]["span"][0])
    claimed = {unit: claim["id"] for claim in reversed(_claims_in(result, "text")) for unit in claim["units"]}
    for entry in words:
        first, past = entry["unit"]["span"]
        value = entry["contribution"]
        strength = float(abs(pictures.level(np.array(value), limit)))
        pieces.append({"text": signal["text"][last:first]})
        pieces.append(
            {
                "text": signal["text"][first:past],
                "value": nats(value),
                "side": "for" if value >= 0 else "against",
                "strength": round(strength, 3),
                "line": round(6 * strength, 1) if strength >= _FAINT else 0,
                "shown": strength >= 0.3 or entry["index"] in claimed,
                "claim": claimed.get(entry["index"]),
            }
        )
        last = past
    pieces.append({"text": signal["text"][last:]})
    return {"pieces": pieces, "signal": signal}


def claims(result: Result, arrays: Arrays) -> list[dict[str, Any]]:
    """Return each claim with the input as it was beside the edited inputs, and the decision that each got."""
    return [_claim(claim, result, arrays) for claim in result["claims"]]


def _claim(claim: Mapping[str, Any], result: Result, arrays: Arrays) -> dict[str, Any]:
    action, before = result["decision"]["action"], result["decision"]["probabilities"]
    draw = {"vision": _frames_of, "audio": _sound_of, "text": _words_of}.get(claim["modality"])
    after = kept(claim, action)
    odds = _odds(before, action, result)
    whole = {"label": "As it was", "action": action, "odds": odds, "flips": False, "effect": None}
    edited = [
        {
            "label": clean(effect["operator"]),
            "action": effect["action"],
            "odds": _odds(effect["probabilities"], effect["action"], result),
            "flips": effect["action"] != action,
            "effect": nats(effect["effect"]),
        }
        for effect in claim["effects"]
    ]
    cards: list[dict[str, Any]] = [whole, *edited]
    if draw:
        for card, shown in zip(cards, draw(claim, result, arrays), strict=True):
            card["shown"] = shown
    return {
        **claim,
        "title": title_of(claim),
        "cards": cards,
        "changes": _changes(claim, action),
        "predicted_text": nats(claim["predicted"]),
        "measured_text": effect_range(claim),
        "before_text": percent(before[action]),
        "after_text": percent(after) if after is not None else None,
        "sure": percent(claim["confidence"]) if claim["confidence"] is not None else None,
    }


def _changes(claim: Mapping[str, Any], action: str) -> list[str]:
    """Say to what the decision changes, and by which edits unless all of them agree."""
    by: dict[str, list[str]] = {}
    for effect in claim["effects"]:
        by.setdefault(clean(effect["action"]), []).append(clean(effect["operator"]))
    return [
        name if len(by) == 1 else f"{name} when edited by {' and '.join(operators)}"
        for name, operators in by.items()
        if name != clean(action)
    ]


def _odds(probabilities: Mapping[str, float], chosen: str, result: Result) -> list[dict[str, Any]]:
    """Probabilities in the order of the system's actions, ready to draw; the original decision can be followed."""
    return [
        {
            "name": name,
            "text": percent(probabilities[name]),
            "width": round(100 * probabilities[name], 1),
            "chosen": name == chosen,
            "followed": name == result["decision"]["action"],
        }
        for name in result["system"]["actions"]
    ]


def _frames_of(claim: Mapping[str, Any], result: Result, arrays: Arrays) -> list[dict[str, Any]]:
    labels, frames = arrays["vision.units"], arrays["vision.frames"]
    touched = [i for i in range(len(frames)) if np.isin(labels[i], claim["units"]).any()]
    marks = {i: _marks(labels[i], [claim]) for i in touched}
    series = [frames, *(arrays.get(f"counterfactual.{claim['id']}.{e['operator']}.vision") for e in claim["effects"])]
    return [
        {
            "kind": "frames",
            "shape": frames.shape[1:3],
            "frames": [
                {"number": i + 1, "image": pictures.png(shown[i]), "marks": marks[i]}
                for i in touched
                if shown is not None
            ],
        }
        for shown in series
    ]


def _sound_of(claim: Mapping[str, Any], result: Result, arrays: Arrays) -> list[dict[str, Any]]:
    rate = result["observation"]["audio"]["rate"]
    whole = pictures.spectrum(arrays["audio.waveform"])
    rows = pictures.mel_rows(np.linspace(0.0, rate / 2, whole.shape[0]), _ROWS)
    labels = arrays["audio.units"][pictures.mel_rows(arrays["audio.frequencies"], _ROWS)]
    waves = [arrays["audio.waveform"]]
    waves += [arrays.get(f"counterfactual.{claim['id']}.{e['operator']}.audio") for e in claim["effects"]]
    return [
        {
            "kind": "sound",
            "shape": labels.shape,
            "image": pictures.png(pictures.grey(pictures.spectrum(wave), float(whole.max()))[rows]),
            "marks": _marks(labels, [claim]),
            "sound": pictures.wav(wave, rate),
        }
        if wave is not None
        else {"kind": "none"}
        for wave in waves
    ]


def _words_of(claim: Mapping[str, Any], result: Result, arrays: Arrays) -> list[dict[str, Any]]:
    """The instruction with what the edits take away struck out, then each edited text with what they put in marked."""
    original = result["observation"]["text"]["text"]
    units = {e["index"]: e["unit"] for e in result["ranking"] if e["modality"] == "text"}
    spans = sorted(tuple(units[i]["span"]) for i in claim["units"] if i in units)
    pieces, last = [], 0
    for first, past in spans:
        pieces += [("same", original[last:first]), ("edited", original[first:past])]
        last = past
    pieces.append(("same", original[last:]))
    return [{"kind": "words", "pieces": pieces}, *(_difference(original, e.get("text")) for e in claim["effects"])]


def _difference(original: str, edited: str | None) -> dict[str, Any]:
    if edited is None:
        return {"kind": "none"}
    before, after = original.split(), edited.split()
    pieces: list[tuple[str, str]] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag in {"delete", "replace"}:
            pieces.append(("gone", " ".join(before[a:b])))
        if tag in {"insert", "replace"}:
            pieces.append(("new", " ".join(after[c:d])))
        if tag == "equal":
            pieces.append(("same", " ".join(after[c:d])))
        pieces.append(("same", " "))
    return {"kind": "words", "pieces": pieces}
