"""Figures of `benchmarks.precision` as tables: bytes, losses, and what becomes of records under a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks._stored import PARTS

__all__ = ["show"]

_LOSS = ("error, nats", "of a sum, nats", "rank, elements", "rank, units")
_KEPT = ("leading five", "claims moved", "verdicts kept", "of those at stake", "causes kept")

Spread = Sequence[float] | None


def show(told: Mapping[str, Any]) -> None:
    """Print a summary.

    Args:
        told: of `benchmarks.precision.summarise`.
    """
    console = Console(highlight=False)
    for kind, ways in told["precision"].items():
        whole = ways["as stored"]["exact"]
        parts = ", ".join(f"{part} {_kb(whole['bytes'][part])}" for part in PARTS)
        console.print(f"\n{kind}: {whole['records']} records; exact, kB, median (range): {parts}")
        for way, figures in ways.items():
            console.print(_losses(f"{kind}, {way}: bytes and losses, median (range)", figures))
            console.print(_kept(f"{kind}, {way}: what is kept", figures))
        for budget, f in told["budget"][kind].items():
            console.print(f"budget {int(budget) / 1e3:,.0f} kB: {_bounded(f)}")


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title)
    for column in ("", *columns):
        table.add_column(column, justify="right" if column else "left")
    return table


def _losses(title: str, figures: Mapping[str, Any]) -> Table:
    table = _table(title, ("maps, kB", "in all, kB", *_LOSS))
    for name, f in figures.items():
        sizes = (_kb(f["bytes"][part], "\n") for part in ("maps", "total"))
        losses = (_few(f[key]) for key in ("error", "sum"))
        table.add_row(name, *sizes, *losses, *(_lowest(f[key]) for key in ("rank", "unit_rank")))
    return table


def _kept(title: str, figures: Mapping[str, Any]) -> Table:
    table = _table(title, ("maps so coded", *_KEPT))
    for name, f in figures.items():
        counts = (_counted(f[key]) for key in ("moved", "verdicts", "verdicts_hinging", "causes"))
        table.add_row(name, f"{f['coded']:.0%}", f"{f['leading']:.0%}", *counts)
    return table


def _bounded(f: Mapping[str, Any]) -> str:
    left = ", ".join(f"{n:.1f} {name}" for name, n in f["omitted"].items()) or "nothing"
    codings = ", ".join(f"{n:.1f} {name}" for name, n in f["codings"].items()) or "none"
    fits = f"{f['fit']} of {f['records']} fit, {_kb(f['bytes'])} kB"
    told = f"{fits}; left out of one: {left}; maps: {codings}" if f["fit"] else fits
    return told + (f"; the others need {_kb(f['least'])} kB" if f["least"] else "")


def _kb(spread: Spread, gap: str = " ") -> str:
    if spread is None:
        return "—"
    return f"{spread[0] / 1e3:,.0f}{gap}({spread[1] / 1e3:,.0f}–{spread[2] / 1e3:,.0f})"


def _few(spread: Spread) -> str:
    return "—" if spread is None else f"{spread[0]:.2g}\n({spread[1]:.2g}–{spread[2]:.2g})"


def _lowest(ranks: Mapping[str, Spread]) -> str:
    """Of the map or sense whose median is the lowest."""
    told = min((each for each in ranks.values() if each), key=lambda each: each[0], default=None)
    return "—" if told is None else f"{told[0]:.3f}\n({told[1]:.3f}–{told[2]:.3f})"


def _counted(share: Mapping[str, Any]) -> str:
    return f"{round(share['share'] * share['count'])} of {share['count']}"
