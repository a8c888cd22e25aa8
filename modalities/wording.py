"""Wording: coordinates and figures in words, for people; said the same way wherever they are told."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "MINUS",
    "hertz",
    "listed",
    "nats",
    "number",
    "percent",
    "position",
    "seconds",
    "shortened",
    "spans",
]

MINUS = "\u2212"


def number(value: float, digits: int = 2) -> str:
    """Return ``value`` with a true minus sign; never a negative zero."""
    shown = f"{value:.{digits}f}"
    if float(shown) == 0.0:
        shown = shown.lstrip("-")
    return shown.replace("-", MINUS)


def nats(value: float, digits: int | None = None) -> str:
    """Return a signed figure in nats, without the unit: ``+0.31``, ``−2.40``.

    Unless ``digits`` after the point are asked for, there are two, and more where the figure is small: ``−0.0042``.
    """
    if digits is None:
        size = abs(value)
        digits = 3 if 0.0095 <= size < 0.095 else 4 if 0.00005 <= size < 0.0095 else 2
    shown = number(value, digits)
    return shown if shown.startswith(MINUS) or float(shown) == 0.0 else f"+{shown}"


def percent(value: float) -> str:
    """Return a probability as a percentage; extremes keep a bound instead of being rounded to 0 or 100."""
    if 0.0 < value < 0.005:
        return "<1\u00a0%"
    if 0.995 <= value < 1.0:
        return ">99\u00a0%"
    return f"{value * 100:.0f}\u00a0%"


def shortened(where: str, most: int = 100) -> str:
    """Return where evidence lies in about ``most`` characters: whole places while they fit, then how many more.

    Places stand between semicolons. A place that is too long by itself, or quoted words, are cut after a word.
    """
    if len(where) <= most:
        return where
    places = [where] if "“" in where else where.split("; ")
    kept = 1
    while kept < len(places) and len("; ".join(places[: kept + 1])) <= most:
        kept += 1
    head = "; ".join(places[:kept])
    if len(head) > most:
        head = head[:most].rsplit(" ", 1)[0].rstrip(" ,;") + " …"
        head += "”" * (head.count("“") - head.count("”"))
    more = len(places) - kept
    return f"{head} and {more} more {'places' if more > 1 else 'place'}" if more else head


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
