"""Makes the test vectors of ``docs/vectors``: two small records, what is to be read from them, and what to refuse.

Run ``python -m tests.agent.record.vectors`` to write them again; the sealed record then gets another salt.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from veridical.agent.record import Context, compose, plain
from veridical.agent.record.canonical import canonical_json, digest_of
from veridical.agent.record.coding import EXACT, LADDER
from veridical.agent.record.files import save_record
from veridical.agent.record.frame import FORMAT, RESULT_FORMAT
from veridical.agent.record.pieces import Pieces
from veridical.agent.record.sealing import Sealer

VECTORS = Path(__file__).parents[3] / "docs" / "vectors"
KEY = bytes(range(32))
CODINGS = {"vision.saliency": LADDER[1], "fusion.depth.0": LADDER[2], "fusion.depth.1": LADDER[3]}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a newer version": ({"format": "veridical.record/3"}, "format"),
    "another format": ({"format": "somebody.else/2"}, "format"),
    "a critical member that is unknown": ({"critical": ["hologram"]}, "format"),
    "no result": ({"result": None}, "format"),
    "an id that is no UUID of version 4": ({"id": "00000000-0000-1000-8000-000000000000"}, "format"),
    "a time with another offset": ({"time": {"end": "2026-01-02T03:04:05.000000+02:00"}}, "format"),
    "a coding that is unknown": ({"arrays": {"vision.saliency": {"coding": {"kind": "int4"}}}}, "format"),
    "a packing that is unknown": ({"arrays": {"vision.saliency": {"packed": "zstd"}}}, "format"),
    "a shape that the file does not have": ({"arrays": {"text.saliency": {"shape": [7]}}}, "format"),
    "a shape beyond what is read": ({"arrays": {"text.saliency": {"shape": [2147483649]}}}, "size"),
    "a length that the blob does not have": ({"arrays": {"text.saliency": {"bytes": 1}}}, "size"),
    "the digest of another blob": ({"arrays": {"text.saliency": {"blob": "sha256:" + "0" * 64}}}, "missing"),
    "a digest that leads outside": ({"arrays": {"text.saliency": {"blob": "sha256:../../../etc/passwd"}}}, "format"),
    "a scale that is not above zero": ({"arrays": {"vision.saliency": {"coding": {"scale": 0}}}}, "format"),
    "more kept than there are": ({"arrays": {"fusion.depth.1": {"coding": {"kept": 1000}}}}, "format"),
}
"""By what is wrong: a merge patch (RFC 7396) of the open record's manifest, and the cause that a reader is to name."""


