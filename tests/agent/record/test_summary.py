from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.record import vectors
from tests.agent.sample import result_and_arrays
from veridical.agent.record import RESULT_FORMAT, Context, compose, summary_of
from veridical.agent.record.canonical import canonical_json
from veridical.agent.record.sealing import Sealer
from veridical.agent.record.summary import FLAGS, MOST
from veridical.errors import RecordError

DIGEST = "sha256:" + "a" * 64


def summed(result, **context):
    return summary_of(compose({"format": RESULT_FORMAT, **result}, {}, Context(**context))[0], DIGEST)


def concept(key, label, modality="vision", *, named=True):
    return {"id": key, "kind": "concept", "label": label, "modality": modality, "named": named}


def effect(source, nats):
    return {"source": source, "target": "decision", "kind": "effect", "effect": nats}


def claim(measured, name=None, modality="vision", status="confirmed", where="the left"):
    told = {"measured": measured, "name": name, "modality": modality, "status": status, "where": where}
    return told | {"units": [1, 2, 3]}


def test_a_whole_record_is_summed_up():
    manifest, _ = vectors.open_record()
    assert summary_of(manifest, DIGEST) == {
        "id": manifest["id"],
        "time": "2026-01-02T03:04:05.678000+00:00",
        "monotonic": {"start": 1000, "end": 1250},
        "clock": "steady",
        "about": None,
        "system": {"name": "signal", "digest": "sha256:" + "1" * 64},
        "action": "STOP",
        "verdict": "supported",
        "cause": "holds",
        "score": 2,
        "probability": 0.8807970779778823,
        "shares": manifest["result"]["attribution"]["shares"],
        "subject": None,
        "labels": {"scenario": "post"},
        "policy": {"name": "signals", "version": "3", "digest": None},
        "trigger": "request",
        "manifest": DIGEST,
        "blobs": sorted({entry["blob"] for entry in manifest["arrays"].values()}),
        "sealed": [],
        "reliance": [
            {
                "label": "text:2 units",
                "kind": "evidence",
                "modality": "text",
                "effect": -1.5,
                "share": 1.0,
                "verdictless": False,
            }
        ],
        "flags": ["absent", "lossy", "omitted"],
    }


def test_the_sample_is_summed_up_and_quotes_no_instruction():
    result, arrays = result_and_arrays()
    manifest, _ = compose(result, arrays, Context(seal=Sealer("s-1", bytes(32))))
    told = summary_of(manifest, DIGEST)
    canonical_json(told)
    assert told["sealed"]
    assert "sealed" in told["flags"]
    text = json.dumps(told["reliance"], ensure_ascii=False)
    words = result["observation"]["text"]["text"].split()
    assert "“" not in text
    assert not any(f"{one} {two}" in text for one, two in pairwise(words))


def test_instances_of_a_concept_are_one_and_unnamed_ones_count_in_the_whole():
    graph = {
        "nodes": [
            concept("v1", "animal"),
            concept("v2", "animal"),
            concept("a1", "animal", "audio"),
            concept("u", "unnamed concept #7", named=False),
            {"id": "unnamed:vision", "kind": "unnamed", "modality": "vision", "label": "the rest"},
            {"id": "t", "kind": "together", "modality": "vision", "label": "all"},
            concept("idle", "post"),
        ],
        "edges": [
            effect("v1", -2.0),
            effect("v2", -1.0),
            effect("a1", 0.5),
            effect("u", -0.5),
            effect("unnamed:vision", 1.0),
            effect("t", -9.0),
            {"source": "v1", "target": "t", "part_of": True},
        ],
    }
    told = summed({"graph": graph})["reliance"]
    assert [(item["label"], item["modality"], item["effect"], item["share"]) for item in told] == [
        ("animal", "vision", -3.0, 0.6),
        ("animal", "audio", 0.5, 0.1),
    ]
    assert {item["kind"] for item in told} == {"concept"}


def test_evidence_is_told_by_name_or_place_and_never_by_words():
    claims = [
        claim(-4.0),
        claim(-1.0, "cat"),
        claim(-2.0, "cat"),
        claim(-0.5, modality="text", where="“red post”"),
        claim(-0.5, modality="radar", where="“what the operator typed”"),
        claim(0.01, status="negligible"),
    ]
    told = summed({"claims": claims})["reliance"]
    assert [(item["label"], item["effect"], item["share"]) for item in told] == [
        ("vision:the left", -4.0, 0.5),
        ("cat", -3.0, 0.375),
        ("radar:3 units", -0.5, 0.0625),
        ("text:3 units", -0.5, 0.0625),
    ]


def test_at_most_so_many_are_told_the_largest_first():
    told = summed({"claims": [claim(-k, f"thing {k}") for k in range(1, 50)]})["reliance"]
    assert [item["label"] for item in told] == [f"thing {k}" for k in range(49, 49 - MOST, -1)]
    assert sum(item["share"] for item in told) == pytest.approx(sum(range(18, 50)) / sum(range(1, 50)))


def test_effects_that_are_all_zero_have_no_share():
    assert summed({"claims": [claim(0.0, "x")]})["reliance"][0]["share"] == 0.0


@pytest.mark.parametrize(
    ("result", "flags"),
    [
        ({}, ["unconfirmed"]),
        ({"claims": [claim(-1)]}, []),
        ({"claims": [claim(-1)], "attribution": {"additive": True, "within_tolerance": False}}, ["gap"]),
        ({"claims": [claim(-1)], "attribution": {"additive": False, "within_tolerance": False}}, []),
        ({"claims": [claim(-1)], "observation": {"audio": {"present": False}}}, ["absent"]),
        ({"claims": [claim(-1)], "concepts": {"task": {"outcome": "not as the task asks"}}}, ["off-task"]),
        ({"claims": [claim(-1)], "concepts": {"task": {"outcome": "undecided"}}}, ["undecided"]),
        ({"claims": [claim(-1)], "concepts": {"task": {"outcome": "as the task asks"}}}, []),
    ],
)
def test_flags(result, flags):
    assert summed(result)["flags"] == flags
    assert set(flags) <= FLAGS.keys()


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("id kind nodes".split()), inner),
    max_leaves=8,
)
PARTS = st.sampled_from("decision verdict system attribution graph claims concepts observation".split())


@given(st.dictionaries(PARTS, JUNK, max_size=4))
def test_whatever_the_result_nothing_but_a_record_error_comes(result):
    manifest, _ = compose({"format": RESULT_FORMAT}, {}, Context())
    manifest["result"] = {"format": RESULT_FORMAT, **result}
    try:
        told = summary_of(manifest, DIGEST)
    except RecordError as error:
        text = str(error)
        assert manifest["id"] in text
    else:
        canonical_json(told)
