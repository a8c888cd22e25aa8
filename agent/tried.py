"""What a record says was tried: each attempt with its account and parameters, so that it can be made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import RecordError
from ..modalities.evidence import Segmentation
from ..modalities.path import PathSettings
from ..verifier.account import Account
from ..verifier.claims import Claim, ClaimSettings
from ..verifier.grouping import GroupSettings
from ..verifier.judge import Criteria
from ..verifier.ladder import RUNGS, LadderSettings
from ..verifier.verify import VerifySettings

__all__ = ["Tried", "check_units", "read_attempt", "read_ladder"]


@dataclass(frozen=True)
class Tried:
    """One attempt as the record has it.

    Attributes:
        rung: its rung of the ladder.
        entry: all that is recorded of it.
        committed: what was committed to.
        digest: the commitment.
        salt: what the controls were drawn with beside it.
        account: what was put to the test: the claims committed to, and the contributions recorded.
        settings: how it was verified.
    """

    rung: str
    entry: Mapping[str, Any]
    committed: Mapping[str, Any]
    digest: str
    salt: str
    account: Account
    settings: VerifySettings


def read_attempt(entry: Mapping[str, Any]) -> Tried:
    """Read one attempt of a result.

    Raises:
        KeyError, TypeError, ValueError, AttributeError, InputError: it is not what this version writes; whoever reads
            a whole record says so in one way.
    """
    committed = entry["committed"]
    for key in ("observation", "system", "saliency", "units", "decision", "reference"):
        _ = committed[key]
    values = {m: np.asarray(entry["values"][m], np.float64) for m in committed["values"]}
    claims = tuple(
        Claim(c["name"], c["modality"], tuple(c["units"]), float(c["predicted"])) for c in committed["claims"]
    )
    if entry["rung"] not in RUNGS:
        raise ValueError(f"there is no rung {entry['rung']!r}")
    account = Account(committed["method"], values, claims)
    digest, salt = str(entry["commitment"]), str(entry["salt"])
    return Tried(entry["rung"], entry, committed, digest, salt, account, _settings(committed["parameters"]))


def _settings(told: Mapping[str, Any]) -> VerifySettings:
    parts = {"criteria": Criteria(**told["criteria"]), "claims": ClaimSettings(**told["claims"])}
    return VerifySettings(**{**told, **parts})


def read_ladder(told: Mapping[str, Any] | None) -> LadderSettings | None:
    """Read how the ladder was climbed; None where the record does not say. It raises as `read_attempt` does."""
    if told is None:
        return None
    groups = GroupSettings(**{**told["groups"], "claims": ClaimSettings(**told["groups"]["claims"])})
    parts = {"rungs": tuple(told["rungs"]), "path": PathSettings(**told["path"]), "groups": groups}
    return LadderSettings(**{**told, **parts})


def check_units(account: Account, segmentations: Mapping[str, Segmentation]) -> None:
    """See that an account is of these evidence units.

    Raises:
        RecordError: it has too many or too few contributions, or names units that are not there.
    """
    for m, values in account.values.items():
        if len(values) != len(segmentations[m]):
            raise RecordError(
                f"record: {len(values)} contributions of {m!r} for {len(segmentations[m])} units; it was altered"
            )
    for claim in account.claims:
        count = len(segmentations[claim.modality]) if claim.modality in segmentations else 0
        if not all(0 <= unit < count for unit in claim.units):
            raise RecordError(
                f"record: claim {claim.name} names units of {claim.modality!r} beyond the {count} there are; it was "
                "altered, or made of another observation"
            )
