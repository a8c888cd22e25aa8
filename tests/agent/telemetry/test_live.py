"""One decision, mirrored; and what happens where telemetry fails or is not there."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.agent.sample import INSTRUCTION
from veridical.agent.telemetry import Telemetry
from veridical.agent.telemetry.words import ATTRIBUTES
from veridical.errors import RecordError

ID = "3f0f1c6e-0f4b-4a54-9b7e-2f3f5a0c9d11"


@dataclass(frozen=True)
class Receipt:
    number: int = 41
    id: str = ID


@dataclass(frozen=True)
class Told:
    kind: str = "decision"
    predicate: dict[str, Any] = field(default_factory=dict)


def test_a_mirrored_decision_is_counted_timed_and_told_as_an_event(kept, result):
    with kept.telemetry.explaining():
        kept.telemetry.mirror(result, Receipt())
    points = kept.points()
    assert points["veridical.decisions"] == {(("veridical.action", "STOP"),): 1}
    assert points["veridical.verdicts"] == {(("veridical.cause", "holds"), ("veridical.verdict", "supported")): 1}
    assert points["veridical.explain.duration"] == {(): (1, pytest.approx(4.21))}
    assert points["veridical.decide.duration"] == {(): (1, pytest.approx(0.041))}
    assert points["veridical.verify.duration"] == {(): (1, pytest.approx(2.31))}
    ours = {
        "gen_ai.response.id": ID,
        "veridical.action": "STOP",
        "veridical.verdict": "supported",
        "veridical.cause": "holds",
        "veridical.rung": "path",
        "veridical.log.entry": 41,
    }
    if result["system"]["digest"]:
        ours["veridical.system.digest"] = result["system"]["digest"]
    (event,) = kept.events()
    assert event.event_name == "gen_ai.evaluation.result"
    assert dict(event.attributes) == {
        **ours,
        "gen_ai.evaluation.name": "veridical.verdict",
        "gen_ai.evaluation.score.label": "supported",
        "gen_ai.evaluation.score.value": 0.71,
        "gen_ai.evaluation.explanation": "holds",
    }
    span = kept.span("veridical.explain")
    assert span.attributes.items() >= ours.items()
    assert event.span_id == span.context.span_id


@pytest.mark.parametrize("agreement", [None, math.nan])
def test_a_verdict_without_an_agreement_has_no_score(kept, result, agreement):
    verdict = {**result["verdict"], "verdict": "inconclusive", "cause": "untestable", "agreement": agreement}
    kept.telemetry.mirror({**result, "verdict": verdict})
    (event,) = kept.events()
    assert event.attributes["gen_ai.evaluation.score.label"] == "inconclusive"
    assert "gen_ai.evaluation.score.value" not in event.attributes
    assert "gen_ai.response.id" not in event.attributes


def test_a_span_of_somebody_else_is_not_written_on(kept, result):
    with kept.tracers.get_tracer("theirs").start_as_current_span("theirs"):
        kept.telemetry.mirror(result, Receipt())
    assert not kept.span("theirs").attributes
    assert kept.events()[0].span_id == kept.span("theirs").context.span_id


def test_no_words_of_the_instruction_leave(kept, result):
    assert INSTRUCTION in str(result)
    with kept.telemetry.explaining() as stages:
        stages("prepare", 0.0)
        with kept.telemetry.appending([Told(predicate={"text": INSTRUCTION})]) as done:
            done([Receipt()])
        kept.telemetry.mirror(result, Receipt())
    with pytest.raises(RecordError), kept.telemetry.appending([Told()]):
        raise RecordError(INSTRUCTION)
    words = set(re.findall(r"\w{5,}", INSTRUCTION.lower()))
    assert words >= {"pharmacy", "market", "animal"}
    assert not words & set(re.findall(r"\w+", kept.told()))
    attributes = {key for one in (*kept.spans(), *kept.events()) for key in one.attributes}
    scores = {f"gen_ai.evaluation.{name}" for name in ("name", "score.label", "score.value", "explanation")}
    assert attributes <= {*ATTRIBUTES.values(), *scores, "code.function.name", "error.type"}


@pytest.mark.parametrize("gone", ["decision", "verdict", "system", "timing"])
def test_a_result_that_lacks_something_is_one_warning_and_mirrored_not_even_by_half(kept, result, caplog, gone):
    kept.telemetry.mirror({k: v for k, v in result.items() if k != gone})
    assert [(r.name, r.levelname) for r in caplog.records] == [("veridical", "WARNING")]
    assert caplog.records[0].getMessage().startswith("telemetry: the mirror of a decision is lost (KeyError)")
    assert not kept.points()
    assert not kept.events()


def test_a_broken_provider_costs_one_warning(result, caplog):
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    telemetry = Telemetry(Broken(), Broken(), Broken())
    assert not telemetry.on
    telemetry.mirror(result, Receipt())
    with telemetry.appending() as done, telemetry.explaining() as stages, telemetry.timed("veridical.decide"):
        stages("prepare", 0.0)
        done([Receipt()])
    assert [r.name for r in caplog.records] == ["veridical"]


def test_what_is_appended_is_counted_and_timed_and_the_log_has_its_size(kept):
    acts = [Told("operator", {"act": "overridden"}), Told("operator", {"act": "accepted"})]
    with kept.telemetry.appending(acts) as done:
        done([Receipt(6), Receipt(7)])
    points = kept.points()
    assert points["veridical.log.appends"] == {(): 2}
    assert points["veridical.overrides"] == {(): 1}
    assert points["veridical.log.size"] == {(): 8}
    assert points["veridical.log.append.duration"][()][0] == 1
    assert "veridical.log.failures" not in points
    assert dict(kept.span("veridical.log.append").attributes) == {
        "code.function.name": "veridical.agent.log.log.Log.append",
        "veridical.log.kind": "operator",
        "veridical.log.entry": 7,
        "gen_ai.response.id": ID,
    }


def test_an_append_without_receipts_is_counted_and_has_no_size(kept):
    with kept.telemetry.appending([Told("decision"), Told("keys")]):
        pass
    assert kept.points()["veridical.log.appends"] == {(): 2}
    assert "veridical.log.size" not in kept.points()
    assert "veridical.log.kind" not in kept.span("veridical.log.append").attributes


def test_an_append_that_fails_is_counted_as_a_failure_and_fails_as_it_did(kept):
    with pytest.raises(RecordError, match="disk is full"), kept.telemetry.appending([Told()]):
        raise RecordError("log: the disk is full")
    points, error = kept.points(), (("error.type", "veridical.errors.RecordError"),)
    assert points["veridical.log.failures"] == {error: 1}
    assert points["veridical.log.append.duration"][error][0] == 1
    assert "veridical.log.appends" not in points


def test_receipts_that_are_none_cost_the_size_alone(kept, caplog):
    with kept.telemetry.appending([Told()]) as done:
        done([object()])
    assert kept.points()["veridical.log.appends"] == {(): 1}
    assert "the receipt of an append is lost" in caplog.text


def test_a_timed_block_has_a_span_and_a_duration_also_where_it_fails(kept):
    with kept.telemetry.timed("veridical.decide") as span:
        span.set(action="STOP")
    with pytest.raises(ValueError, match="no"), kept.telemetry.timed("veridical.verify"):
        raise ValueError("no")
    points = kept.points()
    assert points["veridical.decide.duration"][()][0] == 1
    assert points["veridical.verify.duration"][(("error.type", "ValueError"),)][0] == 1
    assert kept.span("veridical.decide").attributes["veridical.action"] == "STOP"


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip() + done.stderr.strip()


USE = """
from veridical.agent import telemetry
with telemetry.explaining(print) as stages:
    stages("decide", 1.0)
    with telemetry.appending() as done:
        done([])
    with telemetry.timed("veridical.decide"), telemetry.span("veridical.verify") as span:
        span.set(action="STOP")
    telemetry.mirror({})
