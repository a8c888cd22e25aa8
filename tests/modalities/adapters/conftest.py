"""Recorded speech, which tests of speech recognition need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VOICES = Path("/usr/share/asterisk/sounds/en_US_f_Allison")


@pytest.fixture(scope="session")
def voices() -> Path:
    """Folder of Asterisk's English prompts, spoken by Allison Smith. VERIDICAL_VOICES names another place."""
    folder = Path(os.environ.get("VERIDICAL_VOICES", VOICES))
    if not folder.is_dir():
        what = f"no folder {folder}: apt-get install asterisk-core-sounds-en-wav, or set VERIDICAL_VOICES"
        # Under CI=true everything is installed, so that a missing part is a failure; see tests/conftest.py.
        if os.environ.get("CI") == "true":
            pytest.fail(what, pytrace=False)
        pytest.skip(what)
    return folder
