"""The commands ``veridical audit verify`` and ``prove``: that nothing was changed, dropped or back-dated."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import InputError, IntegrityError
from .options import file_option, json_option, log_options, opened, print_json, read_keys, read_text, write_file
from .tables import paint, pairs, say

if TYPE_CHECKING:
    from ..log.verified import Verification

__all__ = ["prove", "verify"]

_PATH = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("bundle", required=False, type=_PATH, metavar="[BUNDLE.zip]")
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    type=_PATH,
    metavar="FILE",
    help="A signed checkpoint seen earlier, which the log must still hold; may be repeated.",
)
@click.option("--key", metavar="VKEY|FILE", help="The log's verifier key, as its operator published it.")
@click.option("--witness", "witnesses", multiple=True, metavar="VKEY|FILE", help="A witness's key; may be repeated.")
@click.option(
    "--quorum", type=click.IntRange(0), default=0, metavar="N", help="How many of the witnesses must have cosigned."
)
@click.option("--quick", is_flag=True, help="Hold blobs against their digests, but do not look into the records.")
@log_options
@json_option
def verify(bundle: Path | None, quick: bool, as_json: bool, **options: Any) -> None:
    """Verify the whole log, or a bundle: signatures, digests, tree, checkpoints, and what the records say.

    What follows from what in a record is worked out again, without the model. The first bad entry is named. Leaves
    with status 1 if anything does not hold.
    """
    key = read_keys(options["key"])[0] if options["key"] else None
    if bundle is None:
        found = _log(options, key, quick)
    else:
        given = [name for name in ("checkpoints", "witnesses", "quorum", "home", "url") if options[name]]
        if given:
            name = {"checkpoints": "checkpoint", "witnesses": "witness", "url": "log"}.get(given[0], given[0])
            raise InputError(f"--{name} and {bundle}: a bundle stands alone; verify the log, or leave it out")
        found = _bundle(bundle, key, quick)
    if as_json:
        print_json(found.to_dict())
    else:
        _tell(found, str(bundle) if bundle else None, pinned=key is not None, seen=bool(options["checkpoints"]))
    click.get_current_context().exit(0 if found.ok else 1)


def _log(options: Mapping[str, Any], key: Any, quick: bool) -> Verification:
    """Verify a log, also one that does not open: where it is broken is what is asked."""
    from ..log.log import Log
    from ..log.verified import Expected, Problem
    from ..log.verify import verify_log
    from .contents import Contents

    known = {one.name: one for given in options["witnesses"] for one in read_keys(given, "--witness")}
    if options["quorum"] > len(known):
        raise InputError(f"--quorum {options['quorum']}: {len(known)} witnesses are given; name more, or ask for fewer")
    texts = [read_text(path, "a checkpoint") for path in options["checkpoints"]]
    expected = Expected(key, texts, list(known.values()), options["quorum"])
    try:
        with opened(options) as log, _progress() as advance:
            return verify_log(log, expected, Contents(deep=not quick), advance)
    except IntegrityError as error:
        with Log.as_it_is(options["home"], options["url"]) as log:
            found = verify_log(log, expected, Contents(deep=not quick))
        if error.cause not in {problem.cause for problem in found.problems}:
            found.problems.append(Problem(error.cause, str(error), error.entry))
        return found


def _bundle(path: Path, key: Any, quick: bool) -> Verification:
    from ..log.bundle import verify_bundle
    from .contents import Contents

    return verify_bundle(path, key, Contents(deep=not quick))


def _tell(found: Verification, bundle: str | None, *, pinned: bool, seen: bool) -> None:
    """Print the outcome, what does not hold, and what was checked."""
    from .terminal import print_lines

    what = bundle or (found.key.partition("+")[0] or "the log")
    if found.ok:
        say(paint(f"✓ Verified: {what}, all {found.entries:,} entries hold", "✓", bold=True))
    else:
        count = len(found.problems)
        things = "one thing does not hold" if count == 1 else f"{count:,} things do not hold"
        say(paint(f"✗ Not verified: {what}: {things}", "✗", bold=True))
        first = found.problems[0]
        if first.entry is not None:
            say(f"The first bad entry is {first.entry}" + (f", {first.id}" if first.id else "") + ".")
        _problems(found)
    say()
    print_lines(pairs(_checked(found)))
    notes = list(found.notes)
    if found.ok and not (pinned and (seen or bundle)):
        wanted = [] if pinned else ["its key (--key)"]
        wanted += [] if seen or bundle else ["a checkpoint kept elsewhere (--checkpoint)"]
        notes.append(
            f"This shows that {'the bundle' if bundle else 'the log'} is whole. That it is the one that was written, "
            f"and no other, shows with {' and '.join(wanted)}."
        )
    if notes:
        say()
        print_lines(pairs(("·", note) for note in notes))


def _problems(found: Verification) -> None:
    """Print what does not hold, what it is of before each."""
    from .tables import width
    from .terminal import print_lines

    most = 20
    rows = [
        (f"✗ {'log' if p.entry is None else f'entry {p.entry}'}, {p.cause}", p.told.removeprefix(f"entry {p.entry}: "))
        for p in found.problems[:most]
    ]
    print_lines(pairs(rows, width()))
    if len(found.problems) > most:
        say(paint(f"and {len(found.problems) - most:,} more; --json tells them", dim=True))


def _checked(found: Verification) -> list[tuple[str, str]]:
    """What was checked, and how much of it."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(found.kinds.items(), key=lambda i: (-i[1], i[0])))
    rows = [("entries", f"{found.entries:,}" + (f": {kinds}" if kinds else ""))]
    rows.append(("blobs", f"{found.blobs:,} held against their digests"))
    if found.opened:
        rows.append(("sealed parts", f"{found.opened:,} opened, and held against their commitments"))
    if found.sealed:
        rows.append(("still sealed", f"{found.sealed:,}, their keys are erased or elsewhere"))
    if found.dropped:
        rows.append(("dropped", f"{found.dropped:,} blobs, as retention entries say"))
    rows.append(("checkpoints", f"{found.checkpoints:,} signed tree heads"))
    if found.witnessed:
        rows.append(("cosignatures", f"{found.witnessed:,} by the witnesses given"))
    if found.root:
        rows.append(("tree", f"{found.size:,} entries, root {found.root}"))
    if found.key:
        rows.append(("key", found.key))
    revoked = [str(key["key_id"]) for key in found.keys if key.get("revoked") is not None]
    if len(found.keys) > 1:
        rows.append(("keys", f"{len(found.keys)}" + (f", revoked: {', '.join(revoked)}" if revoked else "")))
    return rows


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Show on stderr how far it is, while a terminal looks on; yields what takes entries done and all."""
    if not sys.stderr.isatty():
        yield lambda done, of: None
        return

    def advance(done: int, of: int) -> None:
        filled = round(30 * done / max(of, 1))
        click.echo(f"\r{'█' * filled}{'░' * (30 - filled)} {done:,} of {of:,} entries ", nl=False, err=True)

    try:
        yield advance
    finally:
        click.echo("\r\x1b[K", nl=False, err=True)


@click.command()
@click.argument("which", required=False, metavar="[WHICH]")
@file_option("--out", ".tlog-proof", "Write the proof to a file; unless said, it is printed.")
@file_option("--entry", ".json", "The entry's own bytes: written beside the proof, or with --check read.")
@click.option(
    "--consistency", type=click.IntRange(0), metavar="OLD", help="Prove that the log of OLD entries begins this one."
)
@click.option("--check", type=_PATH, metavar="FILE", help="Check the proof in a file, without the log.")
@click.option("--key", metavar="VKEY|FILE", help="The log's verifier key, to check a proof with.")
@log_options
@json_option
def prove(which: str | None, as_json: bool, **options: Any) -> None:
    """Prove that an entry is in the log (C2SP's tlog-proof), or that the log only grew; check such a proof.

    WHICH is an entry's number or id; after --consistency OLD it may be the later size, the log's own unless said.
    """
    check, old = options["check"], options["consistency"]
    if (check is not None and (old is not None or which)) or (check is None and old is None and which is None):
        raise InputError(
            "prove: name an entry, or give --consistency OLD [NEW], or --check FILE --entry FILE --key KEY"
        )
    if check is not None:
        _check(check, options, as_json=as_json)
    elif old is not None:
        _consistency(old, which, options, as_json=as_json)
    elif which is not None:
        _inclusion(which, options, as_json=as_json)


def _inclusion(which: str, options: Mapping[str, Any], *, as_json: bool) -> None:
    """Prove an entry."""
    with opened(options) as log:
        entry = log.entry(which)
        text = log.prove(entry.number).text()
    if options["entry"]:
        write_file(options["entry"], entry.envelope)
    if options["out"]:
        write_file(options["out"], text)
    elif as_json:
        print_json({"number": entry.number, "id": entry.statement.id, "digest": entry.digest, "proof": text})
    else:
        click.echo(text, nl=False)


def _consistency(old: int, later: str | None, options: Mapping[str, Any], *, as_json: bool) -> None:
    """Prove that one size's log is the beginning of another's."""
    import base64

    from ..log.merkle import check_consistency
    from ..log.note import read_checkpoint

    if later is not None and not (later.isascii() and later.isdecimal() and len(later) < 19):
        raise InputError(f"prove --consistency {old} {later[:40]!r}: the later size is a number of entries")
    if options["entry"]:
        raise InputError("--entry and --consistency: a proof that the log only grew is of no entry; leave it out")
    with opened(options) as log:
        new = log.size() if later is None else int(later)
        path = log.consistency(old, new)
        heads = [read_checkpoint(log.checkpoint(size)).checkpoint if size else None for size in (old, new)]
    if heads[0] is not None and heads[1] is not None:
        check_consistency(old, new, path, heads[0].root, heads[1].root)
    hashes = [base64.b64encode(hash_).decode() for hash_ in path]
    roots = [head.root.hex() if head else None for head in heads]
    told = {"old": {"size": old, "root": roots[0]}, "new": {"size": new, "root": roots[1]}, "path": hashes}
    if options["out"]:
        import json

        write_file(options["out"], json.dumps(told, indent=2) + "\n")
    elif as_json:
        print_json(told)
    else:
        say(f"✓ The log of {old} entries is the beginning of the log of {new}; {len(path)} hashes prove it:")
        for line in hashes:
            say(line)


def _check(path: Path, options: Mapping[str, Any], *, as_json: bool) -> None:
    """Check a proof from a file, without the log."""
    from ..log.dsse import read_envelope
    from ..log.merkle import leaf_hash
    from ..log.proof import check_proof, read_proof
    from ..log.statement import read_statement

    if not options["entry"] or not options["key"]:
        raise InputError(
            "prove --check: --entry FILE (the entry's bytes) and --key (the log's verifier key) are wanted"
        )
    proof = read_proof(read_text(path, "a proof"))
    content = read_text(options["entry"], "an entry").encode("utf-8")
    error: IntegrityError | None = None
    for key in read_keys(options["key"]):
        try:
            head = check_proof(proof, leaf_hash(content), key)
            break
        except IntegrityError as found:
            error = error or found
    else:
        if error is not None:
            raise error
        raise InputError("prove --check: no key was given")
    statement = read_statement(read_envelope(content, str(options["entry"])).payload, str(options["entry"]))
    told = {"number": proof.number, "id": statement.id, "kind": statement.kind, "time": statement.time}
    told |= {"origin": head.origin, "size": head.size, "root": head.root.hex()}
    if as_json:
        print_json(told)
    else:
        say(f"✓ Entry {proof.number} ({statement.kind} of {statement.time}, {statement.id}) is in {head.origin},")
        say(f"  under the signed checkpoint of {head.size} entries with the root {head.root.hex()}.")