"""


def test_without_the_packages_all_of_it_does_nothing():
    code = "import sys; sys.modules['opentelemetry'] = sys.modules['prometheus_client'] = None" + USE
    assert run(code + "print(telemetry.exposition() == '', telemetry.setup(), telemetry.current().on)") == (
        "decide 1.0\nTrue None False"
    )


def test_what_is_asked_for_and_cannot_be_had_is_said_in_words():
    code = """
import sys
sys.modules['opentelemetry'] = sys.modules['prometheus_client'] = None
from veridical.agent import telemetry
from veridical.agent.telemetry.words import ATTRIBUTES
from veridical.errors import InputError
calls = [lambda: telemetry.setup(console=True), lambda: telemetry.setup(prometheus_port=0),
         lambda: telemetry.serve_metrics(0), lambda: telemetry.serve(0)]
for call in calls:
    try:
        call()
    except InputError as error:
        print(error)
"""
    said = run(code).splitlines()
    assert [line.split()[1] for line in said] == [
        "opentelemetry-sdk", "opentelemetry-sdk", "opentelemetry-exporter-prometheus", "prometheus_client",
    ]  # fmt: skip
    assert all(line.endswith("is not installed; pip install 'veridical[otel]'") for line in said)


def test_where_nobody_uses_it_nothing_is_imported():
    heavy = "torch numpy click sqlalchemy opentelemetry prometheus_client".split()
    assert run(f"import sys{USE}print([m for m in {heavy} if m in sys.modules])") == "decide 1.0\n[]"


def test_where_no_provider_is_set_nothing_comes_of_it():
    assert run("import opentelemetry.trace" + USE.replace("mirror({})", "span('x')")) == "decide 1.0"


def test_a_provider_that_is_set_later_is_found():
    code = """
from opentelemetry import trace
from veridical.agent import telemetry
early = telemetry.current()
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
kept = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(kept))
trace.set_tracer_provider(provider)
with telemetry.timed("veridical.decide"):
    pass
print(early is telemetry.current(), [s.name for s in kept.get_finished_spans()])
"""
    assert run(code) == "True ['veridical.decide']"
