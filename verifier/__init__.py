"""The verifier: commit to what an explanation predicts, edit the input, measure, judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .claims import Claim, ClaimSettings, propose
    from .commitment import Commitment, commit
    from .controls import Controls, draw_controls
    from .judge import RankTest, Verdict, judge, rank_test
    from .measure import Laboratory
    from .verify import CheckedClaim, Effect, Verification, VerifySettings, verify

__all__ = [
    "CheckedClaim",
    "Claim",
    "ClaimSettings",
    "Commitment",
    "Controls",
    "Effect",
    "Laboratory",
    "RankTest",
    "Verdict",
    "Verification",
    "VerifySettings",
    "commit",
    "draw_controls",
    "judge",
    "propose",
    "rank_test",
    "verify",
]

_HOME = {
    "Claim": "claims",
    "ClaimSettings": "claims",
    "Commitment": "commitment",
    "Controls": "controls",
    "Laboratory": "measure",
    "RankTest": "judge",
    "Verdict": "judge",
    "commit": "commitment",
    "draw_controls": "controls",
    "judge": "judge",
    "propose": "claims",
    "rank_test": "judge",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOME.get(name, 'verify')}", __name__), name)
