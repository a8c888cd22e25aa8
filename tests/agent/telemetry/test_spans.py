"""Spans never fail what they span, and stages become child spans."""

from __future__ import annotations

import itertools
import re
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, get_current_span

from tests.toys import READER, SENTENCE, Toy, reads_cat
from veridical.agent.explainer import Settings, explain
from veridical.agent.telemetry import Span, Stages
from veridical.agent.telemetry.words import STAGES
from veridical.errors import InputError


class Broken:
    """A tracer that fails, or whose spans do."""

    def __init__(self, at: str) -> None:
        self.at = at

    def start_span(self, *_: Any, **__: Any) -> Any:
        if self.at == "start":
            raise RuntimeError("no spans today")
        return self

    def end(self, **_: Any) -> None:
        raise RuntimeError("no end")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


def test_a_span_has_its_words_and_the_function_it_spans(kept):
    with kept.telemetry.span("veridical.decide", action="STOP") as span:
        span.set(id="r1", instruction="go left")
    assert dict(kept.span("veridical.decide").attributes) == {
        "veridical.action": "STOP",
        "gen_ai.response.id": "r1",
        "code.function.name": "veridical.agent.explainer.Explainer.decide",
    }


def test_spans_nest_and_the_one_before_is_current_again(kept):
    with kept.telemetry.span("veridical.explain"), kept.telemetry.span("veridical.decide"):
        pass
    outer, inner = kept.span("veridical.explain"), kept.span("veridical.decide")
    assert inner.parent.span_id == outer.context.span_id
    assert not get_current_span().get_span_context().is_valid


def test_an_error_passes_through_and_leaves_its_class_but_not_its_message(kept):
    with pytest.raises(InputError, match="go left"), kept.telemetry.span("veridical.explain"):
        raise InputError("text: ‘go left’ is not what was wanted")
    span = kept.span("veridical.explain")
    assert span.attributes["error.type"] == "veridical.errors.InputError"
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert "go left" not in span.to_json()
    assert not span.events


@pytest.mark.parametrize("at", ["start", "end"])
def test_a_broken_tracer_costs_one_warning_or_two_and_nothing_else(at, caplog):
    with Span(Broken(at), "veridical.decide") as span:
        span.set(action="STOP")
        decided = "STOP"
    assert decided == "STOP"
    assert {r.name for r in caplog.records} == {"veridical"}
    assert all("span veridical.decide is lost" in r.getMessage() for r in caplog.records)
    assert not get_current_span().get_span_context().is_valid


def test_without_a_tracer_a_span_does_nothing():
    with Span(None, "veridical.decide") as span:
        span.set(action="STOP")
        assert not get_current_span().get_span_context().is_valid


def test_stages_pass_every_report_on_and_span_each_visit(kept):
    reports = [("prepare", 0.0), ("prepare", 1.0), ("attribute", 0.0), ("verify", 0.3), ("attribute", 0.5)]
    reports += [("verify", 0.5), ("verify", 1.0), ("made up of words", 1.0)]
    heard: list[tuple[str, float]] = []
    with kept.telemetry.explaining(lambda *report: heard.append(report)) as stages:
        for report in reports:
            stages(*report)
    assert heard == reports
    names = [span.name.removeprefix("veridical.") for span in kept.spans()]
    assert names == ["explain", "prepare", "attribute", "verify", "attribute", "verify", "other"]
    parent = kept.span("veridical.explain")
    assert {s.parent.span_id for s in kept.spans() if s is not parent and s.name != parent.name} == {
        parent.context.span_id
    }


def test_a_stage_ends_when_it_was_last_said_to_be_done(kept, monkeypatch):
    moments = iter([10**18 * 3, 10**18 * 4])
    with kept.telemetry.explaining() as stages:
        monkeypatch.setattr("veridical.agent.telemetry.spans.time.time_ns", lambda: next(moments))
        stages("verify", 1.0)
        stages("verify", 1.0)
        monkeypatch.undo()
    assert kept.span("veridical.verify").end_time == 4 * 10**18


def test_the_stage_at_fault_has_the_error_and_one_that_was_done_has_not(kept):
    def fail(stage: str, share: float) -> None:
        with kept.telemetry.explaining() as stages:
            stages(stage, share)
            raise InputError("text: ‘go left’")

    with pytest.raises(InputError):
        fail("prepare", 0.0)
    with pytest.raises(InputError):
        fail("fuse", 1.0)
    assert kept.span("veridical.prepare").attributes["error.type"] == "veridical.errors.InputError"
    assert "error.type" not in kept.span("veridical.fuse").attributes


def test_a_stage_that_is_reported_from_another_thread_has_the_same_parent(kept):
    with kept.telemetry.explaining() as stages:
        thread = threading.Thread(target=stages, args=("fuse", 0.5))
        thread.start()
        thread.join()
    assert kept.span("veridical.fuse").parent.span_id == kept.span("veridical.explain").context.span_id


@given(st.lists(st.tuples(st.sampled_from(STAGES), st.sampled_from([0.0, 0.5, 1.0])), max_size=30))
def test_each_unbroken_run_of_reports_is_one_span_and_none_overlap(reports):
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    with Stages(provider.get_tracer("test")) as stages:
        for report in reports:
            stages(*report)
    spans = kept.get_finished_spans()
    runs = [name for name, _ in itertools.groupby(stage for stage, _ in reports)]
    assert [span.name for span in spans] == [f"veridical.{name}" for name in runs]
    assert all((a.end_time or 0) <= (b.start_time or 0) for a, b in itertools.pairwise(spans))
    assert all((span.start_time or 0) <= (span.end_time or 0) for span in spans)


def test_a_broken_tracer_leaves_the_progress_alone(caplog):
    heard = []
    with Stages(Broken("start"), lambda *report: heard.append(report)) as stages:
        stages("decide", 0.0)
    assert heard == [("decide", 0.0)]
    assert [r.name for r in caplog.records] == ["veridical"]


def test_a_callback_that_fails_is_the_callers_matter():
    def progress(stage: str, share: float) -> None:
        raise ValueError(stage)

    with pytest.raises(ValueError, match="decide"), Stages(None, progress) as stages:
        stages("decide", 0.0)


def test_an_explanation_gives_a_span_to_every_stage_and_says_no_word_of_its_instruction(kept):
    with kept.telemetry.explaining() as stages:
        explanation = explain(Toy(reads_cat, READER), {"text": SENTENCE}, Settings(namer=None), progress=stages)
        kept.telemetry.mirror(explanation.result)
    names = [span.name for span in kept.spans()]
    assert set(names) == {"veridical.explain", *(f"veridical.{stage}" for stage in STAGES)}
    assert names[:4] == ["veridical.explain", "veridical.prepare", "veridical.decide", "veridical.attribute"]
    words = set(re.findall(r"\w{5,}", SENTENCE.lower()))
    assert words >= {"pharmacy", "market", "parcel"}
    assert not words & set(re.findall(r"\w+", kept.told()))
    assert kept.span("veridical.explain").attributes["veridical.action"] == explanation.decision
