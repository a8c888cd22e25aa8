"""Items from the recording of a drive: what was observed at moments that lie evenly apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InputError, VeridicalError
from .item import Bad, Item

__all__ = ["Drive"]


@dataclass(frozen=True)
class Drive:
    """A recording (MCAP), see `veridical.agent.seams.mcap_read.read_drive`.

    Attributes:
        path: of the recording.
        every: seconds between moments.

    Raises:
        InputError: a pace that is none.
    """

    path: Path
    every: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.every < float("inf"):
            raise InputError(f"every {self.every} s: no pace; give seconds between moments, such as 1.0")

    def __iter__(self) -> Iterator[Item | Bad]:
        from ..seams.mcap_read import read_drive

        try:
            for moment in read_drive(self.path, every=self.every):
                name = f"{self.path.stem}@{moment.at:.3f}"
                observation = {sense: _held(sense, signal) for sense, signal in moment.observation.items()}
                yield Item(name, observation, moment.time or f"{moment.at:.3f} s", {}, tuple(moment.notes))
        except VeridicalError as error:  # the rest of a file that is cut short is lost, what came before is not
            yield Bad(f"{self.path.stem}, the rest", f"{self.path.name}: {error}".replace(f"{self.path.parent}/", ""))

    def count(self) -> None:
        """Return None: how many moments there are is known once the recording is read."""
        return


def _held(sense: str, signal: Any) -> Any:
    """A signal in a form that can be digested and sent."""
    if sense == "vision" and not isinstance(signal, (list, tuple)):
        return tuple(signal) if getattr(signal, "ndim", 0) == 4 else (signal,)
    if sense == "vision":
        return tuple(signal)
    return dict(signal) if isinstance(signal, Mapping) else signal
