from __future__ import annotations

import json
import sqlite3
import types

import pytest

from tests.agent.audit.homes import copied, failed, ran, run, shared
from veridical.agent.audit import cli_check
from veridical.agent.log.log import Log


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    """What an auditor holds of the log: a checkpoint and the key."""
    folder = tmp_path_factory.mktemp("papers")
    ran(shared(), "export", "--checkpoint", folder / "seen", "--key", folder / "key")
    return types.SimpleNamespace(seen=folder / "seen", key=folder / "key")


def test_a_whole_log_verifies(papers):
    out = ran(shared(), "verify")
    assert out.startswith("✓ Verified: veridical.local/")
    assert "all 5 entries hold" in out
    assert "5: 3 decision, 1 opened, 1 operator" in out
    assert "shows with\n   its key (--key) and a checkpoint kept elsewhere (--checkpoint)." in out
    pinned = ran(shared(), "verify", "--quick", "--key", papers.key, "--checkpoint", papers.seen)
    assert "This shows" not in pinned
    key = papers.key.read_text(encoding="utf-8").strip()
    assert ran(shared(), "verify", "--quick", "--key", key, "--checkpoint", papers.seen) == pinned
    told = json.loads(ran(shared(), "verify", "--json", "--quick"))
    assert (told["ok"], told["entries"], told["problems"]) == (True, 5, [])


def test_the_first_bad_entry_is_named(tmp_path):
    home = copied(tmp_path)
    with sqlite3.connect(home / "log.sqlite") as connection:
        connection.execute("UPDATE entries SET verdict = 'unsupported' WHERE number = 2")
        connection.execute("UPDATE entries SET action = 'x' WHERE number = 3")
    status, out, _ = run(home, "verify", "--quick")
    assert status == 1
    assert out.startswith("✗ Not verified: veridical.local/")
    assert "2 things do not hold\nThe first bad entry is 2, " in out
    assert "✗ entry 2, index" in out
    status, out, _ = run(home, "verify", "--quick", "--json")
    told = json.loads(out)
    assert (status, told["ok"], [p["entry"] for p in told["problems"]]) == (1, False, [2, 3])


def test_a_log_that_was_set_back_does_not_verify(tmp_path):
    home = copied(tmp_path)
    with sqlite3.connect(home / "log.sqlite") as connection:
        for table, column in (("entries", "number"), ("facets", "number"), ("checkpoints", "size")):
            connection.execute(f"DELETE FROM {table} WHERE {column} > {4 if column == 'size' else 3}")  # noqa: S608
    status, out, _ = run(home, "verify")
    assert status == 1
    assert "rollback" in out


def test_many_problems_are_counted(tmp_path, monkeypatch):
    from veridical.agent.log.verified import Problem, Verification

    found = Verification(problems=[Problem("index", f"entry {i}: x", i, f"id{i}") for i in range(23)], notes=["a note"])
    monkeypatch.setattr(cli_check, "_log", lambda *_: found)
    status, out, _ = run(shared(), "verify")
    assert status == 1
    assert "✗ entry 19, index" in out
    assert "and 3 more; --json tells them" in out
    assert "·  a note" in out


def test_what_is_expected_must_be_there(papers, tmp_path):
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    assert "no such file, and no verifier key" in failed(shared(), "verify", "--key", "nothing")
    assert "the file is empty" in failed(shared(), "verify", "--key", tmp_path / "empty")
    assert "no text in UTF-8" in failed(shared(), "verify", "--checkpoint", tmp_path / "bytes")
    assert "cannot be read" in failed(shared(), "verify", "--checkpoint", tmp_path / "none")
    assert "0 witnesses are given" in failed(shared(), "verify", "--quorum", 1)
    other = copied(tmp_path)
    with Log.open(tmp_path / "other") as log:
        foreign = log.note_key.vkey()
    status, out, _ = run(other, "verify", "--quick", "--key", foreign)
    assert status == 1
    assert "key" in out
    (tmp_path / "no").write_text("no checkpoint", encoding="utf-8")
    assert run(other, "verify", "--quick", "--checkpoint", tmp_path / "no")[0] == 1


def test_progress_is_shown_to_a_terminal_alone(monkeypatch, capsys):
    monkeypatch.setattr(cli_check.sys.stderr, "isatty", lambda: True, raising=False)
    with cli_check._progress() as advance:
        advance(50, 100)
        advance(0, 0)
    err = capsys.readouterr().err
    assert "███████████████░░░░░░░░░░░░░░░ 50 of 100 entries" in err
    assert err.endswith("\x1b[K")


