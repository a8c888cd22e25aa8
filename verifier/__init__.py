"""The verifier: commit to what an explanation predicts, edit the input, measure, judge, and climb where it fails.

Functions named like their module stand there alone: ``verify.verify``, ``judge.judge``, ``agreement.agreement``,
``calibrate.calibrate``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .account import Account, CheckedClaim, Effect, state
    from .adjudicate import Adjudication, Ruling
    from .agreement import AgreementTest, agreement_test
    from .calibrate import Calibrated, read_reference, write_reference
    from .claims import Claim, ClaimSettings, propose
    from .commitment import Commitment, commit
    from .conformal import Calibration, read_calibration, write_calibration
    from .controls import Controls, draw_controls
    from .critic import Critique, criticise
    from .grouping import GroupSettings, measured_effects
    from .judge import Criteria, RankTest, Trial, Verdict, rank_test
    from .ladder import RUNGS, Attempt, Climb, LadderSettings, climb
    from .novelty import Novelty
    from .pairs import PairSearch, PairSettings, PairTest, check_pairs, find_pairs
    from .predictions import Basis, Prediction, predict
    from .radius import Radius, RadiusSettings, radii
    from .sanity import Sanity, check_sanity
    from .sanity_judges import SanityCheck, SanitySettings
    from .stream import BettingTest, ConfidenceSequence, ELond, LordPlus
    from .verify import Reference, Verification, VerifySettings, look_further

_HOME = {
    "Account": "account",
    "Adjudication": "adjudicate",
    "AgreementTest": "agreement",
    "Attempt": "ladder",
    "Basis": "predictions",
    "BettingTest": "stream",
    "Calibrated": "calibrate",
    "Calibration": "conformal",
    "CheckedClaim": "account",
    "Claim": "claims",
    "ClaimSettings": "claims",
    "Climb": "ladder",
    "Commitment": "commitment",
    "ConfidenceSequence": "stream",
    "Controls": "controls",
    "Criteria": "judge",
    "Critique": "critic",
    "ELond": "stream",
    "Effect": "account",
    "GroupSettings": "grouping",
    "LadderSettings": "ladder",
    "LordPlus": "stream",
    "Novelty": "novelty",
    "PairSearch": "pairs",
    "PairSettings": "pairs",
    "PairTest": "pairs",
    "Prediction": "predictions",
    "RUNGS": "ladder",
    "Radius": "radius",
    "RadiusSettings": "radius",
    "RankTest": "judge",
    "Reference": "verify",
    "Ruling": "adjudicate",
    "Sanity": "sanity",
    "SanityCheck": "sanity_judges",
    "SanitySettings": "sanity_judges",
    "Trial": "judge",
    "Verdict": "judge",
    "Verification": "verify",
    "VerifySettings": "verify",
    "agreement_test": "agreement",
    "check_pairs": "pairs",
    "check_sanity": "sanity",
    "climb": "ladder",
    "commit": "commitment",
    "criticise": "critic",
    "draw_controls": "controls",
    "find_pairs": "pairs",
    "look_further": "verify",
    "measured_effects": "grouping",
    "predict": "predictions",
    "propose": "claims",
    "radii": "radius",
    "rank_test": "judge",
    "read_calibration": "conformal",
    "read_reference": "calibrate",
    "state": "account",
    "write_calibration": "conformal",
    "write_reference": "calibrate",
}

__all__ = [
    "RUNGS",
    "Account",
    "Adjudication",
    "AgreementTest",
    "Attempt",
    "Basis",
    "BettingTest",
    "Calibrated",
    "Calibration",
    "CheckedClaim",
    "Claim",
    "ClaimSettings",
    "Climb",
    "Commitment",
    "ConfidenceSequence",
    "Controls",
    "Criteria",
    "Critique",
    "ELond",
    "Effect",
    "GroupSettings",
    "LadderSettings",
    "LordPlus",
    "Novelty",
    "PairSearch",
    "PairSettings",
    "PairTest",
    "Prediction",
    "Radius",
    "RadiusSettings",
    "RankTest",
    "Reference",
    "Ruling",
    "Sanity",
    "SanityCheck",
    "SanitySettings",
    "Trial",
    "Verdict",
    "Verification",
    "VerifySettings",
    "agreement_test",
    "check_pairs",
    "check_sanity",
    "climb",
    "commit",
    "criticise",
    "draw_controls",
    "find_pairs",
    "look_further",
    "measured_effects",
    "predict",
    "propose",
    "radii",
    "rank_test",
    "read_calibration",
    "read_reference",
    "state",
    "write_calibration",
    "write_reference",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOME[name]}", __name__), name)
