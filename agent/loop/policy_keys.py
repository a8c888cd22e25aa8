"""The keys of an oversight policy: what each one says, what it may hold, and what it is unless given.

One table serves the dataclasses, the reader of files, and the JSON Schema, so that they cannot disagree.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ..depths import DEPTHS

__all__ = [
    "DEPTHS",
    "EXPLAIN",
    "FINDINGS",
    "FORMAT",
    "MODES",
    "OVERSIGHT",
    "REACTIONS",
    "RULE",
    "TOP",
    "TRIGGERS",
    "WORKERS",
    "Key",
    "nearest",
    "shown",
]

MODES = ("inline", "background", "triggered", "off")
"""When a decision is explained: before it is answered, after, only where something calls for it, never."""
WORKERS = ("process", "thread")
"""Where explanations in the background are made."""
TRIGGERS = (
    "low margin",
    "changed decision",
    "modality disagreement",
    "out of distribution",
    "request",
    "sampled",
)
"""What calls for an explanation."""
FINDINGS = (
    "supported",
    "unsupported",
    "inconclusive",
    "forbidden",
    "fault",
    "stale",
    "low margin",
    "changed decision",
    "modality disagreement",
    "out of distribution",
    "sensor",
)
"""What can be found of a decision, and a rule can ask for."""
REACTIONS = ("none", "annotate", "slow", "hand over", "stop")
"""What oversight does, rising."""
FORMAT = "veridical.policy/1"
"""What the key ``format`` of a file says."""

_LONGEST = 300


@dataclass(frozen=True)
class Key:
    """One key of a table.

    Attributes:
        name: of the key, as in the file and as the dataclass's attribute.
        kind: ``word`` (one of the choices), ``words`` (a list of some of them), ``number``, ``whole`` or ``text``.
        says: what it says, one line.
        default: what it is unless given.
        choices: words allowed.
        least: smallest number allowed.
        most: largest number allowed.
        above: whether ``least`` itself is excluded.
        needed: whether a file must give it.
    """

    name: str
    kind: str
    says: str
    default: Any = None
    choices: tuple[str, ...] = ()
    least: float = 0.0
    most: float = math.inf
    above: bool = False
    needed: bool = False

    def unfit(self, value: Any) -> tuple[str, str] | None:
        """Return what is wrong with a value and how to mend it; None where it fits.

        None fits where it is the default: a key of a file has no such value, an attribute has.
        """
        if value is None and self.default is None and not self.needed:
            return None
        return getattr(self, f"_{self.kind}")(value)

    def schema(self) -> dict[str, Any]:
        """Return what the key may hold as JSON Schema (2020-12)."""
        told: dict[str, Any] = {"description": self.says}
        if self.default is not None:
            told["default"] = list(self.default) if isinstance(self.default, tuple) else self.default
        if self.kind == "word":
            return {**told, "enum": list(self.choices)}
        if self.kind == "words":
            return {**told, "type": "array", "uniqueItems": True, "items": {"enum": list(self.choices)}}
        if self.kind == "text":
            return {**told, "type": "string", "minLength": 1, "maxLength": _LONGEST, "pattern": "\\S"}
        bounds = {"exclusiveMinimum" if self.above else "minimum": self.least, "maximum": self.most}
        return {**told, "type": "integer" if self.kind == "whole" else "number", **bounds}

    @property
    def range(self) -> str:
        """The range of its numbers, in words."""
        return f"{'above' if self.above else 'from'} {self.least:.10g} to {self.most:.10g}"

    def _word(self, value: Any) -> tuple[str, str] | None:
        if isinstance(value, str) and value in self.choices:
            return None
        return "is not known", f"write one of {_quoted(self.choices)}{nearest(value, self.choices)}"

    def _words(self, value: Any) -> tuple[str, str] | None:
        if not isinstance(value, list | tuple):
            return "is no list", f"write a list of some of {_quoted(self.choices)}"
        for word in value:
            if self._word(word) is not None:
                fix = f"write some of {_quoted(self.choices)}{nearest(word, self.choices)}"
                return f"holds {shown(word)}, which is not known", fix
            if value.count(word) > 1:
                return f"holds {word!r} twice", "write it once"
        return None

    def _number(self, value: Any) -> tuple[str, str] | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return "is no number", f"write a number {self.range}, without quotation marks"
        if (self.least < value if self.above else self.least <= value) and value <= self.most:  # NaN is neither
            return None
        return "is out of range", f"write a number {self.range}"

    def _whole(self, value: Any) -> tuple[str, str] | None:
        if isinstance(value, bool) or not isinstance(value, int):
            return "is no whole number", f"write a whole number {self.range}"
        return self._number(value)

    def _text(self, value: Any) -> tuple[str, str] | None:
        if isinstance(value, str) and value.strip() and value.isprintable() and len(value) <= _LONGEST:
            return None
        return "is no text", f"write some words on one line, in quotation marks, {_LONGEST} characters at most"


def shown(value: object) -> str:
    """Return a value as it is told in a message: escaped, and cut where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def nearest(word: object, known: Collection[str]) -> str:
    """Return ``; did you mean '…'?`` where something known is near a word, else nothing."""
    from difflib import get_close_matches

    near = get_close_matches(str(word), list(known), 1, 0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _quoted(words: Collection[str]) -> str:
    return ", ".join(map(repr, words))


TOP = (
    Key("format", "word", "The format of the file.", choices=(FORMAT,), needed=True),
    Key("name", "text", "What the policy is called.", "default", needed=True),
    Key("version", "text", "Its version, as whoever keeps it counts.", "1", needed=True),
)
EXPLAIN = (
    Key("mode", "word", "When decisions are explained.", "background", MODES),
    Key("deadline_ms", "number", "When a decision must be answered, ms.", None, least=0, most=3.6e6, above=True),
    Key("queue", "whole", "Decisions that may wait for the worker; the oldest is dropped.", 8, least=1, most=1000),
    Key("sample", "number", "Share of decisions that are explained without any cause.", 0.0, least=0, most=1),
    Key("triggers", "words", "What is looked for, and calls for an explanation.", (), TRIGGERS),
    Key("margin", "number", "Below it a margin is low, nats.", 0.5, least=0, most=1000),
    Key("depth", "word", "How far decisions are explained.", "measured", DEPTHS),
    Key("worker", "word", "Where the background is: a process or a thread.", "process", WORKERS),
    Key("restarts", "whole", "How often a worker that died is started again.", 3, least=0, most=100),
)
RULE = (
    Key("when", "word", "The finding that the rule is about.", None, FINDINGS, needed=True),
    Key("do", "word", "What is done.", None, REACTIONS[1:], needed=True),
    Key("of", "whole", "Over how many of the last findings it is counted.", 1, least=1, most=1000),
    Key("least", "whole", "How many of them must be so.", 1, least=1, most=1000),
    Key("release", "whole", "After how many findings in a row without it the rule is lifted.", 1, least=1, most=10000),
    Key("reason", "text", "What people are told while it holds.", None),
)
OVERSIGHT = (
    Key("fallback", "text", "The action that stands in when control is handed over.", None),
    Key("stop", "text", "The action that stops the system.", None),
    Key("stale_s", "number", "Seconds without an outcome after which the explainer counts as stale.", None,
        least=0, most=604800, above=True),
    Key("stale_do", "word", "What is done then.", "hand over", REACTIONS[1:]),
    Key("fault_do", "word", "What is done when the worker has died for good.", "annotate", REACTIONS),
    Key("release", "whole", "After how many outcomes in a row either is lifted.", 1, least=1, most=10000),
)  # fmt: skip
