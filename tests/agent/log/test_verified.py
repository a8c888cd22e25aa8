from __future__ import annotations

import json
import re
from pathlib import Path

from veridical.agent.log import bundle_file, database, dsse, erasure, note, store
from veridical.agent.log.causes import CAUSES
from veridical.agent.log.dsse import PAYLOAD_TYPE
from veridical.agent.log.note import MAX_NOTE
from veridical.agent.log.proof import MAX_PROOF
from veridical.agent.log.retention import LEAST_DAYS
from veridical.agent.log.statement import KINDS, STATEMENT_TYPE
from veridical.agent.log.trust import LOG_FORMAT
from veridical.agent.log.verified import Expected, Problem, Verification
from veridical.agent.record.canonical import MAX_DEPTH


def test_nothing_found_is_well():
    found = Verification()
    assert found.ok
    assert found.first is None
    assert found.to_dict()["ok"] is True


def test_the_first_problem_is_told_first():
    found = Verification(problems=[Problem("digest", "one", 3, "id"), Problem("tree", "two")])
    assert not found.ok
    assert found.first == Problem("digest", "one", 3, "id")
    told = json.loads(json.dumps(found.to_dict()))
    assert told["problems"][1] == {"cause": "tree", "told": "two", "entry": None, "id": None}
    assert {problem["cause"] for problem in told["problems"]} <= set(CAUSES)


def test_nothing_is_expected_unless_said():
    assert Expected() == Expected(key=None, checkpoints=(), witnesses=(), quorum=0)


def test_the_specification_lists_the_causes_as_they_are():
    text = (Path(__file__).parents[3] / "docs" / "log.md").read_text(encoding="utf-8")
    table = text.split("| cause | meaning |\n| --- | --- |\n")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \| (.+) \|$", table, re.MULTILINE) == list(CAUSES.items())


def test_the_specification_tells_of_every_kind_and_bound():
    text = (Path(__file__).parents[3] / "docs" / "log.md").read_text(encoding="utf-8")
    table = text.split("| kind | subject |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(KINDS)
    for said in (LOG_FORMAT, STATEMENT_TYPE, PAYLOAD_TYPE, bundle_file.FORMAT, erasure.FORMAT, hex(database._LOCK)):
        assert said in text
    assert (dsse.MAX_BYTES, dsse.MAX_SIGNATURES, MAX_NOTE, note.MAX_SIGNATURES) == (8 << 20, 8, 64 << 10, 64)
    assert (MAX_PROOF, bundle_file.MOST_BYTES, bundle_file.MOST_FILES) == (128 << 10, 4 << 30, 200_000)
    assert (store.MAX_WORD, store.MAX_FACETS, LEAST_DAYS, MAX_DEPTH) == (200, 512, 184, 64)
    for table in store.TABLES.tables.values():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{table.name}` | `"))
        assert {column.name for column in table.columns} <= set(re.findall(r"`(\w+)`", row))
