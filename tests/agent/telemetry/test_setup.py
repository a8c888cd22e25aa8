"""Setting telemetry up, each time in a process of its own: OpenTelemetry's providers are set once."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

DECIDE = """
from veridical.agent import telemetry
result = {
    "decision": {"action": "STOP"}, "system": {"digest": "sha256:00"},
    "verdict": {"verdict": "supported", "cause": "holds", "agreement": 0.5, "rung": "path"},
    "timing": {"total_ms": 2000, "forward_ms": 20, "verification_ms": 200},
}
def decide():
    with telemetry.explaining() as stages:
        stages("decide", 1.0)
        telemetry.mirror(result)
"""


def run(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    command = [sys.executable, "-W", "error", "-c", DECIDE + code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=kept | environ)
    assert done.returncode == 0, done.stderr
    return done


def documents(text: str) -> list[dict]:
    """The JSON documents that stand one after another."""
    found, at, decoder = [], 0, json.JSONDecoder()
    while (at := text.find("{", at)) >= 0:
        document, at = decoder.raw_decode(text, at)
        found.append(document)
    return found


def test_the_console_is_the_standard_error_and_all_is_there_at_the_end():
    done = run("telemetry.setup(console=True); decide(); print('STOP')")
    assert done.stdout == "STOP\n"
    told = documents(done.stderr)
    assert [d["name"] for d in told if "name" in d] == ["veridical.decide", "veridical.explain"]
    spans = [d for d in told if "name" in d]
    assert spans[0]["resource"]["attributes"]["service.name"] == "veridical"
    assert spans[0]["parent_id"] == spans[1]["context"]["span_id"]
    (event,) = [d for d in told if "event_name" in d]
    assert event["event_name"] == "gen_ai.evaluation.result"
    (metrics,) = [d for d in told if "resource_metrics" in d]
    assert "veridical.decisions" in str(metrics)


def test_metrics_are_served_and_dumped():
    code = """
import urllib.request
running = telemetry.setup(prometheus_port=0)
decide()
page = urllib.request.urlopen(running.served.url, timeout=5).read().decode()
for text in (page, telemetry.exposition()):
    print([line.split()[-1] for line in text.splitlines() if line.startswith("veridical_decisions_total")])
running.close()
"""
    assert run(code).stdout == "['1.0']\n['1.0']\n"


def test_serving_alone_sets_up_what_is_served_and_leaves_the_rest():
    code = """
from opentelemetry import trace
served = telemetry.serve_metrics(0)
decide()
print("veridical_verdicts_total" in telemetry.exposition(), type(trace.get_tracer_provider()).__name__)
served.close()
"""
    assert run(code).stdout == "True ProxyTracerProvider\n"


def test_the_environment_is_honoured_and_names_the_service():
    environ = {"OTEL_TRACES_EXPORTER": "console", "OTEL_SERVICE_NAME": "courier-7"}
    done = run("print(len(telemetry.setup().providers)); decide()", **environ)
    assert done.stdout == "1\n"
    assert {d["resource"]["attributes"]["service.name"] for d in documents(done.stderr)} == {"courier-7"}


def test_the_sdk_can_be_disabled_by_its_variable():
    done = run("telemetry.setup(console=True); decide()", OTEL_SDK_DISABLED="true")
    assert "veridical.explain" not in done.stdout + done.stderr


def test_nothing_is_set_up_where_nothing_is_asked_for():
    assert run("import sys; print(telemetry.setup(), 'opentelemetry' in sys.modules)").stdout == "None False\n"


def test_the_environment_alone_never_stops_a_program_that_lacks_the_packages():
    code = "import sys; sys.modules['opentelemetry'] = None; print(telemetry.setup()); decide()"
    done = run(code, OTEL_TRACES_EXPORTER="otlp")
    assert done.stdout == "None\n"
    assert "ask for it, but opentelemetry-sdk is not installed; pip install 'veridical[otel]'" in done.stderr


def test_a_variable_that_cannot_be_read_costs_its_signal_alone():
    environ = {"OTEL_METRIC_EXPORT_INTERVAL": "soon", "OTEL_TRACES_EXPORTER": "console", "OTEL_LOGS_EXPORTER": "gone"}
    done = run("telemetry.setup(console=True); decide(); print('STOP')", **environ)
    assert done.stdout == "STOP\n"
    assert '"veridical.explain"' in done.stderr
    assert "no exporter gone of logs" in done.stderr


@pytest.mark.parametrize("own", ["", "running.flush(); running.close()"])
def test_a_provider_of_the_program_stays(own):
    code = f"""
from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
theirs = TracerProvider(), MeterProvider(), LoggerProvider()
trace.set_tracer_provider(theirs[0]); metrics.set_meter_provider(theirs[1]); _logs.set_logger_provider(theirs[2])
running = telemetry.setup(console=True)
decide()
print(running.providers, trace.get_tracer_provider() is theirs[0])
{own}
"""
    done = run(code)
    assert done.stdout == "() True\n"
    assert '"veridical.explain"' in done.stderr
    assert "gen_ai.evaluation.result" in done.stderr
    assert "has set OpenTelemetry's meter provider before" in done.stderr


def test_a_port_that_is_taken_is_said_before_anything_is_set_up():
    code = """
from opentelemetry import metrics
from veridical.errors import InputError
first = telemetry.serve(0)
try:
    telemetry.setup(console=True, prometheus_port=first.port)
except InputError as error:
    print(str(error).split(":")[0], type(metrics.get_meter_provider()).__name__)
"""
    assert run(code).stdout == "metrics _ProxyMeterProvider\n"
