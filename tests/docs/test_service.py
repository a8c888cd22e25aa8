"""What the service's page says of routes, limits and problems is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from veridical.agent.serve.problem import TYPES
from veridical.agent.serve.settings import ServeSettings

PAGE = (Path(__file__).parents[2] / "docs" / "service.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """Cells of the first table below a heading."""
    below = PAGE.split(f"\n## {heading}\n")[1].partition("\n#")[0]
    lines = re.findall(r"^\| (.+) \|$", below, re.M)
    return [line.split(" | ") for line in lines[2:]]


def test_every_route_is_there():
    document = pytest.importorskip("veridical.agent.serve.cli_serve")._document()
    there = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    told = {row[0].strip("`") for row in rows("What can be asked")}
    assert told == there | {"GET /v1/openapi.json", document["x-stream"]["path"]}
    assert f"`version`, {document['info']['version']} now" in PAGE


def test_every_problem_is_there():
    told = {int(row[0]): row[1].strip("`") for row in rows("Problems")}
    assert told == dict(TYPES)


def test_limits_are_the_settings():
    settings = ServeSettings(token="x" * 16)
    bounds = settings.bounds
    limits = [" ".join(row) for row in rows("Limits")]
    for what in (
        f"body {bounds.body >> 20} MiB",
        f"message {bounds.message >> 20} MiB",
        f"values in the JSON of either {bounds.values // 1000} 000",
        f"headers {bounds.headers >> 10} KiB",
        f"path and query {bounds.target} bytes",
        f"arrival {settings.read_s:g} s",
        f"pictures of one signal {bounds.frames}, {bounds.pixels // 10**6} megapixels each",
        f"{bounds.all_pixels // 10**6} together",
        f"sound {bounds.seconds:g} s, {bounds.samples // 10**6} million samples",
        f"instruction {bounds.text // 1000} 000",
        f"requests and streams at a time {settings.connections}",
        f"streams at a time {settings.streams}",
        f"decisions waiting {settings.deciding}",
        f"explanations waiting {settings.explaining}",
        f"a decision, an order {settings.decide_s:g} s",
        f"an explanation {settings.timeout_s:g} s",
        f"a stream without a message {settings.idle_s:g} s",
    ):
        assert any(what in limit for limit in limits), what


def test_whole_examples_are_json():
    for block in re.findall(r"^```json\n(.*?)^```$", PAGE, re.M | re.S):
        if "…" not in block:
            json.loads(block)