def test_a_bundle_verifies_alone(papers, tmp_path):
    bundle = tmp_path / "b.zip"
    ran(shared(), "export", 2, "--out", bundle)
    out = ran(None, "verify", bundle, "--key", papers.key)
    assert out.startswith(f"✓ Verified: {bundle}, all 3 entries hold")
    assert "This shows" not in out
    assert "the bundle is whole" in ran(None, "verify", bundle)
    assert "a bundle stands alone" in failed(None, "verify", bundle, "--checkpoint", papers.seen)
    content = bytearray(bundle.read_bytes())
    content[len(content) // 2] ^= 1
    bundle.write_bytes(content)
    status, out, _ = run(None, "verify", bundle)
    assert status == 1
    assert "✗ Not verified" in out
    assert "cannot be read" in failed(None, "verify", tmp_path / "none.zip")


def test_a_proof_is_made_and_checked_without_the_log(papers, tmp_path):
    proof, entry = tmp_path / "p.tlog-proof", tmp_path / "e.json"
    ran(shared(), "prove", 2, "--out", proof, "--entry", entry)
    assert proof.read_text(encoding="utf-8").startswith("c2sp.org/tlog-proof@v1\nindex 2\n")
    assert ran(shared(), "prove", 2) == proof.read_text(encoding="utf-8")
    assert json.loads(ran(shared(), "prove", 2, "--json"))["number"] == 2
    out = ran(None, "prove", "--check", proof, "--entry", entry, "--key", papers.key)
    assert "✓ Entry 2 (decision of " in out
    told = json.loads(ran(None, "prove", "--check", proof, "--entry", entry, "--key", papers.key, "--json"))
    assert (told["number"], told["size"]) == (2, 5)
    entry.write_bytes(entry.read_bytes().replace(b'"sig"', b'"sih"'))
    assert "altered" in failed(None, "prove", "--check", proof, "--entry", entry, "--key", papers.key)
    assert "are wanted" in failed(None, "prove", "--check", proof)


def test_a_proof_holds_under_the_key_that_came_later(tmp_path):
    home, proof, entry, keys = copied(tmp_path), tmp_path / "p", tmp_path / "e", tmp_path / "k"
    ran(home, "key", "rotate", "--reason", "yearly")
    ran(home, "prove", 2, "--out", proof, "--entry", entry)
    ran(home, "export", "--key", keys)
    assert keys.read_text(encoding="utf-8").count("\n") == 2
    assert "✓" in ran(None, "prove", "--check", proof, "--entry", entry, "--key", keys)
    first = keys.read_text(encoding="utf-8").splitlines()[0]
    assert "key" in failed(None, "prove", "--check", proof, "--entry", entry, "--key", first)
    assert "✓ Verified" in ran(home, "verify", "--quick", "--key", keys)


def test_that_the_log_only_grew_is_proven(tmp_path):
    assert "✓ The log of 3 entries is the beginning of the log of 5" in ran(shared(), "prove", "--consistency", 3)
    told = json.loads(ran(shared(), "prove", "--consistency", 3, 4, "--json"))
    assert (told["old"]["size"], told["new"]["size"]) == (3, 4)
    ran(shared(), "prove", "--consistency", 3, "--out", tmp_path / "c.json")
    assert json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))["path"]
    assert "cannot be compared" in failed(shared(), "prove", "--consistency", 9)
    assert "number of entries" in failed(shared(), "prove", "--consistency", 3, "x")
    assert "leave it out" in failed(shared(), "prove", "--consistency", 3, "--entry", tmp_path / "e")


def test_one_thing_is_proven_at_a_time(tmp_path):
    assert "name an entry" in failed(shared(), "prove")
    assert "name an entry" in failed(shared(), "prove", 2, "--check", tmp_path / "p")


def test_a_log_that_does_not_open_is_verified_all_the_same(tmp_path):
    home = copied(tmp_path)
    with sqlite3.connect(home / "log.sqlite") as connection:
        connection.execute("UPDATE entries SET action = 'GO' WHERE number = 2")
        connection.execute("UPDATE checkpoints SET note = replace(note, 'veridical', 'veridicel')")
    connection.close()
    status, out, _ = run(home, "verify", "--json")
    found = json.loads(out)
    assert status == 1
    assert (found["problems"][0]["cause"], found["problems"][0]["entry"]) == ("index", 2)
    assert "key" in {problem["cause"] for problem in found["problems"]}  # of the checkpoint, which names another
