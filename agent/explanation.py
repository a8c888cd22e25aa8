"""The explanation of one decision, as a plain result and the arrays that go with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["FORMAT", "Explanation"]

FORMAT = "veridical.explanation/1"
"""Name and version of the result's layout."""


@dataclass(frozen=True)
class Explanation:
    """One decision, explained, checked, and ready to be shown or written down.

    The result holds the meaning (decision, claims, measured effects, verdict, justification, graph, timing), the arrays
    hold what is drawn: frames, waveform, saliency maps, evidence units, edited inputs. Neither holds a model, a tensor
    or a path of the machine.

    Attributes:
        result: plain JSON values; ``docs/record.md`` says what each means.
        data: arrays by name, e.g. ``vision.saliency``.
    """

    result: Mapping[str, Any]
    data: Mapping[str, np.ndarray]

    @property
    def decision(self) -> str:
        """The action that was chosen."""
        return self.result["decision"]["action"]

    @property
    def verdict(self) -> str:
        """``supported``, ``unsupported`` or ``inconclusive``."""
        return self.result["verdict"]["verdict"]

    @property
    def justification(self) -> str:
        """Two to five sentences that say why."""
        return self.result["justification"]["text"]

    @property
    def claims(self) -> list[dict[str, Any]]:
        """What the decision is said to rest on, the strongest first, each predicted and measured."""
        return self.result["claims"]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        return dict(self.result)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by name."""
        return dict(self.data)

    def report(self, path: str | Path) -> Path:
        """Write a self-contained HTML report.

        Raises:
            InputError: the file cannot be written.
        """
        from .report import check_report, write_report

        path = Path(path)
        check_report(path)
        write_report(path, self.to_dict(), self.arrays())
        return path

    def record(self, folder: str | Path) -> Path:
        """Write the open record into a new folder.

        Raises:
            RecordError: the folder exists or cannot be written.
        """
        from .record import check_target, write_record

        folder = Path(folder)
        check_target(folder)
        return write_record(folder, self.to_dict(), self.arrays())
