"""A decision held against its task: known answers for every finding, and what must not change them."""

from __future__ import annotations

import json
import random

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.concepts.task_graphs import ACTIONS, concept, evidence, graph, together, unnamed
from veridical.concepts.task import Task
from veridical.concepts.task_check import FINDINGS, OUTCOMES, check_task
from veridical.errors import InputError


def task(others: str = "noted", share: float = 0.1, **rules) -> Task:
    """A task with rules for STOP, unless others are given."""
    rules = rules or {"must_any": ["sign", "stay"], "may": ["dog"], "must_not": ["patch"]}
    return Task.from_dict(
        {
            "task": {"name": "crossing", "version": 1, "others": others, "share": share},
            "reasons": {
                "sign": {"label": "the stop sign", "sense": "vision", "names": ["stop sign"]},
                "dog": {"label": "a dog", "sense": "vision", "names": ["dog"]},
                "patch": {"label": "the patch", "sense": "vision", "names": ["patch"]},
                "stay": {"label": "the instruction to stay", "sense": "text", "words": ["stay"]},
                "siren": {"label": "a siren", "sense": "audio", "names": ["siren"]},
            },
            "rule": [{"action": "STOP", **rules}],
        }
    )


def kinds(check) -> list[tuple[str, str]]:
    return [(finding.kind, finding.severity) for finding in check.findings]


def stopped(*parts: tuple[str, float | None], **attributes) -> nx.DiGraph:
    """STOP, resting on named concepts with these effects."""
    made = graph("STOP", **attributes)
    for i, (label, effect) in enumerate(parts):
        concept(made, f"vision#{i}", label, effect)
    return made


def test_as_the_task_asks():
    check = check_task(task(), stopped(("stop sign", -3.0), ("dog", -1.0)), "STOP")
    assert (check.outcome, check.findings, check.coverage) == ("as the task asks", (), 1.0)
    assert check.sentences == (
        "STOP is as the task asks: in this system it rests on the stop sign (75\u00a0% of what speaks for it) and "
        "a dog (25\u00a0% of what speaks for it).",
    )


def test_a_reason_that_is_ruled_out():
    check = check_task(task(), stopped(("stop sign", -3.0), ("patch", -1.0)), "STOP")
    assert check.outcome == "not as the task asks"
    assert kinds(check) == [("wrong-reason", "fault"), ("forbidden", "fault")]
    forbidden = check.findings[1]
    assert (forbidden.reasons, forbidden.nodes, forbidden.share) == (("patch",), ("vision#1",), 0.25)
    assert (forbidden.effect, forbidden.p) == (-1.0, 0.01)
    assert check.coverage == 0.75
    assert check.sentences == (
        "STOP is not as the task asks.",
        "The decision is right, but rests on something that the task does not allow.",
        "In this system STOP rests on the patch, which the task rules out (25\u00a0% of what speaks for it; "
        "−1.00 nats, p = 0.010).",
    )


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_forbidden_reason_below_the_share_is_noted_and_not_forbidden(part, share):
    check = check_task(task(share=share), stopped(("stop sign", part - 1), ("patch", -part)))
    if part < share - 1e-6:
        assert ("trace", "noted") in kinds(check)
        assert "forbidden" not in [kind for kind, _ in kinds(check)]
        assert check.outcome == ("as the task asks" if 1 - part >= share else "not as the task asks")
    elif part > share + 1e-6:
        assert ("forbidden", "fault") in kinds(check)
        assert check.outcome == "not as the task asks"


def test_a_trace_is_told():
    check = check_task(task(), stopped(("stop sign", -95.0), ("patch", -5.0)))
    assert check.outcome == "as the task asks"
    assert check.sentences[1] == (
        "In this system STOP rests on the patch, which the task rules out (5\u00a0% of what speaks for it; −5.00 nats, "
        "p = 0.010); below 10\u00a0% that is noted only."
    )


def test_small_parts_of_one_reason_add_up():
    made = stopped(("stop sign", -8.4), ("patch", -0.8), ("patch", -0.8))
    assert ("forbidden", "fault") in kinds(check_task(task(), made))


