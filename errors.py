"""The exception tree, drawn once.

    VeridicalError
    ├── InputError      a signal, an observation or an option cannot be used as it is
    ├── WeightsError    pretrained weights cannot be had, or are not what they should be
    ├── ContractError   a system or a modality breaks the contract of `veridical.modalities`
    └── RecordError     a record cannot be written or read

Every message says what, where, the values and the likely fix, on one line.
The command line prints it and leaves with status 2.
"""

from __future__ import annotations

__all__ = ["ContractError", "InputError", "RecordError", "VeridicalError", "WeightsError"]


class VeridicalError(Exception):
    """Root of everything that Veridical raises on purpose."""


class InputError(VeridicalError, ValueError):
    """A signal, an observation or an option cannot be used as it is."""


class WeightsError(VeridicalError, RuntimeError):
    """Pretrained weights cannot be had, or are not what they should be."""


class ContractError(VeridicalError, TypeError):
    """A system or a modality breaks the contract of `veridical.modalities`."""


class RecordError(VeridicalError, RuntimeError):
    """A record cannot be written or read."""
