"""What the command line prints of a result; a pure function from the result to a string."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .wording import (
    MARKS,
    SENSES,
    VERDICT_WORDS,
    clean,
    effect_range,
    in_order,
    kept,
    nats,
    number,
    own_notes,
    percent,
    sensed,
    title_of,
    without_sense,
)

__all__ = ["render", "tidy"]

_BAR = 24  # columns of a full bar
_STYLES = {
    "supported": "bold green",
    "unsupported": "bold red",
    "inconclusive": "bold yellow",
    "confirmed": "green",
    "contradicted": "red",
    "negligible": "dim",
}
_ASCII = {
    "✓": "+", "✗": "x", "█": "#", "▌": ":", "░": ".", "…": "...", "–": "-", "−": "-", "→": "->", "·": "-", "“": '"',
    "”": '"', "×": "x", "\u00a0": " ", "━": "=", "─": "-", "│": "|", "α": "alpha", "\ufffd": "?",
}  # fmt: skip


def render(result: Mapping[str, Any], *, width: int = 80, color: bool = False, encoding: str = "utf-8") -> str:
    """Return a result as text for a terminal.

    Args:
        result: as `veridical.explanation/1` has it.
        width: columns; less than 60 is taken as 60.
        color: whether to use ANSI styles. Nothing is said by colour alone.
        encoding: of the stream; characters that it lacks are replaced by plain ones.
    """
    console = Console(
        file=io.StringIO(),
        width=max(width, 60),
        force_terminal=color,
        color_system="standard" if color else None,
        highlight=False,
        emoji=False,
        markup=False,
        legacy_windows=False,
        _environ={},
    )
    parts = (_decision, _senses, _reasons, _claims, _verdict, _shares, _foot)
    console.print(Group(*(part(result) for part in parts)))
    lines = (line.rstrip() for line in console.file.getvalue().splitlines())  # type: ignore[attr-defined]
    return tidy("\n".join(lines).strip("\n") + "\n", encoding)


def tidy(text: str, encoding: str) -> str:
    """Return ``text`` with what ``encoding`` lacks replaced by plain characters."""
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        plain = "".join(_ASCII.get(character, character) for character in text)
        return plain.encode("ascii", errors="replace").decode("ascii")
    return text


def _bar(share: float, style: str = "") -> Text:
    """A bar for -1..1; half columns count, anything above nothing shows, and what is below it is drawn lighter."""
    if share < 0:
        return Text("░" * max(round(min(-share, 1.0) * _BAR), 1), style=style)
    halves = round(min(share, 1.0) * _BAR * 2)
    filled = "█" * (halves // 2) + ("▌" if halves % 2 else "")
    return Text(filled or ("▌" if share > 0.002 else ""), style=style)


def _heading(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def _decision(result: Mapping[str, Any]) -> RenderableType:
    """The verdict's word stands in the very first lines, beside the decision."""
    decision, verdict = result["decision"], result["verdict"]["verdict"]
    action = decision["action"]
    head = Text.assemble(
        ("Decision  ", "dim"),
        (clean(action), "bold reverse" if action else "bold"),
        "   ",
        (f"{MARKS[verdict]} account {verdict}", _STYLES[verdict]),
        ("   by ", "dim"),
        clean(result["system"]["name"]),
    )
    table = Table.grid(padding=(0, 2))
    for name, share in sorted(decision["probabilities"].items(), key=lambda item: (-item[1], item[0])):
        style = "bold" if name == action else ""
        table.add_row(Text(clean(name), style), Text(percent(share), style, justify="right"), _bar(share, style))
    return Group(head, Padding(table, (0, 0, 0, 10)))


