"""Is every changed byte of a log found, and told with the right cause?

``python -m benchmarks.tamper`` (``make benchmark-tamper``; about two minutes).

A small log is made: decisions with sealed signals, an operator's act, keys rotated and revoked, a hold, an erasure, a
cosigned tree head. Then one byte at a time is changed and put back: in the envelopes, in every other column of every
table, in SQLite's file as it lies on the disk, in the blobs, in the tree head that the machine remembers, and in what a
log hands out (proofs, a bundle, a certificate of an erasure). The auditor knows the log's key, a tree head seen
earlier, and a witness.

A byte of SQLite's file of which nothing depends, for it lies in free space, is told apart: all tables read the same
afterwards and SQLite finds nothing wrong. Such a change is neither found nor missed.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks._tamper_places import COLUMNS, NOTE, Outcome, Sandbox, Stored
from benchmarks._tampered import small_record
from veridical.agent.log.bundle import write_bundle
from veridical.agent.log.dsse import Signer
from veridical.agent.log.erasure import erase
from veridical.agent.log.holds import place as place_hold
from veridical.agent.log.keys import SigningKey
from veridical.agent.log.log import Log
from veridical.agent.log.note import NoteKey, cosign, read_checkpoint
from veridical.agent.log.statement import new_statement
from veridical.agent.log.verified import Expected
from veridical.agent.logged import log_decision
from veridical.agent.record.canonical import canonical_json
from veridical.agent.record.files import read_record
from veridical.errors import InputError, VeridicalError

__all__ = ["FORMAT", "main", "make", "measure", "summarise"]

FORMAT = "veridical.tamper/1"
"""Name and version of the JSON that is printed."""

_WITNESS: Signer = SigningKey.of(bytes([9]) * 32)
_WEIGHTS = {"envelopes": 4, "columns": 6, "file": 5, "manifests": 1, "arrays": 2, "sealed": 1, "memory": 1}
_WEIGHTS |= {"proofs": 2, "bundles": 2, "certificates": 1}
_COUNTS = ("changes", "without_effect", "detected", "right_cause", "refused_to_open")

Change = Callable[[random.Random], Outcome | None]


def make(folder: Path, decisions: int = 12, record: Path | None = None) -> tuple[Sandbox, Stored, list[Path]]:
    """Make the log that is tampered with.

    Args:
        folder: an empty one.
        decisions: how many.
        record: folder of a real record, which is logged as well.

    Returns:
        The log, what it hands out, and its blobs: a manifest's, an open array's and a sealed part's for each decision.
    """
    home, witness = folder / "home", NoteKey("witness.example/w", _WITNESS.public, "witness")
    result, arrays = small_record()
    with Log.open(home) as log:
        made = [log_decision(log, result, arrays) for _ in range(decisions)]
        act = {"about": made[1].id, "act": "overridden", "who": "op-1", "reason": "road clear", "action": "PROCEED"}
        log.append(new_statement("operator", act, [("record", log.entry(made[1].number).digest)]))
        log.rotate("yearly")
        if record is not None:
            log_decision(log, *read_record(record))
        log.revoke(str(log.trust().keys()[0]["key_id"]), "retired")
        seen = log.checkpoint()
        place_hold(log, "court", "case 7", records=[made[0].id])
        subject = log.entry(made[2].number).statement.predicate["subject"]
        certificate = erase(log, subject, "the person", "asked for it").to_dict()
        note = log.checkpoint()
        size = read_checkpoint(note).checkpoint.size
        cosigned = cosign(note, witness.name, _WITNESS.sign, _WITNESS.public, 1_800_000_000)
        log.keep_witnessed(size, witness.name, cosigned)
        expected = Expected(key=log.note_key, checkpoints=(seen,), witnesses=(witness,), quorum=1)
        write_bundle(log, [made[1].number], folder / "bundle.zip")
        proofs = tuple((log.entry(n).envelope, log.prove(n).text()) for n in range(log.size()))
        paths = [home / "blobs" / digest[7:9] / digest[7:] for digest in _named(log)]
    certified = canonical_json(certificate, "certificate")
    stored = Stored(expected, proofs, (folder / "bundle.zip").read_bytes(), certified, folder)
    return Sandbox(home, expected), stored, paths


def measure(
    folder: Path, count: int, seed: int = 0, decisions: int = 12, record: Path | None = None, *, show: bool = False
) -> list[Outcome]:
    """Change ``count`` bytes, one at a time, and return what came of each.

    Args:
        folder: an empty one, to work in.
        count: changes.
        seed: of what is changed.
        decisions: in the log.
        record: folder of a real record, which is logged as well.
        show: whether progress is shown.
    """
    sandbox, stored, blobs = make(folder, decisions, record)
    if sandbox.judge().causes:
        raise InputError(f"tamper: the log does not hold before anything is changed: {sandbox.judge().told}")
    changes, rng = _changes(sandbox, stored, blobs), random.Random(seed)
    names = [name for name, weight in _WEIGHTS.items() for _ in range(weight)]
    outcomes: list[Outcome] = []
    turns: Iterable[int] = range(count)
    for turn in track(turns, "changing bytes", console=Console(stderr=True)) if show else turns:
        name, outcome = names[turn % len(names)], None
        while outcome is None:  # SQLite refuses some, such as a second row of one number
            outcome = changes[name](rng)
        outcomes.append(outcome)
    return outcomes


def summarise(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return counts by place, and every change that was missed or told with another cause."""
    places: dict[str, dict[str, Any]] = {}
    for outcome in outcomes:
        row = places.setdefault(outcome.place, dict.fromkeys(_COUNTS, 0) | {"causes": Counter()})
        row["changes"] += 1
        if not outcome.effect:
            row["without_effect"] += 1
            continue
        row["detected"] += bool(outcome.causes)
        row["right_cause"] += outcome.right
        row["refused_to_open"] += outcome.refused
        row["causes"][outcome.causes[0] if outcome.causes else "nothing"] += 1
    rows = {place: {**row, "causes": dict(row["causes"].most_common())} for place, row in sorted(places.items())}
    sums = {name: sum(row[name] for row in rows.values()) for name in _COUNTS}
    odd = [asdict(outcome) for outcome in outcomes if outcome.effect and not outcome.right]
    return {"format": FORMAT, **sums, "places": rows, "odd": odd}


