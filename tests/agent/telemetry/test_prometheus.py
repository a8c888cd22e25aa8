"""Metrics as Prometheus reads them, over HTTP and as text."""

from __future__ import annotations

import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from veridical.agent.telemetry import exposition, serve
from veridical.errors import InputError


def read(text: str) -> dict[str, list]:
    return {family.name: family.samples for family in text_string_to_metric_families(text)}


def value(samples: list, name: str, **labels: str) -> float:
    (found,) = [s.value for s in samples if s.name == name and s.labels.items() >= labels.items()]
    return found


def test_a_scrape_over_http_gives_what_was_counted(kept, result):
    class Receipt:
        number, id = 6, "r"

    for _ in range(3):
        with kept.telemetry.appending() as done:
            done([Receipt()])
        kept.telemetry.mirror(result)
    served = serve(0, registry=kept.registry)
    try:
        assert served.url == f"http://127.0.0.1:{served.port}/metrics"
        with urllib.request.urlopen(served.url, timeout=5) as answer:  # noqa: S310  # our own address
            assert answer.headers["Content-Type"].startswith("text/plain")
            found = read(answer.read().decode())
    finally:
        served.close()
    assert value(found["veridical_decisions"], "veridical_decisions_total", veridical_action="STOP") == 3
    labels = {"veridical_verdict": "supported", "veridical_cause": "holds"}
    assert value(found["veridical_verdicts"], "veridical_verdicts_total", **labels) == 3
    assert value(found["veridical_log_appends"], "veridical_log_appends_total") == 3
    assert value(found["veridical_log_size"], "veridical_log_size") == 7
    durations = found["veridical_explain_duration_seconds"]
    assert value(durations, "veridical_explain_duration_seconds_count") == 3
    assert value(durations, "veridical_explain_duration_seconds_sum") == pytest.approx(12.63)
    buckets = [s.value for s in durations if s.name.endswith("_bucket") and float(s.labels["le"]) in (2.5, 5.0)]
    assert buckets == [0, 3]
    assert value(found["veridical_log_append_duration_seconds"], "veridical_log_append_duration_seconds_count") == 3


def test_the_text_dump_is_what_is_served(kept, result):
    kept.telemetry.mirror(result)
    found = read(exposition(kept.registry))
    assert value(found["veridical_decisions"], "veridical_decisions_total") == 1
    assert not exposition().count("veridical_decisions_total{")  # the process's own registry is another


def test_after_closing_the_port_is_free(kept):
    served = serve(0, registry=kept.registry)
    served.close()
    again = serve(served.port, registry=kept.registry)
    again.close()
    assert again.port == served.port


@pytest.mark.parametrize(
    ("port", "host", "said"),
    [
        (-1, "127.0.0.1", "port -1 is none"),
        (65536, "127.0.0.1", "port 65536 is none"),
        (0, "", "the host is empty"),
        (0, "no such host.invalid", "cannot be listened on"),
        (0, "." * 300, "cannot be listened on"),
    ],
)
def test_an_address_that_is_none_is_said_in_words(kept, port, host, said):
    with pytest.raises(InputError, match=said):
        serve(port, host, registry=kept.registry)


def test_a_port_that_is_taken_is_said_in_words(kept):
    served = serve(0, registry=kept.registry)
    try:
        with pytest.raises(InputError, match=f"127.0.0.1:{served.port} cannot be listened on .* choose another port"):
            serve(served.port, registry=kept.registry)
    finally:
        served.close()
