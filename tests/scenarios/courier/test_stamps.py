"""Pictures: which there are, which are held out, and how one is read."""

from __future__ import annotations

from collections import defaultdict
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image

from veridical.errors import InputError
from veridical.scenarios.courier import stamps as module
from veridical.scenarios.courier.partition import PARTITIONS
from veridical.scenarios.courier.stamps import KINDS, Stamp, load_stamp, stamp_folder

SIGNS = ("stop-sign", "sign")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("VERIDICAL_STAMPS", str(tmp_path))
    return tmp_path


def uncached(partition):
    return module.stamps.__wrapped__(partition)


def digest(stamp: Stamp, folder) -> str:
    pixels = np.asarray(Image.open(folder / f"{stamp.path}.png").convert("RGBA"))
    return sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def test_a_folder_that_is_not_there_is_told_with_what_to_install(monkeypatch):
    monkeypatch.setenv("VERIDICAL_STAMPS", "/nonexistent")
    told = (
        r"^stamps: no folder '/nonexistent'; install Debian's package tuxpaint-stamps-default, or set VERIDICAL_STAMPS"
    )
    with pytest.raises(InputError, match=told):
        uncached("train")


def test_a_folder_without_pictures_is_told(folder):
    with pytest.raises(InputError, match=r"holds no animals; reinstall tuxpaint-stamps-default"):
        uncached("train")


def test_an_unknown_partition_is_refused():
    with pytest.raises(InputError, match="partition: no 'test'"):
        uncached("test")


@pytest.mark.usefixtures("stamps")
def test_each_partition_has_every_kind():
    for partition in PARTITIONS:
        pool = module.stamps(partition)
        assert tuple(pool) == KINDS
        assert all(pool[kind] and {s.kind for s in pool[kind]} == {kind} for kind in KINDS)


@pytest.mark.usefixtures("stamps")
def test_the_partitions_share_no_file_and_no_name_but_signs():
    of = {p: [s for kind in KINDS if kind not in SIGNS for s in module.stamps(p)[kind]] for p in PARTITIONS}
    for what in ("path", "name"):
        train, held_out = ({getattr(s, what) for s in of[p]} for p in PARTITIONS)
        assert not train & held_out
    assert all(len({s.path for s in every}) == len(every) for every in of.values())


def test_the_partitions_share_no_picture_but_signs(stamps):
    holders = defaultdict(set)
    for partition in PARTITIONS:
        for kind in KINDS:
            for stamp in module.stamps(partition)[kind]:
                holders[digest(stamp, stamps)].add((partition, stamp.path))
    shared = [names for names in holders.values() if len({path for _, path in names}) > 1]
    assert shared == []
    across = {path for names in holders.values() if len(names) > 1 for _, path in names}
    assert across == {s.path for kind in SIGNS for s in module.stamps("train")[kind]}


@pytest.mark.usefixtures("stamps")
def test_what_is_listed_as_held_out_is_there_and_held_out():
    names = {s.name for s in module.stamps("held-out")["animal"]}
    assert names == module._HELD_OUT_ANIMALS
    obstacles = {s.name for s in module.stamps("train")["obstacle"]}
    assert obstacles >= module._DEVELOPED_ON


@pytest.mark.usefixtures("stamps")
def test_every_stamp_can_be_read_and_has_a_visible_middle():
    for partition in PARTITIONS:
        for stamp in (s for kind in KINDS for s in module.stamps(partition)[kind]):
            pixels = load_stamp(stamp)
            assert pixels.ndim == 3, stamp
            assert pixels.shape[2] == 4, stamp
            assert max(pixels.shape) <= 256, stamp
            assert 0 <= pixels.min() <= pixels.max() <= 1, stamp
            assert (pixels[..., 3] > 0.5).mean() > 0.05, stamp


def test_a_stamp_is_cut_to_its_visible_part(folder):
    rgba = np.zeros((30, 40, 4), np.uint8)
    rgba[5:17, 8:28] = (200, 100, 50, 255)
    rgba[0, 0] = (9, 9, 9, 32)  # all but invisible
    Image.fromarray(rgba).save(folder / "block.png")
    pixels = load_stamp(Stamp("obstacle", "block", "block"))
    np.testing.assert_array_equal(pixels, np.broadcast_to(np.array([200, 100, 50, 255], np.float32) / 255, (12, 20, 4)))


def test_a_large_stamp_is_made_smaller_in_its_own_shape(folder):
    Image.new("RGBA", (1024, 512), (10, 20, 30, 255)).save(folder / "large.png")
    assert load_stamp(Stamp("obstacle", "large", "large")).shape == (128, 256, 4)
    assert load_stamp(Stamp("obstacle", "large", "large"), 64).shape == (32, 64, 4)


def test_a_damaged_picture_is_told_by_name(folder):
    (folder / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    with pytest.raises(InputError, match=r"^stamps: cannot read torn\.png: .*; reinstall tuxpaint-stamps-default$"):
        load_stamp(Stamp("animal", "torn", "torn"))


def test_a_missing_picture_is_told_by_name(folder):
    assert stamp_folder() == folder
    with pytest.raises(InputError, match=r"cannot read gone\.png"):
        load_stamp(Stamp("animal", "gone", "gone"))
