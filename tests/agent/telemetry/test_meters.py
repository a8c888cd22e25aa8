"""Counters and durations, with bounded labels."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from veridical.agent.telemetry import Telemetry
from veridical.agent.telemetry.meters import BUCKETS, COUNTERS, Meters


@pytest.fixture
def reader():
    return InMemoryMetricReader()


@pytest.fixture
def meters(reader):
    provider = MeterProvider(metric_readers=[reader], shutdown_on_exit=False)
    yield Meters(provider.get_meter("test"), limit=2)
    provider.shutdown()


def points(reader):
    metrics = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    return {m.name: {str(dict(p.attributes)): p for p in m.data.data_points} for m in metrics}


def test_actions_and_causes_beyond_the_limit_are_counted_as_other(meters, reader):
    for index in range(100):
        meters.decided(f"go to house {index}")
        meters.judged("supported" if index else "as it happens", f"cause {index}")
    found = {name: {k: p.value for k, p in series.items()} for name, series in points(reader).items()}
    assert found["veridical.decisions"] == {
        "{'veridical.action': 'go to house 0'}": 1,
        "{'veridical.action': 'go to house 1'}": 1,
        "{'veridical.action': 'other'}": 98,
    }
    assert found["veridical.verdicts"] == {
        "{'veridical.verdict': 'other', 'veridical.cause': 'cause 0'}": 1,
        "{'veridical.verdict': 'supported', 'veridical.cause': 'cause 1'}": 1,
        "{'veridical.verdict': 'supported', 'veridical.cause': 'other'}": 98,
    }


def test_sixty_four_actions_are_told_apart_unless_said(kept, result):
    for index in range(70):
        decision = {**result["decision"], "action": f"A{index}"}
        kept.telemetry.mirror({**result, "decision": decision})
    counted = kept.points()["veridical.decisions"]
    assert len(counted) == 65
    assert counted[(("veridical.action", "other"),)] == 6
    assert sum(counted.values()) == 70


def test_durations_have_buckets_for_seconds(meters, reader):
    for name, bounds in BUCKETS.items():
        meters.took(name, bounds[2])
        meters.took("veridical.unheard", 1.0)
        (point,) = points(reader)[f"{name}.duration"].values()
        assert tuple(point.explicit_bounds) == bounds
        assert point.bucket_counts[2] == 1
        assert list(bounds) == sorted(set(bounds))
    assert set(points(reader)) == {f"{name}.duration" for name in BUCKETS}


def test_appends_failures_overrides_and_size(meters, reader):
    meters.appended(3, 12, overrides=1)
    meters.appended(1, None)
    meters.failed(2, "RecordError")
    found = {name: {k: p.value for k, p in series.items()} for name, series in points(reader).items()}
    assert found == {
        "veridical.log.appends": {"{}": 4},
        "veridical.overrides": {"{}": 1},
        "veridical.log.size": {"{}": 12},
        "veridical.log.failures": {"{'error.type': 'RecordError'}": 2},
    }
    assert set(found) < {*COUNTERS, "veridical.log.size"}


def test_without_a_meter_all_calls_do_nothing():
    meters = Meters()
    meters.decided("STOP")
    meters.judged("supported", "holds")
    meters.took("veridical.decide", 1.0)
    meters.appended(1, 1, 1)
    meters.failed(1, "RecordError")
    assert not meters.on


def test_telemetry_that_is_off_is_off():
    assert not Telemetry(on=False).on
