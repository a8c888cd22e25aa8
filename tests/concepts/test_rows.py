"""Rows of features, and back."""

from __future__ import annotations

from math import prod

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from veridical.concepts.rows import from_rows, grid_of, to_rows
from veridical.errors import ContractError

shapes = st.one_of(*(st.tuples(*[st.integers(1, 4)] * n) for n in (2, 3, 4, 5)))


@given(shapes)
def test_rows_and_back(shape):
    features = torch.arange(prod(shape), dtype=torch.float32).reshape(shape)
    rows = to_rows(features)
    channels = shape[-3] if len(shape) >= 4 else shape[-1]
    assert rows.shape == (shape[0], prod(grid_of(shape)), channels)
    assert torch.equal(from_rows(rows, shape), features)


def test_a_row_is_one_place():
    features = torch.rand(2, 3, 4, 5, 6)
    assert torch.equal(to_rows(features)[1, 2 * 30 + 3 * 6 + 4], features[1, 2, :, 3, 4])
    assert torch.equal(to_rows(features[:, 0])[1, 3 * 6 + 4], features[1, 0, :, 3, 4])
    text = torch.rand(1, 7, 3)
    assert torch.equal(to_rows(text)[0, 4], text[0, 4])


def test_edited_rows_may_be_more_than_the_shape_s_batch():
    assert from_rows(torch.rand(6, 12, 5), (1, 3, 5, 2, 2)).shape == (6, 3, 5, 2, 2)


@pytest.mark.parametrize("shape", [(3,), (1, 2, 3, 4, 5, 6), ()])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ContractError, match="is wanted"):
        grid_of(shape)
    with pytest.raises(ContractError):
        to_rows(torch.zeros(shape))


def test_another_number_of_rows_is_refused():
    with pytest.raises(ContractError, match=r"5 rows for features of shape .*; 4 wanted"):
        from_rows(torch.zeros(1, 5, 3), (1, 4, 3))
