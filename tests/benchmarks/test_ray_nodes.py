"""The benchmark of Ray's nodes: what it compares, and whom it kills."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmarks import ray_nodes
from tests.agent.batch.workers import Stub, result_of
from veridical.agent.batch.batch import explain_all
from veridical.agent.batch.plan import Plan
from veridical.agent.batch.same import digest_of_result
from veridical.agent.batch.sources import open_source
from veridical.agent.log.log import Log
from veridical.errors import InputError


def test_results_are_compared_as_the_log_has_them(tmp_path):
    folder = tmp_path / "items"
    folder.mkdir()
    for name, words in (("a", "go"), ("b", "a cat")):
        (folder / f"{name}.txt").write_text(words)
    with Log.open(tmp_path / "home") as log:
        explain_all(open_source(folder), Plan(jobs=1), log, make=Stub)
        found = ray_nodes.digests_of(log)
    assert found == {"a": digest_of_result(result_of("go")), "b": digest_of_result(result_of("a cat"))}


def test_the_processes_under_another_are_found():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert child.pid in ray_nodes._children(os.getpid())
    finally:
        child.communicate()


def test_no_scenes_are_refused():
    with pytest.raises(InputError, match="at least 1 is wanted"):
        ray_nodes.measure(0)
