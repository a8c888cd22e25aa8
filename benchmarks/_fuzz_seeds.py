"""Valid things for a fuzzer to begin with: a small log and all that it hands out (private)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._tampered import small_record
from veridical.agent.log.bundle import write_bundle
from veridical.agent.log.bundle_file import INDEX, read_bundle
from veridical.agent.log.dsse import Signer
from veridical.agent.log.erasure import erase
from veridical.agent.log.holds import lift, place
from veridical.agent.log.keys import SigningKey
from veridical.agent.log.log import Log
from veridical.agent.log.note import NoteKey, cosign
from veridical.agent.log.statement import new_statement
from veridical.agent.logged import log_decision
from veridical.agent.record.canonical import canonical_json, digest_of
from veridical.agent.record.coding import LADDER, encode, pack
from veridical.agent.record.foreign import (
    from_record,
    map_to_manifest,
    write_captum_json,
    write_inseq_json,
    write_shap_json,
)
from veridical.errors import InputError, IntegrityError

__all__ = ["Holding", "Seeds"]

_WITNESS = SigningKey.of(bytes([9]) * 32)


class Holding:
    """Holds blobs, and keys of nobody: what `Contents` asks for."""

    def __init__(self, blobs: Mapping[str, bytes]) -> None:
        self._held = blobs

    @property
    def blobs(self) -> Holding:
        """Blobs by digest."""
        return self

    @property
    def subjects(self) -> Holding:
        """Keys of subjects."""
        return self

    def get(self, digest: str, limit: int | None = None) -> bytes:
        """Return a blob, as `Blobs.get` does."""
        content = self._held.get(digest) if isinstance(digest, str) else None
        if content is None or (limit is not None and len(content) > limit):
            raise IntegrityError(f"blob {digest!r:.80} is not here", "missing")
        return content

    def find(self, identity: str) -> None:
        """There are no keys."""
        del identity


@dataclass(frozen=True)
class Seeds:
    """All that targets need.

    Attributes:
        key: of the log.
        witness: of a witness.
        signer: the log's own key.
        secret: of a subject.
        holding: the blobs.
        envelopes: of all entries.
        payloads: what they say.
        note: a checkpoint.
        cosigned: the same with a witness's line.
        proofs: of entries.
        bundle: of a decision.
        bundled: its files.
        certificate: of an erasure.
        manifest: of a decision.
        result: of a decision.
        part: what a manifest says of a sealed part.
        sealed: its blob.
        arrays: files of arrays, in every coding.
        entries: what a manifest says of these.
        foreign: files of maps in the forms of others.
        maps: manifests of maps.
    """

    key: NoteKey
    witness: NoteKey
    signer: Signer
    secret: bytes
    holding: Holding
    envelopes: list[bytes]
    payloads: list[bytes]
    note: str
    cosigned: str
    proofs: list[str]
    bundle: bytes
    bundled: dict[str, bytes]
    certificate: bytes
    manifest: dict[str, Any]
    result: dict[str, Any]
    part: dict[str, Any]
    sealed: bytes
    arrays: list[bytes]
    entries: list[dict[str, Any]]
    foreign: list[bytes]
    maps: list[bytes]

    @classmethod
    def make(cls, folder: Path) -> Seeds:
        """Make them, in an empty folder."""
        result, arrays = small_record(units=8, step=16)
        blobs: dict[str, bytes] = {}
        maps = []
        for name in ("vision.saliency", "text.saliency"):
            manifest, more = map_to_manifest(from_record(result, arrays, name))
            maps.append(canonical_json(manifest))
            blobs |= more
        witness = NoteKey("witness.example/w", _WITNESS.public, "witness")
        with Log.open(folder / "home") as log:
            made = [log_decision(log, result, arrays) for _ in range(2)]
            subject = str(log.entry(1).statement.predicate["subject"])
            someone = log.subjects.find(subject)
            key, signer = log.note_key, log.keys.current()
            said = {"about": made[0].id, "act": "overridden", "who": "op-1", "reason": "clear", "action": None}
            log.append(new_statement("operator", said, log.about()))
            lift(log, place(log, "court", "case 7", [subject]).number, "court", "closed")
            told = {"rule": "signals after 30 days", "who": "op-1", "dropped": [digest_of(b"")], "records": 1}
            log.append(new_statement("retention", told, log.about()))
            path = folder / "bundle.zip"
            write_bundle(log, [1], path, signals=True)
            gone = str(log.entry(2).statement.predicate["subject"])
            certificate = canonical_json(erase(log, gone, "the person", "asked").to_dict())
            log.rotate("yearly")
            log.revoke(str(log.trust().keys()[0]["key_id"]), "retired")
            note = log.checkpoint(2)
            blobs |= {digest: log.blobs.get(digest) for digest in log.blobs}
            envelopes = [entry.envelope for entry in log.entries()]
            proofs = [log.prove(n, 8).text() for n in (0, 1, 7)]
        predicate = json.loads(base64.b64decode(json.loads(envelopes[1])["payload"]))["predicate"]
        manifest = json.loads(blobs[predicate["manifest"]])
        part = next(entry["sealed"] for entry in manifest["arrays"].values() if "sealed" in entry)
        files, entries = _coded(arrays["vision.saliency"])
        return cls(
            key=key,
            witness=witness,
            signer=signer,
            secret=someone.key if someone else bytes(32),
            holding=Holding(blobs),
            envelopes=envelopes,
            payloads=[base64.b64decode(json.loads(envelope)["payload"]) for envelope in envelopes],
            note=note,
            cosigned=cosign(note, witness.name, _WITNESS.sign, _WITNESS.public, 1_800_000_000),
            proofs=proofs,
            bundle=path.read_bytes(),
            bundled={**read_bundle(path).files, INDEX: canonical_json(dict(read_bundle(path).index))},
            certificate=certificate,
            manifest=manifest,
            result=manifest["result"],
            part=part,
            sealed=blobs[part["blob"]],
            arrays=files,
            entries=entries,
            foreign=_foreign(result, arrays, folder),
            maps=maps,
        )


def _coded(array: Any) -> tuple[list[bytes], list[dict[str, Any]]]:
    """Files of an array in every coding, plain and packed, and what a manifest says of each."""
    files, entries = [], []
    for coding in LADDER[:4]:
        content, told = encode(array, coding)
        entry = {"shape": list(array.shape), "dtype": array.dtype.name, "coding": told, "packed": None}
        files += [content, pack(content, always=True)[0]]
        entries.append(entry)
    return files, entries


def _foreign(result: Mapping[str, Any], arrays: Mapping[str, Any], folder: Path) -> list[bytes]:
    """A map of ours in the forms of others, where they can hold it."""
    found = []
    for name in ("vision.saliency", "text.saliency"):
        own = from_record(result, arrays, name)
        for form, write in (("captum", write_captum_json), ("inseq", write_inseq_json)):
            try:
                found.append(write([own], folder / f"{form}.{name}.json").read_bytes())
            except InputError:  # inseq's form holds maps over words alone
                continue
        found.append(write_shap_json(own, folder / f"shap.{name}.json").read_bytes())
    samples = Path(__file__).parents[1] / "tests" / "agent" / "record" / "foreign"
    return found + [path.read_bytes() for path in sorted(samples.glob("*.json"))]
