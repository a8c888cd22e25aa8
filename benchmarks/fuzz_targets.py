"""What reads bytes from elsewhere, each a target for a fuzzer: valid bytes to begin with, and what is done with them.

A target reads its bytes and, where that succeeds, uses what it read. It may raise a `VeridicalError`, told on one line
and with a cause that is known, and nothing else.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks._fuzz_seeds import Holding, Seeds
from veridical.agent.audit.content import recheck_content
from veridical.agent.audit.contents import Contents
from veridical.agent.log.bundle import verify_bundle
from veridical.agent.log.bundle_file import INDEX, pack_bundle
from veridical.agent.log.causes import CAUSES
from veridical.agent.log.dsse import check_signature, key_id_of, read_envelope, seal
from veridical.agent.log.erasure import check_certificate
from veridical.agent.log.holds import Holds
from veridical.agent.log.merkle import leaf_hash
from veridical.agent.log.note import NoteKey, check_checkpoint, check_cosignature, cosign, read_checkpoint
from veridical.agent.log.proof import check_proof, read_proof
from veridical.agent.log.retention import read_rules
from veridical.agent.log.statement import Statement, read_statement
from veridical.agent.log.store import columns_of, facets_of
from veridical.agent.log.trust import Trust
from veridical.agent.record.canonical import canonical_json, digest_of, read_json
from veridical.agent.record.foreign import manifest_to_map, read_foreign
from veridical.agent.record.manifest import read_arrays, read_manifest, read_result
from veridical.agent.record.sealing import unseal
from veridical.agent.record.summary import summary_of
from veridical.agent.record.tensors import read_tensors, write_tensors
from veridical.agent.record.texts import cut_texts, put_texts
from veridical.errors import VeridicalError

__all__ = ["TARGETS", "Target", "Targets"]


@dataclass(frozen=True)
class Target:
    """One reader.

    Attributes:
        name: of it.
        seeds: valid inputs.
        run: reads one input.
        most: bytes of an input, the most that is tried.
    """

    name: str
    seeds: tuple[bytes, ...]
    run: Callable[[bytes], object]
    most: int = 65536


TARGETS = (
    "json envelope statement entry note proof vkey manifest array sealed safetensors bundle bundle-index texts foreign "
    "map certificate rules recheck"
).split()
"""Names of the targets."""


class Targets:
    """The targets, around valid things that are made once.

    Args:
        folder: for files that readers are given; nothing else may be opened.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with tempfile.TemporaryDirectory() as elsewhere:
            self.seeds = Seeds.make(Path(elsewhere))

    def get(self, name: str) -> Target:
        """Return a target by its name."""
        seeds, run = self._all[name]
        return Target(name, tuple(seeds), run, 1 << 20 if name in ("bundle", "manifest") else 65536)

    @cached_property
    def _all(self) -> Mapping[str, tuple[list[bytes], Callable[[bytes], object]]]:
        made = self.seeds
        texts = [canonical_json(dict(zip(("result", "texts"), cut_texts(made.result), strict=True)))]
        rules = [b'[[rule]]\nkeep = "30 days"\nwhat = "signals"\nlabel = { group = "A" }\nshorter = "why"\n']
        bundle = [made.bundle]
        return {
            "json": ([made.payloads[1], b'[1.5e3,"\\u00e9",true,null,{}]'], _json),
            "envelope": (made.envelopes, self._envelope),
            "statement": (made.payloads, _statement),
            "entry": (made.payloads, self._entry),
            "note": ([made.note.encode(), made.cosigned.encode()], self._note),
            "proof": ([text.encode() for text in made.proofs], self._proof),
            "vkey": ([made.key.vkey().encode()], lambda content: NoteKey.read(_text(content))),
            "manifest": ([canonical_json(made.manifest)], self._manifest),
            "array": (made.arrays, self._array),
            "sealed": ([made.sealed], self._sealed),
            "safetensors": (made.arrays[:2], _tensors),
            "bundle": (bundle, self._bundle),
            "bundle-index": ([made.bundled[INDEX]], self._bundle_index),
            "texts": (texts, _texts),
            "foreign": (made.foreign, self._foreign),
            "map": (made.maps, lambda content: manifest_to_map(read_json(content, "a map"), made.holding.blobs.get)),
            "certificate": ([made.certificate], self._certificate),
            "rules": (rules, self._rules),
            "recheck": ([canonical_json(made.result)], _recheck),
        }

    def _file(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def _envelope(self, content: bytes) -> None:
        envelope = read_envelope(content, "entry 3", 3)
        Trust.start(self.seeds.key.public).check(envelope, 3, "entry 3")
        check_signature(envelope, key_id_of(self.seeds.key.public), self.seeds.key.public, "entry 3", 3)

    def _entry(self, content: bytes) -> None:
        """An entry whose signature holds, whatever it says: the key was stolen, or its holder errs."""
        number = 0 if b"urn:veridical:opened:" in content else 3
        trust = Trust.start(self.seeds.key.public)
        envelope = read_envelope(seal(content, [self.seeds.signer]), "entry", number)
        statement = read_statement(envelope.payload, "entry", number)
        trust.check(envelope, number, "entry")
        trust.learn(statement, envelope, number)
        _derived(statement)
        Holds().learn(statement.predicate, number)
        list(Contents(deep=False)(statement, number, self.seeds.holding, lambda what: None))

    def _note(self, content: bytes) -> None:
        text = _text(content)
        read_checkpoint(text)
        cosign(text, "witness.example/w", self.seeds.signer.sign, self.seeds.signer.public, 7)
        check_cosignature(self.seeds.cosigned, self.seeds.witness)
        check_checkpoint(text, self.seeds.key)
        check_cosignature(text, self.seeds.witness)

    def _proof(self, content: bytes) -> None:
        check_proof(read_proof(_text(content)), leaf_hash(self.seeds.envelopes[1]), self.seeds.key)

    def _manifest(self, content: bytes) -> None:
        manifest = read_manifest(content, "manifest")
        get, key = self.seeds.holding.blobs.get, self.seeds.secret
        summary_of(manifest, digest_of(content))
        read_result(manifest, get, key)
        for name in manifest["arrays"]:
            read_arrays(manifest, get, [name], key=key)

    def _array(self, content: bytes) -> None:
        """A blob that the manifest is made to name: its digest and length are right, and nothing else need be."""
        blobs = Holding({digest_of(content): content})
        for entry in self.seeds.entries:
            told = {**entry, "blob": digest_of(content), "bytes": len(content)}
            for packed in (None, "zlib"):
                _try(lambda told=told, packed=packed: _read_one({**told, "packed": packed}, blobs))

    def _sealed(self, content: bytes) -> None:
        size = max(len(content) - 60, 0)
        unseal({**self.seeds.part, "bytes": size, "blob": digest_of(content)}, content, self.seeds.secret)

    def _bundle(self, content: bytes) -> None:
        _known(verify_bundle(self._file("bundle.zip", content), None, Contents(deep=False)))

    def _bundle_index(self, content: bytes) -> None:
        """A bundle whose index says what it likes; its files are sound."""
        files = {**self.seeds.bundled, INDEX: content}
        _known(verify_bundle(self._file("bundle.zip", pack_bundle(files)), None, Contents(deep=False)))

    def _foreign(self, content: bytes) -> None:
        read_foreign(self._file("foreign.json", content))

    def _certificate(self, content: bytes) -> None:
        told = read_json(content, "certificate")
        check_certificate(told if isinstance(told, dict) else {}, self.seeds.key)

    def _rules(self, content: bytes) -> None:
        for rule in read_rules(self._file("rules.toml", content)):
            rule.text()


def _json(content: bytes) -> None:
    value = read_json(content, "JSON")
    again = canonical_json(value)
    assert read_json(again, "JSON", canonical=True) == value  # noqa: S101  # two readers, one meaning


def _statement(content: bytes) -> None:
    statement = read_statement(content, "entry 3", 3)
    assert statement.payload() == content  # noqa: S101  # what is read is what was signed
    _derived(statement)


def _derived(statement: Statement) -> None:
    """What the database would hold of an entry."""
    assert columns_of(statement)["id"] == statement.id  # noqa: S101
    assert isinstance(facets_of(statement), list)  # noqa: S101


def _tensors(content: bytes) -> None:
    tensors = read_tensors(content, "a file")
    again = read_tensors(write_tensors(tensors), "a file")
    assert tensors.keys() == again.keys()  # noqa: S101  # nothing lies hidden in what is read


def _texts(content: bytes) -> None:
    told = read_json(content, "texts")
    if isinstance(told, dict) and all(isinstance(told.get(name), dict) for name in ("result", "texts")):
        put_texts(told["result"], told["texts"])


def _recheck(content: bytes) -> None:
    result = read_json(content, "a result")
    recheck_content(result if isinstance(result, dict) else {}, {})


def _read_one(entry: Mapping[str, Any], holding: Holding) -> None:
    read_arrays({"arrays": {"a": entry}, "omitted": {}}, holding.blobs.get)


def _known(found: Any) -> None:
    """A verification's problems are told like errors."""
    for problem in found.problems:
        assert problem.cause in CAUSES, problem.cause  # noqa: S101  # the list is closed
        assert "\n" not in problem.told, problem.told  # noqa: S101  # one line


def _try(work: Callable[[], object]) -> None:
    try:
        work()
    except VeridicalError:
        return


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")
