"""Commit, then reveal."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veridical.errors import InputError
from veridical.verifier.commitment import commit, digest_array

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
contents = st.dictionaries(st.text(), plain, max_size=4)


@given(contents)
def test_the_same_content_has_the_same_digest_in_any_order(content: dict):
    assert commit(content).digest == commit(dict(reversed(content.items()))).digest


@given(contents, st.text(), plain)
def test_any_change_changes_the_digest(content: dict, key: str, value):
    changed = {**content, key: value}
    if key not in content:
        assert commit(changed).digest != commit(content).digest
    assert commit({**content, key: [value]}).digest != commit(changed).digest


def test_the_digest_is_that_of_canonical_json():
    expected = hashlib.sha256(b'{"a":1.5,"b":["x",null]}').hexdigest()
    assert commit({"b": ["x", None], "a": 1.5}).digest == f"sha256:{expected}"


def test_what_is_done_to_the_content_later_changes_nothing():
    content = {"claims": [{"units": [1, 2]}]}
    fixed = commit(content)
    content["claims"][0]["units"].append(3)
    assert commit(fixed.content).digest == fixed.digest
    assert fixed.content["claims"] == [{"units": [1, 2]}]


def test_the_seed_depends_on_commitment_and_salt():
    one, other = commit({"a": 1}), commit({"a": 2})
    assert one.seed("x") == commit({"a": 1}).seed("x")
    assert len({one.seed("x"), one.seed("y"), other.seed("x"), other.seed("y")}) == 4
    assert 0 <= one.seed("x") < 2**128


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**60, np.ones(2), {1: 2}])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(InputError, match=r"commitment: .*plain, finite JSON"):
        commit({"value": value})


def test_an_arrays_digest_is_of_type_shape_and_values():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert digest_array(x) == digest_array(np.asfortranarray(x)) == digest_array(x.astype(">f4"))
    others = [x.astype(np.float64), x.reshape(3, 2), x + 1, x.T, x[None], x.view(np.int32)]
    assert len({digest_array(o) for o in [x, *others]}) == 7
    assert digest_array(np.array(1.0)) != digest_array(np.array([1.0]))


def test_an_array_of_objects_has_no_digest():
    with pytest.raises(InputError, match="an array of object has no bytes of its own"):
        digest_array(np.array([{}, None]))
