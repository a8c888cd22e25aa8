"""Chunks, layouts, and the measurement that finds them."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from veridical.errors import InputError
from veridical.modalities.contract import Modality
from veridical.modalities.encoders.efficientnet import load_efficientnet_lite0
from veridical.modalities.engines import chunk as module
from veridical.modalities.engines.chunk import Layout, even, find_layout, stream
from veridical.modalities.scorer import Scorer
from veridical.modalities.target import Target


class Plain:
    """A system of three actions whose scores are sums of squares, and the sizes of the batches that it was given."""

    actions = ("a", "b", "c")
    modalities: Mapping[str, Modality] = {}

    def __init__(self, network: nn.Module | None = None) -> None:
        self.network = network
        self.sizes: list[int] = []
        self.strides: list[tuple[int, ...]] = []

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        x = inputs["x"]
        self.sizes.append(len(x))
        self.strides.append(x.stride())
        s = x.square().flatten(1).sum(1)
        return torch.stack((s, 2 * s, s.sin()), 1)


class Slotted:
    """A system that cannot be referred to weakly."""

    __slots__ = ()
    actions = ("a", "b")
    modalities: Mapping[str, Modality] = {}

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        s = inputs["x"].flatten(1).sum(1)
        return torch.stack((s, -s), 1)


def clock(per_row: Callable[[Layout], float]) -> tuple[Callable[[Layout], float], list[Layout]]:
    """A measurement that is known beforehand, and what was asked of it."""
    asked: list[Layout] = []

    def seconds(layout: Layout) -> float:
        asked.append(layout)
        return layout.chunk * per_row(layout)

    return seconds, asked


@given(st.integers(0, 500), st.integers(1, 70))
def test_chunks_cover_all_rows_once_and_are_even(count: int, chunk: int):
    found = even(count, chunk)
    assert [i for start, stop in found for i in range(start, stop)] == list(range(count))
    assert len(found) == -(-count // chunk)
    sizes = [stop - start for start, stop in found]
    assert max(sizes, default=0) <= chunk
    assert max(sizes, default=0) - min(sizes, default=0) <= 1


@pytest.mark.parametrize(
    ("times", "chunk"),
    [
        ({1: 1.0, 2: 1.0, 4: 1.0, 8: 1.0}, 1),  # nothing is gained: the least memory
        ({1: 8.0, 2: 4.0, 4: 2.0, 8: 1.0}, 8),
        ({1: 2.0, 2: 1.0, 4: 0.98, 8: 0.97}, 2),  # within 5 % of the best
        ({1: 2.0, 2: 1.0, 4: 1.5, 8: 0.1}, 2),  # it rises: no more is tried
        ({1: 2.0, 2: 1.0, 4: float("inf"), 8: 1.0}, 2),  # memory is out
    ],
)
def test_the_smallest_chunk_that_is_about_as_fast_as_the_best_is_taken(times: dict[int, float], chunk: int):
    seconds, _ = clock(lambda layout: times[layout.chunk] / 1000)
    assert module._search(seconds, 8, False) == Layout(chunk)


def test_the_faster_layout_is_taken_and_only_it_is_tried_further():
    for faster in (False, True):
        seconds, asked = clock(
            lambda layout, faster=faster: (1 if layout.channels_last == faster else 2) / layout.chunk / 1000
        )
        assert module._search(seconds, 8, True) == Layout(8, faster)
        assert {layout.channels_last for layout in asked if layout.chunk > 2} == {faster}
        assert {layout.channels_last for layout in asked if layout.chunk == 2} == {False, True}
    seconds, asked = clock(lambda layout: 1 / layout.chunk / 1000)
    module._search(seconds, 8, False)
    assert not any(layout.channels_last for layout in asked)


def test_the_search_tries_no_more_rows_than_it_may():
    seconds, _ = clock(lambda layout: 1 / layout.chunk / 1000)
    assert module._search(seconds, 5, False) == Layout(4)
    assert module._search(seconds, 1, True) == Layout(1)


def test_of_a_heavy_model_the_search_spends_a_dozen_gradients_at_most():
    seconds, asked = clock(lambda layout: 30.0 * (0.9 if layout.chunk > 1 else 1))
    assert module._search(seconds, 64, True).chunk > 1
    assert sum(layout.chunk for layout in asked) <= 12


def test_what_was_found_is_kept_while_the_system_lives():
    system = Plain()
    scorer = Scorer(system, Target(0))
    x = {"x": torch.rand(3, 4)}
    first = find_layout(scorer, x)
    calls = len(system.sizes)
    assert calls >= 4
    assert set(system.sizes) <= {1, 2, 4, 8}
    assert find_layout(scorer, x) == first
    assert find_layout(Scorer(system, Target(2, kind="logit")), {"x": torch.rand(9, 4)}) == first
    assert len(system.sizes) == calls
    find_layout(scorer, {"x": torch.rand(1, 5)})
    assert len(system.sizes) > calls
    gone = weakref.ref(system)
    del system, scorer
    gc.collect()
    assert gone() is None
    later = Plain()
    find_layout(Scorer(later, Target(0)), x)
    assert all(mark() is not None for marks, _ in module._FOUND.values() for mark in marks)


def test_two_wrappers_of_one_network_measure_once():
    network = nn.Linear(1, 1)
    one, other = Plain(network), Plain(network)
    assert find_layout(Scorer(one, Target(0)), {"x": torch.rand(1, 4)}) == find_layout(
        Scorer(other, Target(0)), {"x": torch.rand(1, 4)}
    )
    assert not other.sizes


def test_threads_that_ask_at_once_measure_once():
    alone, system = Plain(), Plain()
    find_layout(Scorer(alone, Target(0)), {"x": torch.rand(1, 64)})
    with ThreadPoolExecutor(4) as pool:
        tasks = [pool.submit(find_layout, Scorer(system, Target(0)), {"x": torch.rand(1, 64)}) for _ in range(8)]
        found = {task.result(timeout=60) for task in tasks}
    assert len(found) == 1
    assert system.sizes.count(1) == alone.sizes.count(1)


def test_a_system_that_cannot_be_remembered_is_not_measured():
    assert find_layout(Scorer(Slotted(), Target(0)), {"x": torch.rand(1, 4)}) == Layout(4)
    assert find_layout(Scorer(Slotted(), Target(0)), {"x": torch.rand(1, 4)}, largest=2) == Layout(2)


def test_one_action_per_row_does_not_disturb_the_search():
    assert find_layout(Scorer(Plain(), Target((0, 2))), {"x": torch.rand(2, 4)}, largest=2).chunk <= 2


def test_pictures_get_their_channels_last_and_keep_shape_and_values():
    given_ = {
        "frames": torch.rand(2, 3, 3, 5, 7),
        "picture": torch.rand(2, 3, 5, 7),
        "grey": torch.rand(2, 1, 5, 7),
        "sound": torch.rand(2, 50),
        "text": torch.rand(2, 6, 8),
    }
    found = Layout(2, channels_last=True).arrange(given_)
    assert all(torch.equal(found[m], x) for m, x in given_.items())
    assert found["picture"].is_contiguous(memory_format=torch.channels_last)
    # Frames folded into the batch, as systems do it, are a view, and laid out so that convolutions profit.
    folded = found["frames"].flatten(0, 1)
    assert folded.is_contiguous(memory_format=torch.channels_last)
    assert folded.data_ptr() == found["frames"].data_ptr()
    assert all(found[m] is given_[m] for m in ("grey", "sound", "text"))
    assert all(x is given_[m] for m, x in Layout(2).arrange(given_).items())


def test_the_stream_gives_the_gradients_of_all_rows_in_order():
    x = torch.rand(7, 3, 4, 4)
    whole = Scorer(Plain(), Target((0, 1, 2, 0, 1, 2, 0))).gradient({"x": x})
    for layout in (Layout(1), Layout(3), Layout(3, True), Layout(50)):
        system = Plain()
        asked = Scorer(system, Target((0, 1, 2, 0, 1, 2, 0)))
        found = list(stream(asked, lambda start, stop: {"x": x[start:stop]}, 7, layout))
        torch.testing.assert_close(torch.cat([s.values["x"] for s in found]), whole.values["x"])
        torch.testing.assert_close(torch.cat([s.scores for s in found]), whole.scores)
        assert max(system.sizes) <= layout.chunk
        assert (system.strides[0][1] == 1) == layout.channels_last
    assert list(stream(Scorer(Plain(), Target(0)), lambda start, stop: {"x": x[start:stop]}, 0, Layout())) == []


def test_the_stream_holds_one_chunk_at_a_time():
    made: list[weakref.ref[Tensor]] = []

    def batch(start: int, stop: int) -> dict[str, Tensor]:
        assert sum(ref() is not None for ref in made) <= 1
        x = torch.rand(stop - start, 5)
        made.append(weakref.ref(x))
        return {"x": x}

    total = 0.0
    for slopes in stream(Scorer(Plain(), Target(0)), batch, 40, Layout(4)):
        total += float(slopes.values["x"].sum())
    assert len(made) == 10


def test_layouts_give_the_same_gradients_of_a_real_network():
    network = load_efficientnet_lite0()

    class Seeing(Plain):
        actions = network.class_names

        def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
            return network.classify(network.features(inputs["x"].flatten(0, 1)))

    x = {"x": torch.rand(2, 1, 3, 224, 224, generator=torch.Generator().manual_seed(0))}
    one, other = (
        next(stream(Scorer(Seeing(), Target(285)), lambda i, j: x, 2, Layout(2, last))).values["x"]
        for last in (False, True)
    )
    torch.testing.assert_close(one, other, rtol=1e-3, atol=float(one.abs().max()) * 1e-4)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (lambda: Layout(0), "chunks of 0 rows; at least 1"),
        (lambda: find_layout(Scorer(Plain(), Target(0)), {"x": torch.rand(0, 4)}), "a batch of no rows"),
        (lambda: find_layout(Scorer(Plain(), Target(0)), {"x": torch.rand(1, 4)}, largest=0), "0 rows at most"),
        (lambda: find_layout(Scorer(Plain(), Target(0)), {"x": torch.ones(1, 4).long()}), "holds int64"),
        (
            lambda: next(stream(Scorer(Plain(), Target((0, 1))), lambda i, j: {"x": torch.rand(3, 4)}, 3, Layout())),
            "2 actions for 3 rows",
        ),
    ],
)
def test_what_cannot_be_is_refused(asked: Callable[[], object], message: str):
    with pytest.raises(InputError, match=message):
        asked()


def test_a_system_that_takes_contiguous_pictures_alone_is_given_them():
    class Viewing(Plain):
        def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
            return super().__call__({"x": inputs["x"].view(len(inputs["x"]), -1)})

    found = find_layout(Scorer(Viewing(nn.Identity()), Target(0)), {"x": torch.rand(1, 3, 8, 8)})
    assert not found.channels_last
    assert found.chunk >= 1


def test_an_error_of_the_system_itself_is_not_hidden():
    class Failing(Plain):
        def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
            raise RuntimeError("out of tokens")

    with pytest.raises(RuntimeError, match="out of tokens"):
        find_layout(Scorer(Failing(nn.Identity()), Target(0)), {"x": torch.rand(1, 3, 8, 8)})
