"""The store of tensors."""

from __future__ import annotations

import torch

from veridical.modalities.store import TensorStore


def test_the_store_forgets_what_was_used_longest_ago_and_stays_within_its_bound():
    store = TensorStore(bound=3 * 8)
    keys = [("text", frozenset({k})) for k in range(4)]
    for key in keys[:3]:
        store.put(key, torch.zeros(1, 2))
    assert store.get(keys[0]) is not None
    store.put(keys[3], torch.zeros(1, 2))
    assert [store.get(key) is not None for key in keys] == [True, False, True, True]
    assert store.bytes == 24
    store.put(("text", frozenset({9})), torch.zeros(1, 7))
    assert store.get(("text", frozenset({9}))) is None


def test_what_is_kept_is_a_copy_and_the_first_put_stays():
    store, value = TensorStore(), torch.ones(2)
    store.put("a", value)
    value.zero_()
    store.put("a", value)
    kept = store.get("a")
    assert kept is not None
    assert kept.tolist() == [1, 1]
    assert store.bytes == 8
