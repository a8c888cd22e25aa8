from __future__ import annotations

import ast
from pathlib import Path

import pytest

from veridical.agent.log.causes import CAUSES

SOURCES = Path(__file__).parents[3] / "agent"


def test_the_list_is_closed():
    assert sorted(CAUSES) == list(CAUSES)
    assert " ".join(CAUSES) == (
        "algorithm checkpoint content database digest fork format index json key missing order path revoked rollback "
        "signature size time tree"
    )
    with pytest.raises(TypeError):
        CAUSES["other"] = "new"  # pyright: ignore[reportIndexIssue]


def test_every_word_has_a_meaning_on_one_line():
    assert all(meaning and "\n" not in meaning for meaning in CAUSES.values())


def _given(path: Path) -> list[tuple[int, str]]:
    """Causes that are written out in a module's calls of IntegrityError."""
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    made = [node for node in calls if isinstance(node.func, ast.Name) and node.func.id == "IntegrityError"]
    words = [(node.lineno, node.args[1]) for node in made if len(node.args) > 1]
    return [(line, str(word.value)) for line, word in words if isinstance(word, ast.Constant)]


def test_no_module_gives_another_cause():
    found = [(path.name, *given) for path in SOURCES.rglob("*.py") for given in _given(path)]
    assert len(found) > 20
    assert [row for row in found if row[2] not in CAUSES] == []
