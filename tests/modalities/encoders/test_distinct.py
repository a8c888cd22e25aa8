"""Each row's like stands once, in the order of the first ones, and every row finds its like."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from veridical.modalities.encoders.distinct import distinct


@given(hnp.arrays(np.float32, st.tuples(st.integers(0, 8), st.just(2)), elements=st.sampled_from([0.0, 1.0, 2.5])))
def test_rows_come_back(rows: np.ndarray):
    x = torch.from_numpy(rows)
    found = distinct(x)
    assert torch.equal(x[found.first][found.back], x)
    assert found.first == sorted(found.first)
    assert len({tuple(row) for row in rows.tolist()}) == len(found.first)


def test_rows_that_differ_in_one_bit_are_two():
    x = torch.ones(3, 4)
    x[1, 3] = float(np.nextafter(np.float32(1), np.float32(2)))
    assert distinct(x) == ([0, 1], [0, 1, 0])
