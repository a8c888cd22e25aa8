"""What the command line prints of a result; a pure function from the result to a string."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from ..modalities.wording import shortened
from .terminal_concepts import concepts
from .terminal_fusion import together
from .wording import (
    MARKS,
    SENSES,
    clean,
    effect_range,
    in_order,
    kept,
    nats,
    number,
    own_notes,
    percent,
    sensed,
    tested,
    title_of,
    unrepeated,
    why_of,
    without_sense,
)

__all__ = ["render", "tidy"]

_BAR = 24  # columns of a full bar
_READ = 132  # characters of an instruction that are told: two lines
_TOLD = ("First claim: ", "Among its controls: ", "Under noise ")  # reasons whose figures have a line of their own
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
    parts = (_decision, _senses, _reasons, _claims, _verdict, _ladder, concepts, _shares, together, _foot)
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
    """The verdict's word stands in the very first line, beside the decision."""
    decision, verdict = result["decision"], result["verdict"]["verdict"]
    action = decision["action"]
    odds = sorted(decision["probabilities"].items(), key=lambda item: (-item[1], item[0]))
    head = Text.assemble(
        ("Decision  ", "dim"),
        (clean(action), "bold reverse" if action else "bold"),
        f" {percent(decision['probabilities'][action])}   ",
        (f"{MARKS[verdict]} account {verdict}", _STYLES[verdict]),
        ("   by ", "dim"),
        clean(result["system"]["name"]),
    )
    others = " · ".join(f"{clean(name)} {percent(share)}" for name, share in odds if name != action)
    return Group(head, Padding(Text(others, "dim"), (0, 0, 0, 10)))


