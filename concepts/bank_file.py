"""Banks on disk: a folder with two files a sense, ``vision.json`` (canonical JSON) and ``vision.safetensors``.

Nothing in them is ever unpickled, imported or run. The description holds the digest of the arrays; both are checked
when they are read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rfc8785
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ..errors import InputError
from .bank import FORMAT, Association, ConceptBank, ConceptName, Prototype

__all__ = ["read_banks", "write_banks"]


def write_banks(folder: str | Path, banks: Mapping[str, ConceptBank]) -> list[Path]:
    """Write banks into a folder, which is made; files of the same names are replaced.

    Raises:
        InputError: no bank, or it cannot be written there.
    """
    place = Path(folder)
    if not banks:
        raise InputError("concepts: no bank to write; fit one first")
    written: list[Path] = []
    try:
        place.mkdir(parents=True, exist_ok=True)
        for sense, bank in banks.items():
            for ending, content in (("safetensors", save(bank.arrays())), ("json", rfc8785.dumps(bank.describe()))):
                path = place / f"{sense}.{ending}"
                staged = path.with_name(f".{path.name}.part")
                staged.write_bytes(content)
                staged.replace(path)
                written.append(path)
    except OSError as error:
        raise InputError(f"concepts: {place} cannot be written: {error.strerror}; name another folder") from error
    return written


def read_banks(folder: str | Path, system: str | None = None) -> dict[str, ConceptBank]:
    """Read the banks of a folder by sense.

    Args:
        folder: where.
        system: digest of the system that they must have been fitted for.

    Raises:
        InputError: no such folder, no bank in it, a bank that was altered or was fitted for another system.
    """
    place = Path(folder)
    if not place.is_dir():
        raise InputError(f"concepts: no folder {place}; make a bank by `veridical concepts fit`")
    found = {}
    for path in sorted(place.glob("*.json")):
        bank = _read(path)
        if system is not None and bank.made.get("system") != system:
            raise InputError(
                f"concepts: {path} was fitted for the system {bank.made.get('system')}, this is {system}; fit a bank "
                "for it by `veridical concepts fit`"
            )
        found[bank.sense] = bank
    if not found:
        raise InputError(f"concepts: {place} holds no bank (*.json); make one by `veridical concepts fit`")
    return found


def _read(path: Path) -> ConceptBank:
    try:
        told = json.loads(path.read_bytes())
        arrays = load(path.with_suffix(".safetensors").read_bytes())
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise InputError(
            f"concepts: {path} or its .safetensors cannot be read: {error}; copy the folder again"
        ) from error
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise InputError(f"concepts: {path} is not a bank of format {FORMAT!r}; fit it again")
    try:
        bank = _build(told, arrays)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"concepts: {path} lacks something ({error!r}); it was altered; copy the folder again"
        ) from error
    if bank.describe() != told:
        raise InputError(f"concepts: {path} does not belong to the arrays beside it; one was altered; copy both again")
    return bank


def _build(told: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> ConceptBank:
    return ConceptBank(
        sense=told["sense"],
        **{name: arrays[name] for name in sorted(arrays)},
        prototypes=tuple(
            tuple(
                Prototype(p["observation"], tuple(p["place"]), tuple(p["grid"]), float(p["strength"])) for p in each
            )
            for each in told["prototypes"]
        ),
        associations=tuple(Association(**a) if a else None for a in told["associations"]),
        names=tuple(ConceptName(**n) if n else None for n in told["names"]),
        price=float(told["price"]),
        made=told["made"],
        version=told["version"],
    )  # fmt: skip