def test_a_reason_that_is_there_and_ignored():
    made = stopped(("dog", -3.0), ("stop sign", None))
    check = check_task(task(must=["sign"], may=["dog"]), made)
    assert kinds(check) == [("ignored", "fault")]
    assert check.findings[0].reasons == ("sign",)
    assert check.sentences[1] == (
        "The task asks that STOP rest on the stop sign; the stop sign is there, but the decision was not found to rest "
        "on it."
    )


@pytest.mark.parametrize("status", ["contradicted", "negligible"])
def test_evidence_that_was_not_confirmed_is_there_all_the_same(status):
    made = stopped(("dog", -3.0))
    evidence(made, "c1", "stop sign, the left", -0.01, status=status)
    assert kinds(check_task(task(must=["sign"], may=["dog"]), made)) == [("ignored", "fault")]


def test_a_reason_that_carries_too_little_is_ignored_and_says_so():
    check = check_task(task(must=["sign"], may=["dog"]), stopped(("dog", -95.0), ("stop sign", -5.0)))
    assert kinds(check) == [("ignored", "fault")]
    assert check.findings[0].text.endswith("was not found to rest on it (it carries 5\u00a0% of it).")


def test_a_reason_that_is_not_even_there():
    check = check_task(task(must=["sign"], may=["dog"]), stopped(("dog", -3.0)))
    assert kinds(check) == [("missing", "fault")]
    assert check.findings[0].text == (
        "The task asks that STOP rest on the stop sign; nothing in the account was recognised as that."
    )


def test_a_sense_that_the_account_does_not_know_is_told():
    made = stopped(("dog", -3.0))
    made.remove_node("sense:audio")
    check = check_task(task(must=["siren"], may=["dog"]), made)
    assert check.findings[0].text.endswith("recognised as that (it knows no sense 'audio').")


def test_of_several_reasons_one_is_enough():
    asked = task(must_any=["sign", "stay"], may=["dog"])
    made = graph()
    evidence(made, "c1", "“stay here”", -2.0, modality="text")
    assert check_task(asked, made).outcome == "as the task asks"
    none = check_task(asked, stopped(("dog", -3.0)))
    assert kinds(none) == [("missing", "fault")]
    assert none.findings[0].text.startswith("The task asks that STOP rest on the stop sign or the instruction to stay;")
    assert none.findings[0].reasons == ("sign", "stay")


def test_a_wrong_reason_rests_on_nothing_that_is_allowed():
    made = stopped(("cat", -3.0), ("stop sign", None))
    assert kinds(check_task(task(), made, "STOP")) == [
        ("wrong-reason", "fault"),
        ("ignored", "fault"),
        ("unlisted", "noted"),
    ]
    assert (
        check_task(task(), made, "STOP").sentences[1]
        == "The decision is right, but rests on nothing that the task allows."
    )
    assert check_task(task(), made).sentences[1] == "The decision rests on nothing that the task allows."
    assert "wrong-reason" not in [kind for kind, _ in kinds(check_task(task(others="may"), made))]


def test_a_wrong_decision_needs_no_account():
    check = check_task(task(), graph("STOP"), "YIELD")
    assert (check.outcome, check.coverage, check.expected) == ("not as the task asks", None, "YIELD")
    assert check.findings[0].text == "The task asks for YIELD, and STOP was decided."
    rests = check_task(task(), stopped(("patch", -3.0)), "YIELD")
    assert [kind for kind, _ in kinds(rests)] == ["wrong-decision", "forbidden", "missing"]


@pytest.mark.parametrize(("others", "severity"), [("may", "allowed"), ("noted", "noted"), ("must not", "fault")])
def test_what_no_rule_speaks_of_weighs_as_the_task_says(others, severity):
    check = check_task(task(others=others), stopped(("stop sign", -3.0), ("cat", -1.0)))
    assert ("unlisted", severity) in kinds(check)
    assert check.outcome == ("not as the task asks" if others == "must not" else "as the task asks")
    told = (
        "In this system STOP rests on “cat”, of which no rule for it speaks (25\u00a0% of what speaks for it; "
        "−1.00 nats, p = 0.010)."
    )
    assert (told in check.sentences) == (others != "may")
    assert check.coverage == 0.75


