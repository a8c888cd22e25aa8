"""Wording: coordinates in words, for people."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["hertz", "listed", "position", "seconds", "spans"]


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def seconds(first: float, last: float) -> str:
    """Return a span of time, e.g. ``"0.5–1.25 s"``."""
    return f"{_number(first, 2)}–{_number(last, 2)} s"


def hertz(low: float, high: float) -> str:
    """Return a frequency band, in hertz below 1 kHz and in kilohertz above, e.g. ``"2.1–4.0 kHz"``."""
    return f"{low:.0f}–{high:.0f} Hz" if high < 1000 else f"{low / 1000:.1f}–{high / 1000:.1f} kHz"


def listed(items: Sequence[str]) -> str:
    """Return the items as a list in words: ``"a, b and c"``."""
    return " and ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))


def position(box: tuple[float, float, float, float], extent: tuple[float, float]) -> str:
    """Return the ninth of the frame that holds the centre of a box, e.g. ``"the upper left"``.

    Args:
        box: left, top, right, bottom in pixels.
        extent: width and height of the frame in pixels.
    """
    across = ("left", "middle", "right")[min(2, int(1.5 * (box[0] + box[2]) / extent[0]))]
    down = ("upper", "", "lower")[min(2, int(1.5 * (box[1] + box[3]) / extent[1]))]
    return f"the {down} {across}" if down else f"the {across}"


def spans(pieces: Sequence[tuple[float, float]], tolerance: float = 1e-6) -> list[tuple[float, float]]:
    """Join intervals that touch or overlap; returned in rising order."""
    joined: list[tuple[float, float]] = []
    for first, last in sorted(pieces):
        if joined and first <= joined[-1][1] + tolerance:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined
