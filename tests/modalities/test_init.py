"""The package's face."""

from __future__ import annotations

import subprocess
import sys

import pytest

from veridical import modalities


@pytest.mark.parametrize("name", modalities.__all__)
def test_every_name_is_there(name: str):
    assert getattr(modalities, name).__module__.startswith(("veridical.modalities.", "typing", "collections"))


def test_names_are_sorted_and_listed():
    assert modalities.__all__ == sorted(modalities.__all__)
    assert set(modalities.__all__) <= set(dir(modalities))


def test_an_unknown_name():
    with pytest.raises(AttributeError, match=r"module 'veridical\.modalities' has no attribute 'Smell'"):
        _ = modalities.Smell


def test_importing_the_package_and_fetch_does_not_import_torch():
    check = "import sys; from veridical.modalities import fetch; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
