"""Putting an explanation's findings into a plain result."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from torch import Tensor

from ..concepts.graph import Decided
from ..concepts.graph_export import to_json
from ..concepts.sentences import Sentence
from ..fusion.frame import FusedFrame
from ..modalities.contract import Prepared, System
from ..modalities.engines.diagnose import SAMPLES
from ..modalities.path import ROUNDING, JointPath
from ..modalities.saliency import Diagnostics
from ..modalities.wording import number
from ..verifier.account import CheckedClaim
from ..verifier.commitment import digest_array
from ..verifier.ladder import Climb, LadderSettings
from ..verifier.verify import Verification
from .concepts_told import concepts_told
from .conclude import Conclusions
from .explanation import FORMAT
from .verdicts import by_action, claim_told, further_told, verdict_told

__all__ = ["Findings", "assemble", "signal_digest"]


@dataclass(frozen=True)
class Findings:
    """Everything that was found out about one decision."""

    system: System
    prepared: Mapping[str, Prepared]
    logits: Tensor
    climb: Climb
    fused: FusedFrame
    conclusions: Conclusions
    tolerance: float
    ladder: LadderSettings | None = None
    """How the ladder was climbed; None where nobody said."""
    salts: Mapping[str, str] = field(default_factory=dict)
    """With which the digest of each signal is salted, by sense; hexadecimal."""
    salted: bool = False
    """Whether the salt was given beforehand, instead of drawn after the commitment."""
    diagnostics: Mapping[str, Diagnostics] = field(default_factory=dict)
    """Saturation and variation of the gradient at the input, by sense."""
    notes: tuple[str, ...] = ()
    """What was noted of the system itself."""

    @property
    def decided(self) -> Decided:
        """The decision in figures."""
        return self.conclusions.decided

    @property
    def path(self) -> JointPath:
        """The path that the explanation rests on, or that told it where to look."""
        return self.climb.final.proposal.path

    @property
    def verification(self) -> Verification:
        """That of the account which stands."""
        return self.climb.final.verification

    @property
    def additive(self) -> bool:
        """Whether the contributions are to add up to the score's difference; effects measured one by one need not."""
        return self.climb.final.proposal.rung != "measured"


def signal_digest(prepared: Prepared, salt: str | None) -> str:
    """Return the SHA-256 of a signal as it was given, salted: so that nobody without the salt can test a guess of it.

    Args:
        prepared: the signal.
        salt: hexadecimal; None gives the bare digest, as records of version 1 had it.
    """
    raw = prepared.raw
    if isinstance(raw, str):
        bare = f"sha256:{sha256(raw.encode()).hexdigest()}"
    else:
        arrays = raw if isinstance(raw, tuple) else (raw,)
        parts = "|".join(digest_array(np.asarray(a)) for a in arrays)
        bare = parts if len(arrays) == 1 else f"sha256:{sha256(parts.encode()).hexdigest()}"
    return bare if salt is None else f"sha256:{sha256(bytes.fromhex(salt) + bare.encode()).hexdigest()}"


def _signal(prepared: Prepared, salt: str | None) -> dict[str, Any]:
    told: dict[str, Any] = {"present": True, "digest": signal_digest(prepared, salt), "notes": list(prepared.notes)}
    if salt is not None:
        told["salt"] = salt
    told["duration"] = prepared.duration
    if prepared.clock is not None:
        told["clock"] = prepared.clock.to_dict()
    if prepared.modality == "vision":
        told |= {"frames": len(prepared.raw), "sizes": [[int(f.shape[1]), int(f.shape[0])] for f in prepared.raw]}
    elif prepared.modality == "audio":
        told["rate"] = prepared.detail["rate"]
    elif prepared.modality == "text":
        told["text"] = prepared.raw
    else:
        told["shape"] = list(np.shape(prepared.raw))
    return told


def _claim(findings: Findings, rank: int, checked: CheckedClaim) -> dict[str, Any]:
    claim = checked.claim
    units = [findings.fused.segmentations[claim.modality].units[u] for u in claim.units]
    told = claim_told(findings.system.actions, findings.decided.action, checked)
    if claim.modality == "text":
        gone, masked = _edited_text(findings.prepared[claim.modality].raw, [u.span for u in units if u.span])
        texts = {"delete": {"text": gone}, "mask": {"text": masked}}
        told["effects"] = [{**e, **texts.get(e["operator"], {})} for e in told["effects"]]
    name = findings.conclusions.names[claim.name]
    return {
        **told,
        "rank": rank,
        "where": findings.conclusions.where[claim.name],
        "time": [min(u.time[0] for u in units), max(u.time[1] for u in units)],
        "name": name.text if name else None,
        "named_by": name.source if name else None,
        "confidence": name.confidence if name else None,
    }


def _edited_text(text: str, spans: list[tuple[int, int]]) -> tuple[str, str]:
    """The text with words left out, and with each of them as ``[MASK]``."""
    gone, masked, at = [], [], 0
    for start, end in sorted(spans):
        gone.append(text[at:start])
        masked += [text[at:start], "[MASK]"]
        at = end
    return " ".join("".join([*gone, text[at:]]).split()), "".join([*masked, text[at:]])


def _finite(value: float) -> float | None:
    """A number as JSON can hold it: None for what a system without a score at the baseline leaves undefined."""
    return value if math.isfinite(value) else None


