"""An operator's act on one concept of a bank: what was done, by whom, when and why."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import rfc8785

from ..errors import InputError
from .bank import ConceptBank

__all__ = ["ACTS", "FIRST", "FORMAT", "Act", "check_index"]

ACTS = ("name", "unname", "merge", "split", "veto", "allow")
"""What can be done; the second, fourth and sixth take the one before back."""
FIRST = "sha256:" + "0" * 64
"""What the first line of a file calls the digest of the line before it."""
FORMAT = "veridical.acts/1"
"""Name and version of a line's layout."""

_LONGEST = {"text": 60, "by": 100, "reason": 500, "sense": 60}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass(frozen=True)
class Act:
    """One act.

    Attributes:
        act: one of `ACTS`.
        sense: of the bank.
        concept: index of the concept acted on.
        by: who; up to 100 characters.
        reason: why; up to 500 characters.
        bank: digest of the bank that was before the operator's eyes.
        when: in UTC, e.g. ``2026-11-23T17:41:27Z``.
        text: the name given, up to 60 characters; for ``name`` alone.
        into: index of the concept that it is merged into; for ``merge`` alone.
        previous: digest of the line before; of zeros for the first. `append_act` fills it in.

    Raises:
        InputError: something is missing, too much, too long, or holds characters that cannot be seen.
    """

    act: str
    sense: str
    concept: int
    by: str
    reason: str
    bank: str
    when: str
    text: str | None = None
    into: int | None = None
    previous: str = FIRST

    def __post_init__(self) -> None:
        if self.act not in ACTS:
            raise InputError(f"acts: no act {self.act!r}; there is {', '.join(ACTS)}")
        for name in ("sense", "by", "reason"):
            _check_words(name, getattr(self, name))
        for name, wanted in (("text", self.act == "name"), ("into", self.act == "merge")):
            if (getattr(self, name) is not None) != wanted:
                raise InputError(
                    f"acts: {self.act!r} with {name} {getattr(self, name)!r}; "
                    + (f"it needs {name}" if wanted else f"it takes no {name}")
                )
        if self.text is not None:
            _check_words("text", self.text)
        for name in ("concept", "into") if self.into is not None else ("concept",):
            index = getattr(self, name)
            if not isinstance(index, int) or isinstance(index, bool) or index < 0:
                raise InputError(f"acts: {name} {index!r}; give the index of a concept, 0 or more")
        for name, pattern in (("bank", _DIGEST), ("previous", _DIGEST), ("when", _WHEN)):
            found = getattr(self, name)
            if not (isinstance(found, str) and pattern.fullmatch(found)):
                raise InputError(f"acts: {name} {found!r} is not of the form {pattern.pattern}; use Act.on")
        try:
            datetime.fromisoformat(self.when)
        except ValueError:
            raise InputError(f"acts: there is no time {self.when!r}; use Act.on") from None

    @classmethod
    def on(
        cls, bank: ConceptBank, act: str, concept: int, *, by: str, reason: str, text: str | None = None,
        into: int | None = None,
    ) -> Act:  # fmt: skip
        """Return an act on a bank, of this moment.

        Raises:
            InputError: the bank has no such concept, or as `Act`.
        """
        when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        made = cls(act, bank.sense, concept, by, reason, bank.digest, when, text, into)
        check_index(made, bank)
        return made

    def to_dict(self) -> dict[str, Any]:
        """Return the line's content but for its own digest; ``text`` or ``into`` only where the act has one."""
        told = {name: getattr(self, name) for name in ("act", "sense", "concept", "by", "reason", "bank", "when")}
        told |= {name: getattr(self, name) for name in ("text", "into") if getattr(self, name) is not None}
        return {"format": FORMAT, **told, "previous": self.previous}

    @property
    def digest(self) -> str:
        """SHA-256 of `to_dict` as canonical JSON: what the line calls ``digest``, and the next one ``previous``."""
        return f"sha256:{sha256(rfc8785.dumps(self.to_dict())).hexdigest()}"

    @property
    def line(self) -> bytes:
        """The line, without its end."""
        return rfc8785.dumps({**self.to_dict(), "digest": self.digest})


def _check_words(name: str, text: Any) -> None:
    if not isinstance(text, str) or not text.strip() or text != text.strip():
        raise InputError(f"acts: {name} {text!r}; give words, without spaces around them")
    if len(text) > _LONGEST[name]:
        raise InputError(f"acts: {name} has {len(text)} characters; {_LONGEST[name]} at most")
    # Categories C*: control, invisible (such as marks that turn the direction of writing), unpaired; Zl, Zp: new lines.
    unseen = next(
        (c for c in text if unicodedata.category(c)[0] == "C" or unicodedata.category(c) in ("Zl", "Zp")), None
    )
    if unseen is not None:
        raise InputError(f"acts: {name} {text!r} holds U+{ord(unseen):04X}, which cannot be seen; leave it out")


def check_index(act: Act, bank: ConceptBank) -> None:
    """Refuse an act on a concept that the bank does not have.

    Raises:
        InputError: there is none of that index.
    """
    for index in (act.concept, act.into):
        if index is not None and index >= len(bank):
            raise InputError(f"acts: no {bank.sense} concept {index}; the bank has 0 to {len(bank) - 1}")