def _changes(sandbox: Sandbox, stored: Stored, blobs: Sequence[Path]) -> Mapping[str, Change]:
    """By name: what changes one byte at that place."""
    columns = [key for key in COLUMNS if key != ("entries", "envelope")]
    memory = sandbox.home / "checkpoint"
    held = frozenset({"digest"})

    def kept(kind: str, paths: Sequence[Path]) -> Change:
        return lambda rng: sandbox.file(kind, rng.choice(paths), held, rng)

    return {
        "envelopes": lambda rng: sandbox.column("entries", "envelope", rng),
        "columns": lambda rng: sandbox.column(*rng.choice(columns), rng),
        "file": sandbox.raw,
        "manifests": kept("blobs: manifests", blobs[::3]),
        "arrays": kept("blobs: open arrays", blobs[1::3]),
        "sealed": kept("blobs: sealed parts", blobs[2::3]),
        "memory": lambda rng: sandbox.file("the tree head remembered", memory, NOTE, rng),
        "proofs": stored.proof,
        "bundles": stored.bundled,
        "certificates": stored.certified,
    }


def _named(log: Log) -> list[str]:
    """Digests of a manifest, an open array and a sealed part of each decision, in turn."""
    told = [entry.statement for entry in log.entries()]
    found = [said.predicate for said in told if said.kind == "decision"]
    return [digest for said in found for digest in (said["manifest"], said["blobs"][-1], said["sealed"][-1])]


def _print(told: Mapping[str, Any], seconds: float) -> None:
    table = Table(title="One byte changed", title_justify="left")
    table.add_column("place")
    for name in ("changes", "no effect", "found", "right cause", "does not open"):
        table.add_column(name, justify="right")
    table.add_column("told first")
    for place, row in told["places"].items():
        causes = ", ".join(f"{cause} {count}" for cause, count in row["causes"].items())
        counts = [row[name] for name in _COUNTS]
        table.add_row(place, *map(str, counts), causes)
    console = Console(width=max(Console().width, 130))
    console.print(table)
    mattered = told["changes"] - told["without_effect"]
    console.print(f"{told['detected']} of {mattered} found, {told['right_cause']} with the right cause.")
    console.print(f"{1000 * seconds / max(told['changes'], 1):.0f} ms a change.")
    for odd in told["odd"][:20]:
        console.print(f"odd: {odd['place']}, {odd['what']}: {', '.join(odd['causes']) or 'nothing'}", highlight=False)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tamper", description="Whether changed bytes are found.")
    parser.add_argument("--changes", type=int, default=1200, help="bytes to change, one at a time")
    parser.add_argument("--seed", type=int, default=0, help="of what is changed")
    parser.add_argument("--decisions", type=int, default=12, help="in the log")
    parser.add_argument("--record", type=Path, help="folder of a real record, which is logged as well")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    try:
        if options.changes < 1 or options.decisions < 3:
            raise InputError("tamper: give at least 1 change, and 3 decisions")
        with tempfile.TemporaryDirectory() as folder:
            outcomes = measure(
                Path(folder), options.changes, options.seed, options.decisions, options.record, show=not options.json
            )
    except VeridicalError as error:
        parser.error(str(error))
    told = summarise(outcomes)
    if options.json:
        print(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        _print(told, time.perf_counter() - start)


if __name__ == "__main__":
    main()