def _baseline_action(system: System, path: JointPath) -> str | None:
    """The action chosen at the baseline; None where its scores are not finite."""
    return system.actions[int(path.baseline_logits.argmax())] if path.baseline_logits.isfinite().all() else None


def _gap_within(findings: Findings) -> bool:
    """Whether the sum of the contributions is as near to the score's difference as was asked for."""
    return findings.path.gap <= max(findings.tolerance * abs(findings.path.difference), ROUNDING)


def _notes(findings: Findings) -> list[str]:
    notes = [*findings.notes]
    notes += [f"{m}: {note}" for m, p in findings.prepared.items() for note in p.notes]
    path, verification = findings.path, findings.verification
    notes += verification.notes
    if findings.additive and math.isfinite(path.gap) and not _gap_within(findings):
        share = path.gap / max(abs(path.difference), 1e-9)
        notes.append(
            f"The contributions miss the score's difference by {number(path.gap)} nats ({100 * share:.0f}\u00a0%), "
            f"more than the {100 * findings.tolerance:g}\u00a0% asked for, after {path.nodes} points of the path."
        )
    wanted = len(verification.controls.edits)
    if verification.controls.matched < wanted:
        notes.append(
            f"Only {verification.controls.matched} of the {wanted} control edits match the first claim's edit energy "
            "within a factor of 1.3."
        )
    if findings.salted:
        notes.append("The salt of the control edits was given beforehand, not drawn after the commitment.")
    return notes


def _timing(spent: Mapping[str, float], findings: Findings) -> dict[str, Any]:
    attempts = findings.climb.attempts
    gradients = sum(a.proposal.gradients for a in attempts)
    edits = sum(a.proposal.passes + a.verification.passes for a in attempts) + findings.conclusions.layer.passes
    if findings.diagnostics:
        gradients += 1 + SAMPLES
        edits += 1
    main = {k: spent[k] for k in ("prepare", "decide", "attribute", "verify")}
    return {
        "total_ms": spent["total"],
        "prepare_ms": main["prepare"],
        "forward_ms": main["decide"],
        "attribution_ms": main["attribute"],
        "verification_ms": main["verify"],
        "concepts_ms": spent.get("concepts", 0.0),
        "fusion_ms": spent.get("fuse", 0.0),
        "rest_ms": spent["total"] - sum(main.values()) - spent.get("concepts", 0.0) - spent.get("fuse", 0.0),
        "passes": {"forward": 1 + gradients + edits, "backward": gradients},
        "x_forward": spent["total"] / max(main["decide"], 1e-6),
    }


def _text(sentences: Sequence[Sentence]) -> str:
    return " ".join(s.text for s in sentences)


def _sentence(sentence: Sentence) -> dict[str, Any]:
    return {
        "text": sentence.text,
        "claims": list(sentence.claims),
        "confirmed": sentence.confirmed,
        "kind": sentence.kind,
        "edges": [list(edge) for edge in sentence.edges],
        "facts": [asdict(fact) for fact in sentence.facts],
    }


def assemble(findings: Findings, spent: Mapping[str, float]) -> dict[str, Any]:
    """Return the result as plain JSON values; ``docs/record.md`` says what each means."""
    system, path, decided, concluded = findings.system, findings.path, findings.decided, findings.conclusions
    try:
        release = version("veridical")
    except PackageNotFoundError:
        release = "unknown"
    difference, verification = path.difference, findings.verification
    total = sum(findings.fused.shares.values()) if not findings.additive else path.contribution
    gap = abs(total - difference)
    return {
        "format": FORMAT,
        "id": str(uuid.uuid4()),
        "version": release,
        "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "system": {"name": decided.system, "digest": getattr(system, "digest", None), "actions": list(system.actions)},
        "observation": {
            m: _signal(findings.prepared[m], findings.salts.get(m)) if m in findings.prepared else {"present": False}
            for m in system.modalities
        },
        "decision": {
            "action": decided.action,
            "logits": by_action(system.actions, findings.logits.tolist()),
            "probabilities": dict(zip(decided.actions, decided.probabilities, strict=True)),
            "score": decided.score,
            "target": f"{decided.action} against the rest",
        },
        "attribution": {
            "method": verification.account.method,
            "additive": findings.additive,
            "nodes": path.nodes,
            "score": path.score,
            "baseline_score": _finite(path.baseline_score),
            "baseline_action": _baseline_action(system, path),
            "difference": _finite(difference),
            "sum": total,
            "gap": _finite(gap),
            "gap_share": _finite(gap / max(abs(difference), 1e-9)),
            "shares": dict(findings.fused.shares),
            "tolerance": findings.tolerance,
            "within_tolerance": _gap_within(findings),
            "map_change": path.map_change,
            "diagnostics": {m: asdict(d) for m, d in findings.diagnostics.items()},
        },
        "ranking": [unit.to_dict() for unit in findings.fused.ranking],
        "claims": [_claim(findings, i + 1, checked) for i, checked in enumerate(verification.claims)],
        **further_told(system.actions, verification),
        "verdict": verdict_told(system.actions, findings.climb, findings.ladder),
        "concepts": concepts_told(concluded),
        "justification": {
            "text": _text(concluded.sentences),
            "sentences": [_sentence(s) for s in concluded.sentences],
            "short": _text(concluded.short),
            "full": [_sentence(s) for s in concluded.full],
        },
        "graph": to_json(concluded.graph),
        "timing": _timing(spent, findings),
        "notes": _notes(findings),
    }
