"""Courier on held-out scenes: ``python -m veridical.scenarios.courier.evaluate`` (``make evaluate-courier``).

Accuracy overall, by action and by rule, with 95 % Wilson intervals, and a confusion table. Held-out scenes use objects,
sounds and phrasings that training never saw (road signs excepted, whose artwork is single).
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from ...errors import VeridicalError
from .head import CourierHead
from .model import load_head
from .policy import ACTIONS, RULES
from .train import Features, bars, collect

__all__ = ["FIRST_SEED", "Scores", "evaluate", "main", "wilson"]

FIRST_SEED = 1_000_000
"""Seed of the first held-out scene."""


@dataclass(frozen=True)
class Scores:
    """Correct and all decisions, by action and by rule, and the confusion counts (true action, chosen action)."""

    right: int
    count: int
    actions: dict[str, tuple[int, int]]
    rules: dict[str, tuple[int, int]]
    confusion: dict[str, dict[str, int]]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "scenes": self.count,
            "accuracy": self.right / max(self.count, 1),
            "interval": list(wilson(self.right, self.count)),
            "by_action": {
                k: {"accuracy": r / max(n, 1), "scenes": n, "interval": list(wilson(r, n))}
                for k, (r, n) in self.actions.items()
            },
            "by_rule": {
                k: {"accuracy": r / max(n, 1), "scenes": n, "interval": list(wilson(r, n))}
                for k, (r, n) in self.rules.items()
            },
            "confusion": self.confusion,
        }


def wilson(right: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Return the Wilson score interval of a share (Wilson, JASA 1927).

    >>> tuple(round(v, 3) for v in wilson(5, 10))
    (0.237, 0.763)
    """
    if count == 0:
        return 0.0, 1.0
    p = right / count
    middle, half = p + z * z / (2 * count), z * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    low, high = (middle - half) / (1 + z * z / count), (middle + half) / (1 + z * z / count)
    return max(min(low, p), 0.0), min(max(high, p), 1.0)  # where p is 0 or 1, rounding would leave it outside


@torch.no_grad()
def evaluate(head: CourierHead, features: Features) -> Scores:
    """Compare the head's decisions with the policy's."""
    chosen = torch.cat(
        [head(features.batch(rows)[0]).argmax(-1) for rows in torch.arange(len(features.action)).split(64)]
    )
    right = chosen == features.action
    by_action, by_rule = {}, {}
    for i, action in enumerate(ACTIONS):
        rows = features.action == i
        by_action[action] = (int(right[rows].sum()), int(rows.sum()))
    for rule in RULES:
        rows = torch.tensor([r == rule.name for r in features.rules])
        by_rule[rule.name] = (int(right[rows].sum()), int(rows.sum()))
    confusion = {
        a: {b: int(((features.action == i) & (chosen == k)).sum()) for k, b in enumerate(ACTIONS)}
        for i, a in enumerate(ACTIONS)
    }
    return Scores(int(right.sum()), len(right), by_action, by_rule, confusion)


def _print(scores: Scores) -> None:
    console = Console()
    for title, rows in (
        ("rule", scores.rules),
        ("action", scores.actions),
        ("all", {"all scenes": (scores.right, scores.count)}),
    ):
        table = Table(title=f"accuracy by {title}" if title != "all" else None)
        for column in (title, "accuracy", "95 % interval", "scenes"):
            table.add_column(column, justify="left" if column == title else "right")
        for name, (right, count) in rows.items():
            low, high = wilson(right, count)
            table.add_row(
                name, f"{100 * right / max(count, 1):.1f} %", f"{100 * low:.1f} to {100 * high:.1f} %", str(count)
            )
        console.print(table)
    table = Table(title="confusion: rows what the policy asks for, columns what Courier chose")
    table.add_column("")
    for action in ACTIONS:
        table.add_column(action, justify="right")
    for action, row in scores.confusion.items():
        table.add_row(action, *(str(row[b]) for b in ACTIONS))
    console.print(table)


def main(arguments: list[str] | None = None) -> None:
    """Evaluate the committed head."""
    parser = argparse.ArgumentParser(
        prog="python -m veridical.scenarios.courier.evaluate", description="Courier's accuracy on held-out scenes."
    )
    parser.add_argument("--scenes", type=int, default=1200, help="scenes")
    parser.add_argument(
        "--partition", choices=("held-out", "train"), default="held-out", help="whose objects, sounds and phrasings"
    )
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args(arguments)
    progress = bars()
    progress.console.stderr = True
    try:
        head = load_head()
        with progress:
            features = collect(FIRST_SEED, options.scenes, options.partition, "plain", progress)
    except VeridicalError as error:
        parser.error(str(error))
    scores = evaluate(head, features)
    if options.json:
        Console().print_json(data=scores.to_dict())
    else:
        _print(scores)


if __name__ == "__main__":
    main()