def _senses(result: Mapping[str, Any]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(width=8, style="dim")
    table.add_column()
    observation = result["observation"]
    for modality in in_order({*SENSES, *observation}):
        verb = SENSES.get(modality, (modality, modality))[0].capitalize()
        table.add_row(verb, Text(shortened(sensed(modality, observation), _READ)))
    return Group(Text(""), table)


def _reasons(result: Mapping[str, Any]) -> RenderableType:
    """The justification without its last sentence where that repeats the verdict, which follows below."""
    prose = Text()
    for sentence in unrepeated(result):
        prose.append(clean(sentence["text"]))
        if sentence["claims"]:
            prose.append(f" [{', '.join(name.removeprefix('c') for name in sentence['claims'])}]", style="dim")
        said = sentence["confirmed"] or any(w in sentence["text"].lower() for w in ("not confirmed", "not supported"))
        prose.append(" " if said else " (not confirmed) ")
    if not prose:
        prose = Text(clean(result["justification"]["text"]))
    return Group(_heading("Why"), prose)


def _claims(result: Mapping[str, Any]) -> RenderableType:
    """A claim to two lines: what, predicted, measured, status; where, the probability, the decision."""
    decision, claims = result["decision"], result["claims"]
    action, before = decision["action"], decision["probabilities"][decision["action"]]
    if not claims:
        return Group(_heading("Claims"), Text("None: no evidence was found that speaks for the decision."))
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim", expand=True)
    table.add_column("", justify="right", no_wrap=True)
    heading = Text.assemble(("If this is edited", "bold"), (", in nats", "dim"))
    table.add_column(heading, ratio=1, no_wrap=True, overflow="ellipsis", header_style="not dim")
    table.add_column("predicted", justify="right", no_wrap=True)
    table.add_column("measured", no_wrap=True)
    table.add_column("", no_wrap=True, width=14)
    lines: list[RenderableType] = []
    for claim in claims:
        what = Text(title_of(claim), style="bold")
        if claim["named_by"] and claim["confidence"] is not None:
            what.append(f" ({percent(claim['confidence'])} sure)", style="not bold dim")
        status = Text(f"{MARKS[claim['status']]} {claim['status']}", style=_STYLES[claim["status"]])
        table.add_row(claim["id"].removeprefix("c"), what, nats(claim["predicted"]), effect_range(claim), status)
        after = kept(claim, action)
        odds = "" if after is None else f"{percent(before)} → {percent(after)}, "
        lines.append(Text(f"{clean(claim['where'])}: {odds}{_action_after(claim, action)}"))
    return Group(Text(""), _Interleaved(table, lines))


class _Interleaved:
    """A table with a line below each row, over the whole width: a table alone cannot span columns.

    Every row of the table is one line high.
    """

    def __init__(self, table: Table, below: Sequence[RenderableType]) -> None:
        self.table, self.below = table, below

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        head, *rows = console.render_lines(self.table, options, pad=False)
        yield Segments([*head, Segment.line()])
        for row, below in zip(rows, self.below, strict=True):
            yield Segments([*row, Segment.line()])
            yield Padding(below, (0, 0, 0, 3))


def _action_after(claim: Mapping[str, Any], action: str) -> str:
    """Name the decisions after the edits, one if the operators agree; and if that was not what was predicted."""
    found = list(dict.fromkeys(effect["action"] for effect in claim["effects"]))
    if not found:
        return "not measured"
    if found == [action]:
        return f"still {clean(action)}" + (" (a change was predicted)" if claim["predicted_flip"] else "")
    told = " or ".join(map(clean, found))
    return told if claim["predicted_flip"] or action in found else f"{told} (not predicted)"


def _verdict(result: Mapping[str, Any]) -> RenderableType:
    verdict = result["verdict"]
    word, reasons = verdict["verdict"], [*verdict["reasons"]]
    line = Text("\nVerdict  ", style="bold")
    line.append(f"{MARKS[word]} {word.upper()}", style=_STYLES[word])
    prose = Text(clean(" ".join([*reasons[:1], *(r for r in reasons[1:] if not r.startswith(_TOLD))])))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, told in tested(result):
        if name != "chance":  # the reason says it
            table.add_row(name, told)
    if not result["attribution"].get("additive", True):
        table.add_row("senses", _without(result))
    critique = verdict["attempts"][-1]["critique"] if verdict["attempts"] else None
    if critique:
        table.add_row("critic", clean(critique["sentence"]))
    return Group(line, prose, table)


def _ladder(result: Mapping[str, Any]) -> RenderableType:
    """One line for each attempt: rung, verdict, why, passes, seconds."""
    attempts = result["verdict"]["attempts"]
    table = Table.grid(padding=(0, 2))
    for justify in ("left", "left", "left", "right", "right"):
        table.add_column(justify=justify, no_wrap=True)
    table.columns[2].ratio, table.columns[2].overflow = 1, "ellipsis"
    for attempt in attempts:
        word, spent = attempt["verdict"], attempt["passes"]
        passes = attempt["gradients"] + spent["proposing"] + spent["verifying"]
        mark = Text(f"{MARKS[word]} {word}", style=_STYLES[word])
        seconds = f"{number(sum(attempt['ms'].values()) / 1000, 1)} s"
        table.add_row(attempt["rung"].replace("-", " "), mark, why_of(attempt), f"{passes} passes", seconds)
    heading = _heading("How far it had to climb")
    heading.append(f", to {clean(result['attribution']['method'])}", style="not bold dim")
    return Group(heading, table) if attempts else Text("")


def _without(result: Mapping[str, Any]) -> str:
    """Say what taking each sense away did."""
    senses, told = result.get("senses", {}), list[str]()
    for modality in in_order(senses):
        effects = senses[modality]
        then = " or ".join(dict.fromkeys(clean(e["action"]) for e in effects))
        mean = sum(e["effect"] for e in effects) / len(effects)
        told.append(f"{clean(modality)} {then} ({nats(mean)})")
    return f"without {', '.join(told)}" if told else "not measured"


def _shares(result: Mapping[str, Any]) -> RenderableType:
    """What each sense contributes and what is lost without it; effects measured one by one do not add up to shares."""
    attribution = result["attribution"]
    if not attribution.get("additive", True):
        return Group()
    shares = attribution["shares"]
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
    if attribution["difference"] is None:
        told = "The system has no score at the baseline, so there is nothing that these should add up to."
        return Group(_heading("Share of each sense, in nats"), table, Text(told, style="dim"))
    gap = f"sum {nats(attribution['sum'])} of {nats(attribution['difference'])} nats, "
    gap += f"gap {percent(abs(attribution['gap_share']))}"
    if not attribution["within_tolerance"]:
        gap += f", more than the {percent(attribution['tolerance'])} allowed: read these shares with care"
    return Group(_heading("Share of each sense, in nats"), table, Text(gap, style="dim"))


_SPENT = (("attribute", "attribution"), ("verify", "verification"), ("concepts", "concepts"), ("fuse", "fusion"))


def _foot(result: Mapping[str, Any]) -> RenderableType:
    timing = result["timing"]
    passes = timing["passes"]
    spent = [(name, timing.get(f"{key}_ms")) for name, key in _SPENT]
    parts = ", ".join(f"{name} {number(ms / 1000, 1)}" for name, ms in spent if ms)
    line = (
        f"{number(timing['total_ms'] / 1000, 1)} s ({parts}) · {passes['forward']} forward + {passes['backward']} back "
        f"· {timing['x_forward']:.0f}× a decision"
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
