"""What all tests share: shapes checked at run time, no hub, and the Debian data that some tests need."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest
from jaxtyping import config, install_import_hook

# Weights come from package indexes alone: a test that asks a hub is wrong, and must fail at once. Read at import.
os.environ["HF_HUB_OFFLINE"] = "1"

import timm  # noqa: F401  # with torch; the reason stands below

# Nor is a test's decision any of the user's: each worker has a log of its own, which goes when it ends.
_HOME = tempfile.TemporaryDirectory(prefix="veridical-home-", ignore_cleanup_errors=True)
os.environ["VERIDICAL_HOME"] = _HOME.name

# Before any test imports the package: every annotated shape and type is checked at each call. An int passes for a
# float, as type checkers have it (PEP 484's numeric tower), which beartype leaves off unless asked. While the hook
# loads a module of ours, whatever that imports misses its cached bytecode: hence torch and timm are loaded by now.
install_import_hook("veridical", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")

STAMPS = Path("/usr/share/tuxpaint/stamps")
VOICES = Path("/usr/share/asterisk/sounds/en_US_f_Allison")


def _missing(what: str) -> NoReturn:
    """Skip with the reason; under CI=true everything is installed, so that a missing part is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="session")
def stamps() -> Path:
    """Folder of Tux Paint's stamps: photographs with exact masks, and sounds. VERIDICAL_STAMPS names another place."""
    folder = Path(os.environ.get("VERIDICAL_STAMPS", STAMPS))
    if not folder.is_dir():
        _missing(f"no folder {folder}: apt-get install tuxpaint-stamps-default, or set VERIDICAL_STAMPS")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of Chromium, which draws the pages that a person would see."""
    found = shutil.which("chromium")
    if found is None:
        _missing("no chromium on the path: apt-get install chromium")
    return found


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the checks of types and shapes off, as users have it: what the package itself says of a wrong type."""
    monkeypatch.setattr(config, "jaxtyping_disable", True)


@pytest.fixture(scope="session")
def voices() -> Path:
    """Folder of Asterisk's English prompts, spoken by Allison Smith. VERIDICAL_VOICES names another place."""
    folder = Path(os.environ.get("VERIDICAL_VOICES", VOICES))
    if not folder.is_dir():
        _missing(f"no folder {folder}: apt-get install asterisk-core-sounds-en-wav, or set VERIDICAL_VOICES")
    return folder
