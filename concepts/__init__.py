"""Concepts: names for evidence, a causal graph of measured effects, plain sentences, the check against a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .acts import Act, Acted, append_act, apply_acts, read_acts
    from .bank import ConceptBank, ConceptName
    from .bank_file import read_banks, write_banks
    from .consistency import contradictions
    from .contrast import why_not
    from .discover import DiscoverySettings
    from .earn import EarnSettings, name_bank
    from .graph import causal_graph
    from .naming import Name, Namer
    from .rephrase import Rephrased
    from .sentences import Sentence, justify
    from .task import Task, read_task
    from .task_check import TaskCheck, check_task

__all__ = [
    "Act",
    "Acted",
    "ConceptBank",
    "ConceptName",
    "DiscoverySettings",
    "EarnSettings",
    "Name",
    "Namer",
    "Rephrased",
    "Sentence",
    "Task",
    "TaskCheck",
    "append_act",
    "apply_acts",
    "causal_graph",
    "check_task",
    "contradictions",
    "justify",
    "name_bank",
    "read_acts",
    "read_banks",
    "read_task",
    "why_not",
    "write_banks",
]

# Functions that are called as their modules (discover, gather, rephrase) are left there: one name means one thing.
_HOME = {
    "Act": "acts",
    "Acted": "acts",
    "ConceptBank": "bank",
    "ConceptName": "bank",
    "DiscoverySettings": "discover",
    "EarnSettings": "earn",
    "Name": "naming",
    "Namer": "naming",
    "Rephrased": "rephrase",
    "Sentence": "sentences",
    "Task": "task",
    "TaskCheck": "task_check",
    "append_act": "acts",
    "apply_acts": "acts",
    "causal_graph": "graph",
    "check_task": "task_check",
    "contradictions": "consistency",
    "justify": "sentences",
    "name_bank": "earn",
    "read_acts": "acts",
    "read_banks": "bank_file",
    "read_task": "task",
    "why_not": "contrast",
    "write_banks": "bank_file",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOME[name]}", __name__), name)
