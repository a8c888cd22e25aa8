"""Settings that could not be kept are refused."""

from __future__ import annotations

import dataclasses
import math

import pytest

from tests.agent.serve.sample import OPERATOR, TOKEN
from veridical.agent.serve.settings import Bounds, ServeSettings
from veridical.errors import InputError


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Bounds)])
@pytest.mark.parametrize("value", [0, -1])
def test_a_bound_is_positive(name, value):
    with pytest.raises(InputError, match=name):
        Bounds(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("decide_s", 0.0), ("timeout_s", math.inf), ("idle_s", math.nan), ("connections", 0), ("kept", -1)],
)
def test_a_number_is_positive_and_finite(name, value):
    with pytest.raises(InputError, match=name):
        ServeSettings(TOKEN, **{name: value})


def test_one_token_for_both_is_refused():
    with pytest.raises(InputError, match="the same"):
        ServeSettings(TOKEN, TOKEN)
    assert TOKEN not in repr(ServeSettings(TOKEN, OPERATOR))
    assert OPERATOR not in repr(ServeSettings(TOKEN, OPERATOR))


@pytest.mark.parametrize("host", ["a/b", "a:80", "", "a b", "[::1"])
def test_a_host_is_a_name_without_a_port(host):
    with pytest.raises(InputError, match="host"):
        ServeSettings(TOKEN, hosts=(host,))


@pytest.mark.parametrize("origin", ["*", "page.example", "https://page.example/", "ftp://x", "null"])
def test_an_origin_is_one_page_and_never_all(origin):
    with pytest.raises(InputError, match="origin"):
        ServeSettings(TOKEN, origins=(origin,))
