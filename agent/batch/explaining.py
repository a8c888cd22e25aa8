"""The one callable that explains an item, wherever it runs: a row in, a row out, and no exception."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ...errors import InputError, VeridicalError

if TYPE_CHECKING:
    from ...modalities.contract import System
    from ..explainer import Settings

__all__ = ["CHUNK", "FIELDS", "Explaining", "identity_of", "make_system", "settings_for"]

CHUNK = 4
"""Points of a path evaluated at once: fixed, for what a measurement finds fastest differs from process to process, and
the results with it by rounding."""

FIELDS: Mapping[str, Any] = {
    "kind": "",
    "id": "",
    "digest": "",
    "key": "",
    "why": "",
    "changed": False,
    "labels": "{}",
    "time": "",
    "notes": "[]",
    "content": b"",
    "result": b"",
    "arrays": b"",
    "provenance": b"",
    "system": "",
    "started": "",
    "ended": "",
    "seconds": 0.0,
}
"""The members of a row, each with its value where there is nothing to say. ``kind`` is ``item`` (to be explained),
``explained``, ``failed``, ``bad`` (could not be read), ``done`` or ``failed before`` (the log has it)."""


def make_system(name: str) -> System:
    """Make a system: one that is registered under a name, or what ``package.module:function`` returns.

    Raises:
        InputError: no such name, or no such function.
        ContractError: what is registered cannot be imported.
    """
    if ":" not in name:
        from ..systems import load_system

        return load_system(name)
    import importlib

    module, _, function = name.partition(":")
    try:
        return getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError) as error:
        raise InputError(f"system {name!r}: {error}; write package.module:function") from error


def identity_of(system: System) -> str:
    """Return what tells a system from others and from its own later versions: name, and a digest.

    The digest is its own, or else that of its weights and of the settings of its senses.
    """
    from ..provenance import preprocessing_of, weights_of
    from ..record.canonical import canonical_json

    digest = getattr(system, "digest", None)
    if not isinstance(digest, str):
        told = {"weights": weights_of(system), "preprocessing": preprocessing_of(system)}
        digest = f"sha256:{sha256(canonical_json(told, 'the system')).hexdigest()}"
    return f"{getattr(system, 'name', type(system).__name__)} {digest}"


def settings_for(depth: str, salt: str | Callable[[str], str] | None) -> Settings:
    """Return the settings of a depth, with all that may differ between processes held.

    Raises:
        InputError: no such depth.
    """
    from dataclasses import replace

    from ..depths import settings_at

    settings = settings_at(depth)
    path = replace(settings.ladder.path, chunk=CHUNK)
    return replace(settings, ladder=replace(settings.ladder, path=path), salt=salt)


@dataclass
class Explaining:
    """Explains items one by one; made once for each worker, for making the system takes seconds.

    Calling it with a row of `FIELDS` returns a row. A row whose kind is not ``item`` passes through. Nothing is kept
    from one row to the next, so that a result depends on its item alone, and not on order, process or batch.

    Attributes:
        system: name of the system, see `make_system`.
        depth: how far is explained, see `veridical.agent.depths.DEPTHS`.
        salt: a fixed text from which each item's salt follows, for comparing runs: the record then says that the salt
            was given beforehand. None: `head` is asked after each commitment.
        head: gives the log's head, see `veridical.agent.logged.head_salt`; where there is none either, a salt is drawn.
        threads: that torch computes with; results may differ by rounding between numbers of threads.

    Raises:
        InputError: no such system or depth.
        ContractError: the system breaks the contract.
        WeightsError: its weights cannot be had.
    """

    system: str = "courier"
    depth: str = "verdict"
    salt: str | None = None
    head: Callable[[str], str] | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        import torch

        torch.set_num_threads(self.threads)
        self._made = make_system(self.system)
        self.identity = identity_of(self._made)
        settings_for(self.depth, None)

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Explain an item; whatever goes wrong is said in the row that is returned, whose kind is then ``failed``."""
        row = {**FIELDS, **row}
        if row["kind"] != "item":
            return {**row, "content": b""}
        started, began = _now(), time.perf_counter()
        try:
            told = self._explain(row)
        except VeridicalError as error:
            told = {"kind": "failed", "why": " ".join(str(error).split())}
        except Exception as error:  # noqa: BLE001  # one item's trouble, whatever it is, is not that of the others
            told = {"kind": "failed", "why": f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"}
        seconds = time.perf_counter() - began
        said = {"content": b"", "system": self.identity, "started": started, "ended": _now(), "seconds": seconds}
        return {**row, **said, **told}

    def _explain(self, row: Mapping[str, Any]) -> dict[str, Any]:
        import json

        from ...modalities.given import Given
        from ..explainer import Explainer
        from ..provenance import provenance_of
        from ..record.canonical import canonical_json
        from ..record.plain import plain
        from ..record.tensors import write_tensors
        from .packing import unpack

        salt = self.head if self.salt is None else sha256(f"{self.salt}|{row['id']}".encode()).hexdigest()
        observation = unpack(row["content"])
        given = Given({}, notes=tuple(json.loads(row["notes"])))
        found = Explainer(self._made, settings_for(self.depth, salt)).explain(observation, given=given)
        return {
            "kind": "explained",
            "result": canonical_json(plain(found.to_dict()), "the result"),
            "arrays": _pieces(found.arrays(), write_tensors),
            "provenance": canonical_json(plain(provenance_of(self._made)), "the provenance"),
        }


def _pieces(arrays: Mapping[str, Any], write: Callable[..., bytes]) -> bytes:
    """The arrays as bytes, each a file of its own: a file's header is bounded, the number of arrays is not."""
    from .frames import to_bytes

    return to_bytes({name: write({"array": array}) for name, array in arrays.items()})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
