from __future__ import annotations

import pytest

from veridical.agent.log.query import Query, moment
from veridical.errors import InputError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-11-23", "2026-11-23T00:00:00.000000+00:00"),
        ("2026-11-23T20:12:33", "2026-11-23T20:12:33.000000+00:00"),
        ("2026-11-23T20:12:33+01:00", "2026-11-23T19:12:33.000000+00:00"),
        (" 2026-11-23T20:12:33.281000+00:00 ", "2026-11-23T20:12:33.281000+00:00"),
    ],
)
def test_a_moment(text, found):
    assert moment(text) == found
    assert Query(since=text, until=text) == Query(since=found, until=found)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "0001-01-01T00:00:00+23:00"])
def test_no_moment(text):
    with pytest.raises(InputError, match=r"since is '.*', which is no moment; write it as 2026-11-23 or"):
        Query(since=text)


@pytest.mark.parametrize("name", ["limit", "offset"])
@pytest.mark.parametrize("value", [-1, 2**63])
def test_numbers_count_rows(name, value):
    with pytest.raises(InputError, match=f"{name} is {value}; it counts rows"):
        Query(**{name: value})
