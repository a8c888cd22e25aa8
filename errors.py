"""The exception tree, drawn once.

    VeridicalError
    ├── InputError      a signal, an observation or an option cannot be used as it is
    ├── WeightsError    pretrained weights cannot be had, or are not what they should be
    ├── ContractError   a system or a modality breaks the contract of `veridical.modalities`
    ├── DeadlineError   what was asked for cannot be done in the time that is left
    └── RecordError     a record or a log cannot be written or read
        └── IntegrityError   what was signed, digested or proven does not hold

Every message says what, where, the values and the likely fix, on one line.
The command line prints it and leaves with status 2.
"""

from __future__ import annotations

__all__ = [
    "ContractError",
    "DeadlineError",
    "InputError",
    "IntegrityError",
    "RecordError",
    "VeridicalError",
    "WeightsError",
]


class VeridicalError(Exception):
    """Root of everything that Veridical raises on purpose."""


class InputError(VeridicalError, ValueError):
    """A signal, an observation or an option cannot be used as it is."""


class WeightsError(VeridicalError, RuntimeError):
    """Pretrained weights cannot be had, or are not what they should be."""


class ContractError(VeridicalError, TypeError):
    """A system or a modality breaks the contract of `veridical.modalities`."""


class DeadlineError(VeridicalError, TimeoutError):
    """What was asked for cannot be done in the time that is left; it was not begun, or not finished."""


class RecordError(VeridicalError, RuntimeError):
    """A record or a log cannot be written or read.

    What a file says may stand in the message; it comes out on one line all the same, and as nothing but characters that
    can be printed: a terminal takes no orders from a record.
    """

    def __str__(self) -> str:
        text = super().__str__()
        return text if text.isprintable() else "".join(map(_printable, text))


class IntegrityError(RecordError):
    """What was signed, digested or proven does not hold: a record, a log or a proof is not what it was.

    Attributes:
        cause: one word for what does not hold, such as ``digest`` or ``signature``; ``docs/log.md`` lists them.
        entry: number of the log's entry, None where it is not one entry's.
    """

    def __init__(self, message: str, cause: str, entry: int | None = None) -> None:
        super().__init__(message)
        self.cause, self.entry = cause, entry


def _printable(character: str) -> str:
    """The character, or how it is written in Python where it cannot be printed."""
    return character if character.isprintable() else repr(character)[1:-1]
