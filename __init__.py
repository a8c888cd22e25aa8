"""Veridical: explains the decisions of systems that see, hear and read, and checks that the account is true.

Names are loaded when they are first used, so that `import veridical`, and reading a log, need no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .agent.explainer import Explainer, explain
    from .agent.explanation import Explanation
    from .agent.log.log import Log
    from .agent.loop.agent import ExplanationAgent
    from .agent.loop.decision import Decision
    from .agent.loop.policy import Policy
    from .errors import (
        ContractError,
        DeadlineError,
        InputError,
        IntegrityError,
        RecordError,
        VeridicalError,
        WeightsError,
    )
    from .modalities.array import Array
    from .modalities.attribution import Attribution, attribute
    from .modalities.audio import Audio
    from .modalities.axis import Axis
    from .modalities.check import check_system
    from .modalities.check_sense import check_modality
    from .modalities.target import Target
    from .modalities.text import Text
    from .modalities.vision import Vision

    __version__: str

__all__ = [
    "Array",
    "Attribution",
    "Audio",
    "Axis",
    "ContractError",
    "DeadlineError",
    "Decision",
    "Explainer",
    "Explanation",
    "ExplanationAgent",
    "InputError",
    "IntegrityError",
    "Log",
    "Policy",
    "RecordError",
    "Target",
    "Text",
    "VeridicalError",
    "Vision",
    "WeightsError",
    "__version__",
    "attribute",
    "check_modality",
    "check_system",
    "explain",
]

_HOMES = {
    "Array": ".modalities.array",
    "Attribution": ".modalities.attribution",
    "Audio": ".modalities.audio",
    "Axis": ".modalities.axis",
    "ContractError": ".errors",
    "DeadlineError": ".errors",
    "Decision": ".agent.loop.decision",
    "Explainer": ".agent.explainer",
    "Explanation": ".agent.explanation",
    "ExplanationAgent": ".agent.loop.agent",
    "InputError": ".errors",
    "IntegrityError": ".errors",
    "Log": ".agent.log.log",
    "Policy": ".agent.loop.policy",
    "RecordError": ".errors",
    "Target": ".modalities.target",
    "Text": ".modalities.text",
    "VeridicalError": ".errors",
    "Vision": ".modalities.vision",
    "WeightsError": ".errors",
    "attribute": ".modalities.attribution",
    "check_modality": ".modalities.check_sense",
    "check_system": ".modalities.check",
    "explain": ".agent.explainer",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = _version()
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name], __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; its names: {', '.join(__all__)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    """Return the installed version; an ``AttributeError`` where only the source lies on the path."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("veridical")
    except PackageNotFoundError as error:
        raise AttributeError(
            "veridical has no __version__, for it is not installed; run `pip install -e .` in its checkout"
        ) from error
