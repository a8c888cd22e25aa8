"""What the senses did together, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..modalities.wording import shortened
from .wording import clean, nats, number

__all__ = ["together"]

_WORKING = "working"


def together(result: Mapping[str, Any]) -> RenderableType:
    """Return shares with intervals, what only combinations do, the pair that was tested, and who was right.

    Nothing where the result holds no fusion.
    """
    fusion = result.get("fusion") or {}
    rows = [*_shares(fusion), *_combinations(fusion), *_pairs(fusion), *_attention(fusion), *_spoken(fusion)]
    if not rows:
        return Group()
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, told in rows:
        table.add_row(name, told)
    return Group(Text("\nThe senses together, in nats", style="bold"), table)


def _shares(fusion: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for share in fusion.get("shares") or ():
        told = f"{nats(share['contribution'])} ({nats(share['low'])} … {nats(share['high'])})"
        if share["condition"] != _WORKING:
            told = f"{clean(share['condition'])}: {clean(share['told'])}"
        rows.append((clean(share["sense"]), told))
    return rows


def _combinations(fusion: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = [part for part in fusion.get("together") or () if len(part["senses"]) > 1]
    told = [f"{' + '.join(map(clean, part['senses']))} {nats(part['value'])}" for part in found]
    return [("only together", ", ".join(told))] if told else []


def _pairs(fusion: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for pair in (fusion.get("interactions") or {}).get("pairs", ()):
        sides = " with ".join(f"{clean(pair[k]['sense'])}: {shortened(clean(pair[k]['where']))}" for k in "ab")
        said = f"p = {number(pair['p'], 3)}" if pair["p"] is not None else "not large"
        word = clean(pair["kind"]) if pair["found"] else "not beyond chance"
        rows.append(("pair", f"{sides}: {nats(pair['measured'])}, {word} ({said})"))
    return rows


def _attention(fusion: Mapping[str, Any]) -> list[tuple[str, str]]:
    told = [f"{clean(one['sense'])} {clean(one['right'])}" for one in fusion.get("attention") or ()]
    return [("attention", f"against gradient, who was right: {', '.join(told)}")] if told else []


def _spoken(fusion: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = fusion.get("speech")
    return [("spoken", clean(found["told"]))] if found else []