def test_a_known_reason_of_another_action_is_unlisted_by_its_name():
    made = stopped(("stop sign", -3.0))
    evidence(made, "c1", "Siren, 0–1 s", -1.0, modality="audio")
    check = check_task(task(), made)
    assert kinds(check) == [("unlisted", "noted")]
    assert check.findings[0].reasons == ("siren",)
    assert "rests on a siren, of which" in check.findings[0].text


def test_a_little_of_what_no_rule_speaks_of_is_noted_even_where_it_must_not():
    check = check_task(task(others="must not"), stopped(("stop sign", -95.0), ("cat", -5.0)))
    assert (kinds(check), check.outcome) == ([("unlisted", "noted")], "as the task asks")


def test_what_no_concept_accounts_for_is_not_passed_over():
    made = stopped(("stop sign", -1.0))
    unnamed(made, "vision", -3.0)
    check = check_task(task(others="must not"), made)
    assert kinds(check) == [("wrong-reason", "fault"), ("unlisted", "fault")]
    assert check.coverage == 0.25


def test_what_is_recognised_as_both_allowed_and_ruled_out_is_ruled_out():
    made = graph()
    together(made, "c1", [concept(made, "vision#1", "stop sign", None), concept(made, "vision#2", "patch", None)], -2.0)
    check = check_task(task(), made)
    assert ("forbidden", "fault") in kinds(check)
    assert check.coverage == 0.0


def test_nothing_drawn_is_undecided():
    check = check_task(task(), stopped(("stop sign", None)))
    assert (check.outcome, check.coverage, kinds(check)) == ("undecided", None, [("ignored", "noted")])
    assert check.sentences[0] == (
        "Whether STOP is as the task asks is undecided: nothing that was drawn speaks for STOP."
    )


@pytest.mark.parametrize("label", ["stop sign", "patch"])
def test_an_inconclusive_account_leaves_it_undecided(label):
    check = check_task(task(), stopped((label, -3.0), verdict="inconclusive"))
    assert check.outcome == "undecided"
    assert check.sentences[0] == "Whether STOP is as the task asks is undecided: the verdict is inconclusive."
    assert check_task(task(), stopped((label, -3.0), verdict="supported")).outcome != "undecided"


def test_an_action_that_no_rule_speaks_of_rests_on_what_it_likes():
    made = graph("YIELD")
    concept(made, "vision#1", "patch", -2.0)
    check = check_task(task(), made, "YIELD")
    assert (check.outcome, kinds(check), check.coverage) == ("as the task asks", [("unlisted", "noted")], 0.0)
    assert check.sentences[0] == "YIELD is as the task asks."


def test_the_check_is_plain_data():
    check = check_task(task(), stopped(("stop sign", -3.0), ("patch", -1.0)), "STOP")
    plain = check.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["digest"] == task().digest
    assert plain["findings"][1]["nodes"] == ["vision#1"]
    assert plain["grounds"][0]["reasons"] == ["sign"]


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"expected action 'PARK' is none .* they are PROCEED, SLOW, STOP, YIELD"):
        check_task(task(), graph(), "PARK")
    made = graph()
    made.graph["actions"] = ["GO", "WAIT"]
    with pytest.raises(
        InputError, match=r"task 'crossing', \[\[rule\]\] action 'STOP' is none of .* they are GO, WAIT"
    ):
        check_task(task(), made)
    with pytest.raises(InputError, match="no node 'decision' with a label; give the graph of one decision"):
        check_task(task(), nx.DiGraph())
    made = graph()
    made.add_node(3, kind="concept")
    with pytest.raises(InputError, match="3 is no id of a node"):
        check_task(task(), made)


LABELS = ["stop sign", "patch", "dog", "cat", None]


