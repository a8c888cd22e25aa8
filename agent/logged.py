"""Writing an explained decision into the log: its record's blobs, then one signed entry that names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .record.canonical import canonical_json
from .record.context import Context
from .record.manifest import compose
from .record.sealing import Sealer
from .record.summary import summary_of

if TYPE_CHECKING:
    from .log.log import Log, Receipt

__all__ = ["head_salt", "log_decision"]


def head_salt(log: Log) -> Callable[[str], str]:
    """Return what gives a log's head as the salt of control edits: chosen by neither the system nor the explainer.

    The salt is ``<origin>@<size>:<root, hexadecimal>``; whoever verifies the log sees that it had this root at this
    size, before the decision was written.

    Example:
        >>> settings = Settings(salt=head_salt(log))                                  # doctest: +SKIP
    """

    def salt(digest: str) -> str:
        del digest  # the seed is made of both; see `verifier.commitment`
        from .log.note import read_checkpoint

        head = read_checkpoint(log.checkpoint()).checkpoint
        return f"{head.origin}@{head.size}:{head.root.hex()}"

    return salt


def log_decision(
    log: Log,
    result: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    context: Context | None = None,
    subject: str | None = None,
) -> Receipt:
    """Append a decision's record to a log; it is durable when this returns.

    Raw signals, and words that the result quotes of a person, are sealed with the subject's key.

    Args:
        log: to be written to.
        result: an explanation's, see ``docs/record.md``.
        arrays: of the explanation.
        context: when, why, how coarsely; its ``seal`` is put in here where it has none. By default its id is the
            result's.
        subject: name of whom the signals are about; without one the decision is a subject of its own, so that it can
            be erased alone.

    Raises:
        RecordError: a value that cannot be recorded, or a log that cannot be written to: nothing was logged then.
        InputError: a subject's name that cannot be used, or a budget that cannot be held.
    """
    from dataclasses import replace

    from .log.statement import new_statement, now

    if context is None:
        context = Context(id=result["id"]) if "id" in result else Context()
    if context.seal is None:
        someone = log.subjects.of(subject)
        context = replace(context, seal=Sealer(someone.id, someone.key), subject=someone.id)
    manifest, blobs = compose(result, arrays, context)
    content = canonical_json(manifest, "the manifest")
    for blob in blobs.values():
        log.blobs.put(blob)
    digest = log.blobs.put(content)
    predicate = summary_of(manifest, digest)
    # The entry's time is that of its writing: so that a log's times follow each other, and back-dating shows.
    predicate |= {"decided": predicate["time"], "time": now()}
    return log.append(new_statement("decision", predicate, [("manifest.json", digest)]))
