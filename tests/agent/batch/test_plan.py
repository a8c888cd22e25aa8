from __future__ import annotations

from dataclasses import replace

import pytest

from veridical.agent.batch.plan import Plan, default_jobs
from veridical.agent.batch.secret import NAME, digest_of_content, secret_of
from veridical.errors import InputError, RecordError


def test_equal_work_has_equal_keys_and_other_work_others():
    plan = Plan(jobs=1)
    key = plan.key("a", "d", "s")
    assert key == replace(plan, jobs=3, engine="ray", limit=2, labels={"group": "A"}).key("a", "d", "s")
    policy = {"name": "p", "version": "1", "digest": "x"}
    others = [replace(plan, depth="account"), replace(plan, salt="s"), replace(plan, policy=policy)]
    keys = [key, plan.key("b", "d", "s"), plan.key("a", "e", "s"), plan.key("a", "d", "t")]
    assert len({*keys, *(other.key("a", "d", "s") for other in others)}) == 7


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"engine": "spark"}, "engine: no 'spark'"),
        ({"depth": "deep"}, "depth: no 'deep'"),
        ({"jobs": 0}, "jobs is 0"),
        ({"limit": 0}, "limit is 0"),
        ({"labels": {"item": "x"}}, "label 'item' is one that a batch gives itself"),
        ({"salt": ""}, "salt: an empty text"),
    ],
)
def test_a_plan_that_cannot_be(options, told):
    with pytest.raises(InputError, match=told):
        Plan(**options)


def test_there_is_a_worker_for_each_core_up_to_four():
    assert 1 <= default_jobs() <= 4


def test_a_home_has_one_secret_that_only_its_owner_reads(tmp_path):
    secret = secret_of(tmp_path)
    assert len(secret) == 32
    assert secret_of(tmp_path) == secret
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    other = tmp_path / "other"
    other.mkdir()
    assert digest_of_content(secret, b"x") != digest_of_content(secret_of(other), b"x")


def test_a_secret_that_was_cut_short_is_refused(tmp_path):
    (tmp_path / NAME).write_bytes(b"short")
    with pytest.raises(RecordError, match="5 bytes, not 32"):
        secret_of(tmp_path)


def test_a_digest_is_that_of_rfc_4231():
    found = digest_of_content(b"Jefe", b"what do ya want for nothing?")
    assert found == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
