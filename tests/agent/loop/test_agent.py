"""The agent in the loop: it decides as its system does, in time, whatever becomes of explaining."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.agent.loop.faults_sample import toy
from tests.toys import CAT, EYES, READER, SENTENCE, Split, Toy, picture, reads_cat, sees_red
from veridical.agent.audit.contents import Contents
from veridical.agent.explainer import Explainer
from veridical.agent.log.log import Log
from veridical.agent.log.verify import verify_log
from veridical.agent.loop.agent import ExplanationAgent
from veridical.agent.loop.jobs import Outcome
from veridical.agent.loop.policy import Explaining, Oversight, Policy, Rule
from veridical.agent.loop.salting import PatientSalt
from veridical.errors import ContractError, InputError

OBSERVATION = {"text": SENTENCE}
OTHER = {"text": SENTENCE.replace("cat", "dog")}


class Reader(Toy):
    """Reads, and stops for a cat; it has an example of its own, and may be slow by the row."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__(self._read, READER, name="reader")
        self.seconds = seconds

    def _read(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        time.sleep(self.seconds * len(inputs["text"]))
        return reads_cat(inputs)

    def example(self) -> dict[str, Any]:
        return OBSERVATION


class Held(nn.Module):
    """A torch module that reads."""

    actions = ("STOP", "GO")

    def __init__(self) -> None:
        super().__init__()
        self.modalities = {"text": READER}
        self.layer = nn.Linear(1, 1)

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        score = 4 * inputs["text"][:, :, CAT].sum(1) - 1 + 0 * self.layer.weight[0]
        return torch.stack((score, torch.zeros_like(score)), 1)


def burst(inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    raise OSError("it burst")


def policy(mode: str = "off", oversight: Oversight | None = None, **more: Any) -> Policy:
    more = {"depth": "verdict", **({"deadline_ms": 10_000.0} if mode == "inline" else {}), **more}
    return Policy(explain=Explaining(mode=mode, worker="thread", **more), oversight=oversight or Oversight())


def noted(home: Any, event: str) -> list[dict[str, Any]]:
    with Log.open(home, read_only=True) as log:
        found = [row.statement for row in log.entries()]
    return [each.predicate["detail"] for each in found if each.kind == "note" and each.predicate["event"] == event]


def kinds(home: Any) -> list[str]:
    with Log.open(home, read_only=True) as log:
        return [row.statement.kind for row in log.entries()]


def sound(home: Any) -> bool:
    with Log.open(home, read_only=True) as log:
        return not verify_log(log, contents=Contents(deep=False)).problems


@pytest.mark.parametrize("mode", ["off", "inline", "background", "triggered"])
def test_the_decision_is_the_systems_own(mode):
    system = Toy(reads_cat, READER)
    more: dict[str, Any] = {"sample": 0.5} if mode == "triggered" else {}
    with ExplanationAgent(system, policy(mode, depth="account", **more)) as agent:
        for number, observation in enumerate((OBSERVATION, OTHER)):
            found = agent.decide(observation)
            assert found.action == found.chosen == Explainer(system).decide(observation)
            assert (found.number, found.late, found.faults) == (number, False, ())
            score = float(system({"text": READER.prepare(observation["text"]).tensor})[0, 0])
            assert found.margin == pytest.approx(abs(score))
            assert found.probabilities["STOP"] == pytest.approx(1 / (1 + math.exp(-score)))
            json.dumps(found.to_dict())
            time.sleep(0.01)


def test_inline_the_explanation_is_in_the_decision(tmp_path):
    system = Reader()
    with Log.open(tmp_path) as log, ExplanationAgent(system, policy("inline"), log=log) as agent:
        found = agent.decide(OBSERVATION)
    assert (found.explained, found.depth) == ("inline", "verdict")
    assert found.explanation is not None
    assert found.explanation.verdict == "supported"
    assert found.to_dict()["explanation"]["verdict"] == "supported"
    salt = found.explanation.result["verdict"]["attempts"][0]["salt"]
    assert salt.startswith(f"{log.origin}@")
    assert sound(tmp_path)
    with Log.open(tmp_path, read_only=True) as again:
        assert again.entry(found.id).statement.kind == "decision"
    assert [each["id"] for each in noted(tmp_path, "decided")] == [found.id]


def test_a_deadline_is_kept_by_leaving_out_and_what_was_left_out_is_said():
    with ExplanationAgent(Reader(0.003), policy("inline")) as agent:
        whole = agent.decide(OBSERVATION)
        assert whole.explanation is not None
        assert (whole.skipped, whole.explanation.verdict) == ((), "supported")
    short = policy("inline", deadline_ms=100.0)
    with ExplanationAgent(Reader(0.003), short) as agent:  # 40 edits alone take 120 ms
        found = agent.decide(OBSERVATION)
    assert not found.late
    assert found.latency_ms < 100
    assert found.explanation is not None
    assert found.explanation.result["verdict"]["cause"] == "untested"
    assert "measuring" in found.skipped[0]
    assert found.action == "STOP"


def test_a_deadline_for_no_account_at_all_leaves_the_decision():
    with ExplanationAgent(Reader(0.02), policy("inline", deadline_ms=45.0)) as agent:
        found = agent.decide(OBSERVATION)
    assert (found.action, found.explained, found.explanation, found.late) == ("STOP", "no", None, False)
    assert found.skipped
    assert found.faults == ()


@pytest.mark.xfail(
    strict=True, reason="verifier/verify.py zips the controls of further claims with no effects of theirs"
)
def test_controls_that_do_not_fit_leave_the_claims_also_where_there_are_two():
    def slow(inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        time.sleep(0.004 * max(map(len, inputs.values())))
        return sees_red(inputs) + reads_cat(inputs)

    observation = {"vision": picture(), "text": SENTENCE}
    with ExplanationAgent(Toy(slow, EYES, READER), policy("inline", deadline_ms=190.0)) as agent:
        agent.warm(observation)
        found = agent.decide(observation)
    assert found.faults == ()
    assert found.explanation is not None
    assert found.explanation.result["verdict"]["cause"] == "untested"
    assert len(found.explanation.result["claims"]) == 2


def test_time_spent_before_counts_towards_the_deadline():
    with ExplanationAgent(Reader(), policy("inline", deadline_ms=300.0)) as agent:
        found = agent.decide(OBSERVATION, begun=time.perf_counter() - 1.0)
    assert found.late
    assert found.latency_ms > 1000
    assert found.explained == "no"


def test_what_was_never_measured_is_not_begun_until_it_is_warm():
    system = Toy(reads_cat, READER)
    with ExplanationAgent(system, policy("inline")) as agent:
        with pytest.raises(InputError, match=r"^warm: the system has no example\(\); give an observation"):
            agent.warm()
        assert "never measured" in agent.decide(OBSERVATION).skipped[0]
        costs = agent.warm(OBSERVATION)
        assert {"account: gradient", "edits/text", "tell"} <= set(costs)
        assert agent.decide(OBSERVATION).explained == "inline"


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (burst, "OSError: it burst"),
        (lambda inputs: inputs["text"].sum((1, 2)) * float("nan"), "finite"),
        (lambda inputs: torch.zeros(2, 3, 4), "shape"),
    ],
    ids=["explodes", "NaN", "wrong shape"],
)
def test_a_system_that_cannot_decide_is_an_error_unless_an_action_stands_in(broken, told):
    with ExplanationAgent(Toy(broken, READER), policy()) as agent, pytest.raises(ContractError):
        agent.decide(OBSERVATION)
    with ExplanationAgent(Toy(broken, READER), policy("off", Oversight(stop="STOP"))) as agent:
        found = agent.decide(OBSERVATION)
        assert (found.action, found.chosen, found.probabilities) == ("STOP", None, {})
        assert found.reaction.level == "stop"
        assert told in found.faults[0]
        assert told in found.reaction.reasons[0]
        assert told in agent.status()["last_fault"]
        json.dumps(found.to_dict())


@pytest.mark.usefixtures("unchecked")
def test_a_sensor_that_gives_rubbish_is_an_error_unless_an_action_stands_in():
    system = Toy(sees_red, EYES)
    rubbish = [{"vision": np.full((32, 32, 3), np.nan, np.float32)}, {"vision": object()}, {}, None, 7]
    with ExplanationAgent(system, policy()) as agent:
        for observation in rubbish:
            with pytest.raises(InputError):
                agent.decide(observation)
    oversight = Oversight((Rule("sensor", "annotate"),), fallback="GO")
    with ExplanationAgent(system, policy("off", oversight)) as agent:
        for observation in rubbish:
            assert agent.decide(observation).action == "GO"
        assert agent.status()["level"] == "annotate"
        assert agent.decide({"vision": picture()}).action == "STOP"
        assert agent.status()["level"] == "none"


@pytest.mark.parametrize("mode", ["inline", "background"])
def test_what_goes_wrong_in_explaining_leaves_the_decision(mode, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no more memory")

    with ExplanationAgent(Toy(reads_cat, READER), policy(mode, depth="account")) as agent:
        monkeypatch.setattr(Explainer, "explain", fail)
        found = agent.decide(OBSERVATION)
        assert found.action == "STOP"
        assert agent.drain(20)
        assert "no more memory" in agent.status()["last_fault"]
        if mode == "inline":
            assert found.faults == ("explaining: RuntimeError: no more memory",)
        else:
            assert agent.status()["outcomes"] == {"failed": 1}


def test_a_trigger_that_fails_is_a_fault_of_the_decision(monkeypatch):
    with ExplanationAgent(Toy(reads_cat, READER), policy("triggered", sample=1.0, depth="account")) as agent:
        monkeypatch.setattr(agent._triggers, "find", lambda *_: 1 / 0)
        found = agent.decide(OBSERVATION, request=True)
        assert found.faults == ("triggers: ZeroDivisionError: division by zero",)
        assert (found.triggers, found.explained) == (("request",), "queued")
        assert agent.decide(OBSERVATION).explained == "no"


def test_what_calls_for_an_explanation_is_explained_and_nothing_else():
    asked = ("changed decision", "low margin")
    with ExplanationAgent(Toy(reads_cat, READER), policy("triggered", triggers=asked, margin=1.5)) as agent:
        found = [agent.decide(each) for each in (OBSERVATION, OBSERVATION, OTHER, OBSERVATION)]
        found.append(agent.decide(OBSERVATION, request=True))
        assert agent.drain(30)
    both = ("low margin", "changed decision")
    assert [each.triggers for each in found] == [(), (), both, ("changed decision",), ("request",)]
    assert [each.explained for each in found] == ["no", "no", "queued", "queued", "queued"]
    assert agent.status()["outcomes"] == {"explained": 3}


def test_senses_at_odds_are_told_of_a_split_system():
    def each(inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        seen = 2 * sees_red(inputs) if "vision" in inputs else torch.zeros(1)
        return seen + (reads_cat(inputs) if "text" in inputs else torch.zeros(1))

    with ExplanationAgent(Split(each, EYES, READER), policy("off", triggers=("modality disagreement",))) as agent:
        grey = np.full((32, 32, 3), 90, np.uint8)  # -6 nats for stopping, and the cat 3
        assert agent.decide({"vision": grey, "text": SENTENCE}).triggers == ("modality disagreement",)
        assert agent.decide({"vision": picture(), "text": SENTENCE}).triggers == ()


def test_a_request_that_the_policy_does_not_meet_is_said():
    with ExplanationAgent(Toy(reads_cat, READER)) as agent:
        assert agent.worker is None
        found = agent.decide(OBSERVATION, request=True)
    assert found.skipped == ("An explanation was asked for, and the policy has none made.",)
    assert (found.explained, found.depth, found.triggers) == ("no", None, ("request",))


def test_what_the_worker_finds_changes_what_is_done(tmp_path):
    oversight = Oversight((Rule("supported", "stop", reason="a cat"),), stop="STOP")
    system = Toy(lambda x: -reads_cat(x), READER)  # goes for a cat
    outcomes: list[Outcome] = []
    with Log.open(tmp_path) as log, ExplanationAgent(system, policy("background", oversight), log=log) as agent:
        agent.on_outcome.append(outcomes.append)
        first = agent.decide(OBSERVATION)
        assert (first.chosen, first.action, first.explained) == ("GO", "GO", "queued")
        assert agent.drain(30)
        second = agent.decide(OBSERVATION)
        assert (second.chosen, second.action) == ("GO", "STOP")
        assert (second.reaction.level, second.reaction.reasons) == ("stop", ("a cat",))
    assert [(o.kind, o.verdict) for o in outcomes] == [("explained", "supported")] * 2
    assert [change["after"] for change in noted(tmp_path, "oversight")] == ["stop"]
    assert kinds(tmp_path).count("decision") == 2
    assert sound(tmp_path)
    with Log.open(tmp_path, read_only=True) as again:
        assert {again.entry(each.id).statement.kind for each in (first, second)} == {"decision"}


def test_a_worker_process_explains_as_well(tmp_path):
    asked = Policy(explain=Explaining(depth="account"))
    with Log.open(tmp_path) as log, ExplanationAgent(toy(), asked, log=log, make_system=toy) as agent:
        found = agent.decide(OBSERVATION)
        assert agent.drain(60)
        assert agent.status()["outcomes"] == {"explained": 1}, agent.status()
    with Log.open(tmp_path, read_only=True) as again:
        assert again.entry(found.id).statement.kind == "decision"
    assert [each["what"] for each in noted(tmp_path, "worker")] == ["ready"]


def test_a_persons_override_stands_above_all_and_is_recorded(tmp_path):
    with Log.open(tmp_path) as log, ExplanationAgent(Toy(reads_cat, READER), policy(), log=log) as agent:
        with pytest.raises(InputError, match="no action of this system"):
            agent.override("FLY", "Ann", "why not")
        agent.override("GO", "Ann", "the cat is a picture on a van")
        found = agent.decide(OBSERVATION)
        assert (found.chosen, found.action, found.reaction.level) == ("STOP", "GO", "override")
        assert agent.status()["level"] == "override"
        agent.release("Ann", "the van has left")
        assert agent.decide(OBSERVATION).action == "STOP"
        with pytest.raises(InputError, match="nothing is overridden"):
            agent.release("Ann", "once more")
    with Log.open(tmp_path, read_only=True) as again:
        (act,) = [row.statement.predicate for row in again.entries() if row.statement.kind == "operator"]
    assert (act["act"], act["who"], act["action"]) == ("overridden", "Ann", "GO")
    assert act["reason"] == "the cat is a picture on a van"
    assert noted(tmp_path, "override")[0]["by"] == "Ann"
    assert noted(tmp_path, "released")[0]["why"] == "the van has left"
    assert sound(tmp_path)


def test_an_override_also_stands_in_for_a_system_that_fails():
    with ExplanationAgent(Toy(burst, READER), policy()) as agent:
        agent.override("STOP", "Ann", "it is broken")
        assert agent.decide(OBSERVATION).action == "STOP"


def test_explaining_on_request_is_logged(tmp_path):
    with Log.open(tmp_path) as log, ExplanationAgent(Toy(reads_cat, READER), policy(), log=log) as agent:
        found = agent.explain(OBSERVATION)
    with Log.open(tmp_path, read_only=True) as again:
        assert again.entry(found.result["id"]).statement.kind == "decision"
    assert sound(tmp_path)


@pytest.mark.parametrize("mode", ["off", "inline"])
def test_deciding_does_not_wait_for_a_thread_that_explains(mode, monkeypatch):
    system, began, release = Held(), threading.Event(), threading.Event()
    with ExplanationAgent(system, policy(mode)) as agent:
        agent.warm(OBSERVATION)

        def wait(stage: str, share: float) -> None:
            began.set()  # the system is held still by now
            release.wait(20)

        thread = threading.Thread(target=lambda: agent.explain(OBSERVATION, wait))
        thread.start()
        assert began.wait(20)
        found: list[Any] = []
        decider = threading.Thread(target=lambda: found.append(agent.decide(OBSERVATION)), daemon=True)
        decider.start()
        decider.join(10)
        release.set()
        thread.join()
        assert found
        assert (found[0].action, found[0].explained) == ("STOP", "no")
        if mode == "inline":
            assert "another explanation was under way" in found[0].skipped[0]
            assert agent.decide(OBSERVATION).explained == "inline"


def test_status_is_plain_json(tmp_path):
    with Log.open(tmp_path) as log, ExplanationAgent(Toy(reads_cat, READER), log=log) as agent:
        agent.decide(OBSERVATION)
        assert agent.drain(30)
        told = json.loads(json.dumps(agent.status()))
        assert told["decisions"] == 1
        assert told["level"] == "none"
        assert told["policy"] == agent.policy.context()
        assert told["worker"] == {"alive": True, "waiting": 0, "restarted": 0}
        assert told["outcomes"] == {"explained": 1}
        assert told["log"]["lost"] == told["log"]["waiting"] == 0
        assert told["log"]["trouble"] is None


def test_closing_explains_what_waits_and_seals_the_log(tmp_path):
    with Log.open(tmp_path) as log:
        agent = ExplanationAgent(Reader(0.001), policy("background"), log=log, labels={"drive": "7"})
        for _ in range(4):
            agent.decide(OBSERVATION)
        assert agent.close(30)
        assert agent.close()  # once more does nothing
    assert agent.status()["outcomes"] == {"explained": 4}
    found = kinds(tmp_path)
    assert found.count("decision") == 4
    assert len(noted(tmp_path, "decided")) == 4
    assert noted(tmp_path, "closed")[0]["written"] == agent.journal.counts["written"]
    assert found[-1] == "note"
    assert sound(tmp_path)


def test_deciding_goes_on_after_closing_and_nothing_is_explained():
    agent = ExplanationAgent(Toy(reads_cat, READER), policy("background"))
    assert agent.close(20)
    assert agent.decide(OBSERVATION).action == "STOP"
    assert agent.status()["outcomes"] == {"lost": 1}


@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_is_refused_before_the_loop_begins():
    with pytest.raises(InputError, match="FLY"):
        ExplanationAgent(Toy(reads_cat, READER), policy("off", Oversight(stop="FLY")))
    with pytest.raises(ContractError, match="lacks modalities"):
        ExplanationAgent(object())  # type: ignore[arg-type]
    with pytest.raises(InputError, match="make_system"):
        ExplanationAgent(Toy(reads_cat, READER), Policy())
    before = threading.active_count()
    system = Reader()
    system.score = burst
    with pytest.raises(OSError, match="it burst"):
        ExplanationAgent(system, policy("inline"))
    assert threading.active_count() <= before


def test_without_a_policy_all_is_explained_where_there_is_a_log_to_tell(tmp_path):
    with Log.open(tmp_path) as log, ExplanationAgent(Toy(reads_cat, READER), log=log) as agent:
        assert (agent.policy.explain.mode, agent.policy.explain.worker) == ("background", "thread")
    with ExplanationAgent(Toy(reads_cat, READER)) as agent:
        assert agent.policy.explain.mode == "off"


class Silent:
    """A log that tells its head late, or never well."""

    def __init__(self, seconds: float, error: Exception | None = None) -> None:
        self.seconds, self.error, self.asked = seconds, error, 0

    def checkpoint(self) -> str:
        self.asked += 1
        time.sleep(self.seconds)
        raise self.error or OSError("gone")


@pytest.mark.usefixtures("unchecked")
def test_a_log_that_does_not_answer_holds_up_no_commitment():
    log: Any = Silent(1.0)
    salt = PatientSalt(log, 0.05)
    begun = time.perf_counter()
    drawn = {salt("sha256:00") for _ in range(100)}
    assert time.perf_counter() - begun < 0.5
    assert len(drawn) == 100
    assert (log.asked, salt.missed) == (1, 100)
    assert PatientSalt(Silent(0.0), 5.0)("sha256:00")  # type: ignore[arg-type]