@st.composite
def decisions(draw):
    made = graph(draw(st.sampled_from(ACTIONS)), verdict=draw(st.sampled_from(["supported", "inconclusive"])))
    effects = st.integers(-50, 20).filter(bool).map(lambda n: n / 10)
    for i in range(draw(st.integers(0, 2))):
        evidence(made, f"c{i}", f"{draw(st.sampled_from(LABELS)) or 'the middle'}, the left", draw(effects))
    for i in range(draw(st.integers(0, 4))):
        carried = {f"c{draw(st.integers(0, 1))}": 0.8} if "c1" in made and draw(st.booleans()) else {}
        concept(made, f"vision#{i}", draw(st.sampled_from(LABELS)), draw(st.none() | effects), carried=carried)
    if draw(st.booleans()):
        unnamed(made, "vision", draw(effects))
    return made


RULES = [
    {"action": "STOP", "must_any": ["sign", "stay"], "may": ["dog"]},
    {"action": ["SLOW", "STOP"], "may": ["dog"]},
    {"action": "YIELD", "must": ["siren"]},
    {"action": "*", "must_not": ["patch"]},
]


def shuffled(content: dict, made: nx.DiGraph, rng: random.Random) -> tuple[Task, nx.DiGraph]:
    """The same task and graph under other ids of reasons and evidence, in another order."""
    ids = {id: f"r{rng.randrange(10**6)}-{id}" for id in content["reasons"]}
    rules = [{k: [ids[i] for i in v] if k != "action" else v for k, v in rule.items()} for rule in content["rule"]]
    reasons = [(ids[id], {"label": id, **reason}) for id, reason in content["reasons"].items()]
    rng.shuffle(rules)
    rng.shuffle(reasons)
    renamed = Task.from_dict({"task": content["task"], "reasons": dict(reasons), "rule": rules})
    nodes = list(made.nodes(data=True))
    rng.shuffle(nodes)
    edges = list(made.edges(data=True))
    rng.shuffle(edges)
    other = nx.DiGraph(**made.graph)
    other.add_nodes_from(nodes)
    other.add_edges_from(edges)
    homes = {node: f"c{rng.randrange(10, 10**6)}" for node, kind in made.nodes(data="kind") if kind == "evidence"}
    return renamed, nx.relabel_nodes(other, homes) if len(set(homes.values())) == len(homes) else other


@settings(max_examples=150, deadline=None)
@given(decisions(), st.sampled_from([None, *ACTIONS]), st.sampled_from(["may", "noted", "must not"]), st.randoms())
def test_neither_names_of_nodes_and_reasons_nor_order_change_the_outcome(made, expected, others, rng):
    content = task(others=others).to_dict() | {"rule": RULES}
    asked = Task.from_dict(content)
    check = check_task(asked, made, expected)
    again = check_task(*shuffled(asked.to_dict(), made, rng), expected)
    assert check.outcome == again.outcome
    assert sorted(kinds(check)) == sorted(kinds(again))
    assert check.coverage == (None if again.coverage is None else pytest.approx(again.coverage))


@settings(max_examples=150, deadline=None)
@given(decisions(), st.sampled_from([None, *ACTIONS]), st.sampled_from(["may", "noted", "must not"]))
def test_outcome_findings_and_sentences_agree(made, expected, others):
    check = check_task(Task.from_dict(task(others=others).to_dict() | {"rule": RULES}), made, expected)
    assert check.outcome in OUTCOMES
    assert check == check_task(Task.from_dict(task(others=others).to_dict() | {"rule": RULES}), made, expected)
    order = [FINDINGS.index(finding.kind) for finding in check.findings]
    assert order == sorted(order)
    if check.outcome != "undecided":
        assert (check.outcome == "not as the task asks") == bool(check.faults)
    assert ("wrong-decision" in [f.kind for f in check.findings]) == (expected not in (None, check.action))
    assert (check.coverage is None) == (not check.grounds)
    assert check.coverage is None or 0 <= check.coverage <= 1
    assert len(check.sentences) == 1 + sum(finding.severity != "allowed" for finding in check.findings)
    for text in check.sentences:
        assert text[0].isupper()
        assert text.endswith(".")
        assert "  " not in text
        assert "\n" not in text
