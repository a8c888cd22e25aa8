"""Small decisions of the real form, for measuring the log: three senses, three claims, a few arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from veridical.agent.log.log import Log
from veridical.agent.log.statement import Statement, new_statement, now
from veridical.agent.record.canonical import canonical_json, digest_of
from veridical.agent.record.context import Context
from veridical.agent.record.manifest import compose
from veridical.agent.record.summary import summary_of

__all__ = ["ACTIONS", "Decisions", "plain", "small"]

ACTIONS = ("PROCEED", "SLOW", "STOP", "YIELD")
"""What can be decided."""

_SEEN = (("vision", "the middle, frame 1", "cat"), ("audio", "1–3 s, 0.6–1.1 kHz", "siren"), ("text", "“stop”", None))
_DIGEST = "sha256:" + "8f43a1c09be2d4570c6ef1d2a7b3958e" * 2


def small(number: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return a result and its arrays (about 4 kB and 6 kB); another number gives another decision.

    The result has the members of ``veridical.explanation/1`` that a log entry is made of, and the arrays are those of
    a picture, a sound and their maps, in little.
    """
    rng = np.random.default_rng(number)
    effects = rng.normal(-1.5, 0.5, len(_SEEN))
    claims = [
        {
            "id": f"c{rank}", "rank": rank, "modality": sense, "units": [rank, rank + number % 5], "where": where,
            "time": [0.0, 1.0], "name": name, "named_by": None, "confidence": None, "predicted": float(effect) * 0.9,
            "effects": [], "measured": float(effect), "status": "confirmed", "interval": None, "flips": False,
            "flips_to": None,
        }
        for rank, ((sense, where, name), effect) in enumerate(zip(_SEEN, effects, strict=True), 1)
    ]  # fmt: skip
    action, score = ACTIONS[number % len(ACTIONS)], float(rng.uniform(0.5, 4))
    sure = float(1 / (1 + np.exp(-score)))
    others = {name: (1 - sure) / 3 for name in ACTIONS if name != action}
    shares = {sense: -float(effect) for (sense, *_), effect in zip(_SEEN, effects, strict=True)}
    result = {
        "format": "veridical.explanation/1",
        "created": "2026-11-23T05:12:44Z",
        "version": "0.1.0",
        "system": {"name": "courier", "digest": _DIGEST, "actions": list(ACTIONS)},
        "observation": {sense: {"present": True, "digest": _DIGEST, "notes": []} for sense, *_ in _SEEN},
        "decision": {"action": action, "score": score, "probabilities": {**others, action: sure}},
        "attribution": {"additive": True, "within_tolerance": True, "shares": shares},
        "ranking": [],
        "claims": claims,
        "verdict": {"verdict": "supported", "cause": "holds", "reasons": ["All three claims were confirmed."]},
        "justification": {"text": f"{action}, because of a cat in the middle.", "sentences": []},
        "notes": [],
    }
    frames = rng.integers(0, 256, (1, 16, 16, 3), np.uint8)
    wave, maps = rng.normal(size=256).astype(np.float32), rng.normal(size=(2, 16, 16)).astype(np.float32)
    arrays = {
        "vision.frames": frames, "vision.saliency": maps[:1], "audio.waveform": wave, "audio.saliency": maps[1],
    }  # fmt: skip
    return result, arrays


def plain(log: Log, number: int) -> Statement:
    """Return a statement of the kind ``note``, about the log itself, that needs no blob."""
    return new_statement("note", {"text": f"note {number} of a writer under measurement"}, log.about())


class Decisions:
    """Makes statements about many decisions quickly: one record is composed, and every decision has its manifest.

    The decisions share their arrays; identity, action and group differ. Blobs are put beside without a sync, for only
    what is done with the entries afterwards is measured.

    Args:
        log: which they are for.
    """

    def __init__(self, log: Log) -> None:
        result, arrays = small(0)
        self.log = log
        self.manifest, blobs = compose(result, arrays, Context())
        for content in blobs.values():
            log.blobs.put(content)

    def statement(self, number: int) -> Statement:
        """Return the statement about a decision, whose manifest is put into the log's blobs."""
        context = Context(labels={"group": "ab"[number % 2], "site": f"site {number % 50}"})
        action = ACTIONS[number % len(ACTIONS)]
        result = self.manifest["result"]
        decision: Mapping[str, Any] = {**result["decision"], "action": action}
        manifest = {
            **self.manifest,
            "id": context.id,
            "labels": dict(context.labels),
            "result": {**result, "decision": decision},
        }
        content = canonical_json(manifest, "the manifest")
        digest = digest_of(content)
        place = self.log.blobs.folder / digest[7:9] / digest[7:]
        place.parent.mkdir(mode=0o700, exist_ok=True)
        place.write_bytes(content)
        predicate = summary_of(manifest, digest)
        predicate |= {"decided": predicate["time"], "time": now()}
        return new_statement("decision", predicate, [("manifest.json", digest)])
