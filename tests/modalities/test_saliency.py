"""The saliency map."""

from __future__ import annotations

import numpy as np

from veridical.modalities.saliency import SaliencyMap


def test_the_total_is_summed_in_double_precision():
    values = np.full(10_001, 1e-4, np.float32)
    values[0] = 1e4
    map_ = SaliencyMap("text", values, ("word",), {"word": np.arange(10_001)}, "STOP", "method", "mask")
    assert abs(map_.total() - 10_001.0) < 1e-3
    assert (map_.unit, map_.completeness_gap, map_.seed, dict(map_.parameters)) == ("nat", None, None, {})