def sample() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return a small result and its arrays; the figures are made up, and whole multiples of powers of two."""
    y, x = np.mgrid[0:16, 0:24]
    bump = (np.maximum(0, 40 - (y - 8) ** 2 - (x - 15) ** 2) / 2**14 - 2.0**-15).astype(np.float32)
    arrays = {
        "vision.frames": np.stack([(3 * y + 5 * x) % 256, (7 * x) % 256, (11 * y) % 256], -1)[None].astype(np.uint8),
        "vision.saliency": bump[None],
        "vision.units": (y // 8 * 3 + x // 8)[None].astype(np.int16),
        "text.saliency": np.array([0.5, -0.25, 0.125, 1.0, 0.0], np.float32),
        "fusion.depth.0": (bump * 3).astype(np.float32)[None],
        "fusion.depth.1": (bump.T.copy() * 5).astype(np.float32)[None],
    }
    shares = {"text": float(arrays["text.saliency"].sum()), "vision": float(bump.sum(dtype=np.float64))}
    result = {
        "format": RESULT_FORMAT,
        "version": "0.1.0",
        "created": "2026-01-02T03:04:05.678+00:00",
        "system": {"name": "signal", "digest": "sha256:" + "1" * 64, "actions": ["GO", "STOP"]},
        "observation": {
            "vision": {"present": True, "digest": "sha256:" + "2" * 64, "frames": 1, "sizes": [[24, 16]]},
            "text": {"present": True, "digest": "sha256:" + "3" * 64, "text": "Stop at the red post"},
            "audio": {"present": False},
        },
        "decision": {
            "action": "STOP",
            "logits": {"GO": -0.5, "STOP": 1.5},
            "probabilities": {"GO": 0.11920292202211755, "STOP": 0.8807970779778823},
            "score": 2,
            "target": "STOP against the rest",
        },
        "attribution": {
            "method": "joint path",
            "additive": True,
            "nodes": 17,
            "baseline_score": 0.25,
            "baseline_action": "STOP",
            "gap": 0.0078125,
            "map_change": 0.125,
            "shares": shares,
            "within_tolerance": True,
        },
        "claims": [
            {
                "id": "c1",
                "modality": "text",
                "units": [3, 4],
                "where": "“red post”",
                "name": None,
                "measured": -1.5,
                "status": "confirmed",
            }
        ],
        "verdict": {"verdict": "supported", "cause": "holds"},
        "justification": {"text": "STOP was chosen for “red post” in the instruction."},
        "timing": {"total_ms": 250},
    }
    return result, arrays


def context(**changes: Any) -> Context:
    """Return the context of both records."""
    return Context(
        id="6ba7b810-9dad-41d1-80b4-00c04fd430c8",
        monotonic=(1_000_000_000, 1_250_000_000),
        labels={"scenario": "post"},
        policy={"name": "signals", "version": "3", "digest": None},
        **changes,
    )


def open_record() -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return manifest and blobs of the open record: each coding once, one array left out."""
    result, arrays = sample()
    manifest, _ = compose(result, {}, context())
    pieces = Pieces(arrays, plain(result), None)
    blobs = {}
    for name in arrays:
        piece = pieces.piece(name, CODINGS.get(name, EXACT))
        manifest["arrays"][name], blobs[piece.digest] = piece.entry, piece.blob
    manifest["omitted"] = {"counterfactual.c1.blur.vision": "over the record's budget"}
    manifest["critical"] = ["fp16", "int8", "sparse", "zlib"]
    return manifest, blobs


def expected(manifest: dict[str, Any], content: bytes, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return what a reader is to find: SHA-256 of the manifest, and of each array's little-endian bytes in C order."""
    return {
        "id": manifest["id"],
        "manifest": digest_of(content),
        "arrays": {
            name: {
                "coding": manifest["arrays"][name]["coding"]["kind"],
                "digest": digest_of(array.astype(array.dtype.newbyteorder("<")).tobytes()),
                "sum": float(array.sum(dtype=np.float64)),
            }
            for name, array in sorted(arrays.items())
        },
    }


def write() -> None:
    """Write all vectors."""
    from veridical.agent.record import read_arrays

    told: dict[str, Any] = {"format": FORMAT}
    shutil.rmtree(VECTORS, ignore_errors=True)
    VECTORS.mkdir()
    for name, key, (manifest, blobs) in (
        ("open", None, open_record()),
        ("sealed", KEY, compose(*sample(), context(seal=Sealer("s-7", KEY)))),
    ):
        content = canonical_json(manifest)
        save_record(VECTORS / name, content, blobs)
        told[name] = expected(manifest, content, read_arrays(manifest, blobs.__getitem__, key=key))
    told["sealed"] |= {"key": KEY.hex(), "text": sample()[0]["observation"]["text"]["text"]}
    told["refused"] = [{"what": what, "patch": patch, "cause": cause} for what, (patch, cause) in REFUSED.items()]
    text = json.dumps(told, indent=1, ensure_ascii=False)
    (VECTORS / "expected.json").write_text(text + "\n", encoding="utf-8")


def merged(document: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    out = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        else:
            out[name] = merged(out.get(name), value)
    return out


if __name__ == "__main__":
    write()
