"""The adapters' face."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from veridical.modalities import adapters


def test_each_name_is_there_and_listed():
    assert set(adapters.__all__) == set(adapters._HOMES)
    assert set(adapters.__all__) <= set(dir(adapters))
    for name in adapters.__all__:
        assert getattr(adapters, name).__module__ == f"veridical.modalities.adapters.{adapters._HOMES[name]}"


def test_type_checkers_are_told_what_is_loaded():
    tree = ast.parse(Path(str(adapters.__file__)).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    told = {a.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for a in node.names}
    assert told == adapters._HOMES


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'wrap_tensorflow'"):
        _ = adapters.wrap_tensorflow
