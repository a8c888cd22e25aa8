from __future__ import annotations

from copy import deepcopy

import pytest

from tests.agent.audit.content_sample import made
from tests.agent.log.kept import causes, copy, first, keep, place
from veridical.agent.audit.contents import Contents
from veridical.agent.log.log import Log
from veridical.agent.log.statement import new_statement
from veridical.agent.log.verify import verify_log
from veridical.agent.logged import log_decision
from veridical.agent.record.canonical import canonical_json, read_json


@pytest.fixture
def log(tmp_path):
    with Log.open(copy(tmp_path)) as found:
        yield found


@pytest.fixture
def real(tmp_path):
    """A log of one explanation that a small system really gave."""
    with Log.open(tmp_path / "real") as found:
        log_decision(found, *deepcopy(made("simple")))
        yield found


def said(log, number=1):
    return dict(log.entry(number).statement.predicate)


def again(log, change, about=None):
    """Append the decision of entry 1 once more, saying something else."""
    predicate = said(log)
    for name in ("id", "time"):
        del predicate[name]
    change(predicate)
    subjects = about or [("manifest.json", predicate["manifest"])]
    return log.append(new_statement("decision", predicate, subjects)).number


def test_a_record_that_holds_deeply(real):
    found = verify_log(real, contents=Contents())
    assert found.problems == []
    assert (found.opened, found.sealed) == (len(said(real)["sealed"]), 0)
    assert found.blobs == 1 + len(said(real)["blobs"]) + len(said(real)["sealed"])


def test_a_figure_that_does_not_come_out_again_is_found_deeply_alone(tmp_path):
    result, arrays = deepcopy(made("simple"))
    result["claims"][0]["measured"] -= 1.0
    with Log.open(tmp_path / "wrong") as log:
        log_decision(log, result, arrays)
        assert verify_log(log, contents=Contents(deep=False)).ok
        found = verify_log(log, contents=Contents())
    assert {cause for cause, _ in causes(found)} == {"content"}
    assert first(found).entry == 1


def test_what_was_read_once_is_not_read_again(log):
    contents = Contents(deep=False)
    assert verify_log(log, contents=contents).blobs == 16
    assert verify_log(log, contents=contents).blobs == 0


def test_without_the_keys_the_rest_is_checked(log):
    for number in (1, 2):
        log.subjects.forget(said(log, number)["subject"])
    found = verify_log(log, contents=Contents(deep=False))
    assert found.ok
    assert (found.opened, found.sealed) == (0, 6)


@pytest.mark.parametrize("which", ["manifest", "blobs", "sealed"])
def test_a_blob_altered_or_gone(log, which):
    digest = said(log)[which] if which == "manifest" else said(log)[which][0]
    path = place(log, digest)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"?")
    assert first(verify_log(log, contents=Contents(deep=False))).cause == "digest"
    path.unlink()
    found = verify_log(log, contents=Contents(deep=False))
    assert {cause for cause, _ in causes(found)} == {"missing"}
    assert first(found).entry == 1


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("action", "GO", "action is 'GO' in the entry, 'STOP' in its record"),
        ("score", 3, "score is 3 in the entry, 2 in its record"),
        ("labels", {}, "labels is {} in the entry, {'scenario': 'night'} in its record"),
        ("subject", "s-" + "0" * 32, "subject is 's-000"),
        ("flags", ["gap"], "flags is ['gap'] in the entry"),
        ("decided", "2001-01-01T00:00:00.000000+00:00", "decided is '2001-01-01T00:00:00.000000+00:00' in the entry"),
        ("blobs", [], "blobs is [] in the entry"),
    ],
)
def test_an_entry_that_says_other_than_its_record(log, name, value, told):
    number = again(log, lambda predicate: predicate.update({name: value}))
    found = [problem for problem in verify_log(log, contents=Contents(deep=False)).problems if problem.entry == number]
    assert {problem.cause for problem in found} == {"content"}
    assert any(told in problem.told for problem in found)


def test_an_entry_whose_subject_is_another(log):
    number = again(log, lambda predicate: None, about=[("manifest.json", "sha256:" + "0" * 64)])
    found = verify_log(log, contents=Contents(deep=False))
    assert f"entry {number}: its statement is about something else than its manifest" in [
        p.told for p in found.problems
    ]


@pytest.mark.parametrize(("name", "value"), [("manifest", None), ("manifest", 3), ("blobs", [3])])
def test_blobs_that_are_not_named_by_digest(log, name, value):
    about = [("manifest.json", said(log)["manifest"])]
    number = again(log, lambda predicate: predicate.update({name: value}), about)
    found = verify_log(log, contents=Contents(deep=False))
    assert causes(found) == [("format", number)]


def test_a_digest_that_leads_outside(log):
    number = again(log, lambda predicate: predicate["blobs"].append("sha256:../../keys"))
    found = verify_log(log, contents=Contents(deep=False))
    assert ("path", number) in causes(found)


def test_a_manifest_of_another_form(log):
    manifest = read_json(log.blobs.get(said(log)["manifest"]), "it")
    for change, cause in (({"format": "veridical.record/3"}, "format"), ({"critical": ["hologram"]}, "format")):
        digest = log.blobs.put(canonical_json({**manifest, **change}))
        number = again(log, lambda predicate, held=digest: predicate.update(manifest=held))
        assert (cause, number) in causes(verify_log(log, contents=Contents(deep=False)))


def test_a_key_under_anothers_name_does_not_open(log):
    first_one, second = said(log, 1)["subject"], said(log, 2)["subject"]
    folder = log.home / "subjects"
    (folder / f"{first_one}.json").write_bytes((folder / f"{second}.json").read_bytes())
    found = verify_log(log, contents=Contents(deep=False))
    assert causes(found) == [("digest", 1), ("digest", 3)]
    assert "cannot be opened" in first(found).told


def test_other_kinds_refer_to_nothing(log):
    log.append(new_statement("note", {"manifest": "sha256:" + "0" * 64}, log.about()))
    assert verify_log(log, contents=Contents()).kinds["note"] == 1
    assert verify_log(log, contents=Contents(deep=False)).ok


def test_a_map_from_elsewhere_that_cannot_be_read(log):
    digest = log.blobs.put(b"{}")
    predicate = {"manifest": digest, "blobs": [], "sealed": []}
    number = log.append(new_statement("map", predicate, [("manifest.json", digest)])).number
    found = verify_log(log, contents=Contents(deep=False))
    assert [problem.entry for problem in found.problems] == [number]


def test_the_entrys_own_time_is_that_of_its_writing(log):
    kept = keep(log, 4, end="2001-01-01T00:00:00.000000+00:00")
    assert said(log, kept.number)["decided"] == "2001-01-01T00:00:00.000000+00:00"
    assert verify_log(log, contents=Contents(deep=False)).ok
