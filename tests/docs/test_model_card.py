"""The tables of Courier's model card are those of its code."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

from veridical.scenarios.courier.examples import SHARES
from veridical.scenarios.courier.head import CourierHead
from veridical.scenarios.courier.instructions import CLAUSES
from veridical.scenarios.courier.policy import ACTIONS, RULES
from veridical.scenarios.courier.sounds import clips
from veridical.scenarios.courier.stamps import stamps as pictures
from veridical.scenarios.courier.train import TrainSettings

CARD = (Path(__file__).parents[2] / "docs" / "model-card.md").read_text(encoding="utf-8")


def section(name: str) -> str:
    """What stands between a pair of marks."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", CARD, re.S)
    assert found, f"docs/model-card.md has no marks for {name!r}"
    return found[1]


def table(*rows: tuple[object, ...]) -> str:
    """A table in Markdown; the first row is its head."""
    lines = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    return "\n".join(line.replace("|  |", "| |").replace("|  |", "| |") for line in lines) + "\n"


def test_the_policy_is_the_codes():
    rows = [(rule.name, ", ".join(sorted(rule.causes)) or "none", rule.action, rule.reason) for rule in RULES]
    assert section("policy") == table(("rule", "causes", "action", "reason"), *rows)
    assert all(action in CARD for action in ACTIONS)


def test_the_partitions_are_the_codes(stamps):
    def counts(partition: str) -> dict[str, int]:
        return {
            **{f"pictures: {kind}": len(found) for kind, found in pictures(partition).items()},
            **{f"sounds: {kind}": len(found) for kind, found in clips(partition).items()},
            **{f"sentences: {kind}": len(found) for kind, found in CLAUSES[partition].items()},
        }

    train, held_out = counts("train"), counts("held-out")
    rows = [(name, train[name], held_out[name]) for name in train]
    assert section("partitions") == table(("", "training", "held out"), *rows)


def test_the_recipe_is_the_codes():
    rows = [
        *asdict(TrainSettings()).items(),
        *((f"share: {kind}", share) for kind, share in SHARES.items()),
        ("parameters of the head", f"{sum(p.numel() for p in CourierHead().parameters()):,}"),
    ]
    assert section("recipe") == table(("", ""), *rows)