def _senses(result: Mapping[str, Any]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(width=8, style="dim")
    table.add_column()
    observation = result["observation"]
    for modality in in_order({*SENSES, *observation}):
        verb = SENSES.get(modality, (modality, modality))[0].capitalize()
        table.add_row(verb, Text(sensed(modality, observation)))
    return Group(Text(""), table)


def _reasons(result: Mapping[str, Any]) -> RenderableType:
    prose = Text()
    for sentence in result["justification"]["sentences"]:
        prose.append(clean(sentence["text"]))
        if sentence["claims"]:
            prose.append(f" [{', '.join(name.removeprefix('c') for name in sentence['claims'])}]", style="dim")
        said = sentence["confirmed"] or any(w in sentence["text"].lower() for w in ("not confirmed", "not supported"))
        prose.append(" " if said else " (not confirmed) ")
    if not prose:
        prose = Text(clean(result["justification"]["text"]))
    return Group(_heading("Why"), prose)


def _claims(result: Mapping[str, Any]) -> RenderableType:
    """One claim to two or three lines: what, where; predicted, measured, probability, decision; status."""
    action, before = result["decision"]["action"], result["decision"]["probabilities"][result["decision"]["action"]]
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim", expand=False)
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("If this is edited", ratio=1, min_width=16)
    table.add_column("predicted", justify="right", no_wrap=True)
    table.add_column("measured", no_wrap=True)
    table.add_column("", no_wrap=True)
    for claim in result["claims"]:
        after = kept(claim, action)
        what = Text(title_of(claim), style="bold")
        if claim["named_by"] and claim["confidence"] is not None:
            what.append(f" ({percent(claim['confidence'])} sure)", style="not bold dim")
        what.append(f"\n{clean(claim['where'])}", style="not bold")
        measured = Text(effect_range(claim))
        if after is not None:
            measured.append(f"\n{percent(before)} → {percent(after)}", style="dim")
        status = Text(f"{MARKS[claim['status']]} {claim['status']}", style=_STYLES[claim["status"]])
        status.append(f"\n→ {clean(_action_after(claim, action))}", style="not dim default")
        table.add_row(claim["id"].removeprefix("c"), what, nats(claim["predicted"]), measured, status)
    if not result["claims"]:
        return Group(_heading("Claims"), Text("None: no evidence was found that speaks for the decision."))
    note = f"In nats of {clean(action)}'s score (− speaks for it); its probability; the decision made."
    return Group(_heading("What was predicted, and what was measured"), table, Text(note, style="dim"))


def _action_after(claim: Mapping[str, Any], action: str) -> str:
    """Name the decisions after the edits: one if the operators agree."""
    found = list(dict.fromkeys(effect["action"] for effect in claim["effects"])) or ["not measured"]
    return "still " + action if found == [action] else " or ".join(found)


def _verdict(result: Mapping[str, Any]) -> RenderableType:
    verdict = result["verdict"]
    word = verdict["verdict"]
    line = Text(f"{MARKS[word]} {word.upper()}", style=_STYLES[word])
    line.append(f"  {VERDICT_WORDS[word]}", style="default not bold")
    table = Table.grid(padding=(0, 1))
    table.add_column(width=2, justify="right")
    table.add_column()
    for reason in verdict["reasons"]:
        table.add_row("·", clean(reason))
    for test in verdict["tests"]:
        said = f"{clean(test['operator'])}: effect {nats(test['effect'])} nats against {test['k']} controls, "
        table.add_row("·", said + f"p = {test['p']:.3f} (α = {verdict['alpha']:g})")
    return Group(_heading("Verdict"), line, table)


def _shares(result: Mapping[str, Any]) -> RenderableType:
    shares = result["attribution"]["shares"]
    largest = max((abs(value) for value in shares.values()), default=0.0) or 1.0
    table = Table.grid(padding=(0, 2))
    table.add_column(width=8)
    table.add_column(justify="right", width=7)
    table.add_column(width=_BAR)
    table.add_column(style="dim")
    for modality in in_order(shares):
        value = shares[modality]
        measured = without_sense(result, modality)
        row = (clean(modality), nats(value), _bar(value / largest), f"without it {measured}" if measured else "")
        table.add_row(*row)
    attribution = result["attribution"]
    gap = f"sum {nats(attribution['sum'])} of {nats(attribution['difference'])} nats, "
    gap += f"gap {percent(abs(attribution['gap_share']))}"
    if not attribution["within_tolerance"]:
        gap += f", more than the {percent(attribution['tolerance'])} allowed: read these shares with care"
    return Group(_heading("Share of each sense, in nats"), table, Text(gap, style="dim"))


def _foot(result: Mapping[str, Any]) -> RenderableType:
    timing = result["timing"]
    passes = timing["passes"]
    line = (
        f"{number(timing['total_ms'] / 1000, 1)} s (attribute {number(timing['attribution_ms'] / 1000, 1)}, verify "
        f"{number(timing['verification_ms'] / 1000, 1)}) · {passes['forward']} forward + "
        f"{passes['backward']} back · {timing['x_forward']:.0f}× a decision"
    )
    said = own_notes(result)
    for modality in in_order(result["observation"]):
        signal = result["observation"][modality]
        if signal["present"]:
            said += [f"{modality}: {note}" for note in signal["notes"]]
    table = Table.grid(padding=(0, 1))
    table.add_column(width=2, justify="right")
    table.add_column()
    for note in said:
        table.add_row("·", clean(note))
    notes = [_heading("Notes"), table] if said else []
    return Group(*notes, Text(f"\n{line}", style="dim"))
