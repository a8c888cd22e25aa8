"""Adapters: wrap a model of a known kind, in a line or two, as a system that can be explained.

Names are loaded at first use, so that importing this package does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .blackbox import BlackBox
    from .classifiers import wrap_timm, wrap_torchvision
    from .clip import Caption, load_clip, wrap_clip, wrap_clip_pair
    from .cloze import Cloze, likely_words, wrap_masked_lm
    from .ctc import wrap_ctc_frame, wrap_ctc_transcript
    from .hugging import wrap_audio_classifier, wrap_image_classifier, wrap_text_classifier
    from .module import Wrapped, wrap
    from .transcript import Speech, Transcript, WordHeard, listen

__all__ = [
    "BlackBox",
    "Caption",
    "Cloze",
    "Speech",
    "Transcript",
    "WordHeard",
    "Wrapped",
    "likely_words",
    "listen",
    "load_clip",
    "wrap",
    "wrap_audio_classifier",
    "wrap_clip",
    "wrap_clip_pair",
    "wrap_ctc_frame",
    "wrap_ctc_transcript",
    "wrap_image_classifier",
    "wrap_masked_lm",
    "wrap_text_classifier",
    "wrap_timm",
    "wrap_torchvision",
]

_HOMES = {
    "BlackBox": "blackbox",
    "Caption": "clip",
    "Cloze": "cloze",
    "Speech": "transcript",
    "Transcript": "transcript",
    "WordHeard": "transcript",
    "Wrapped": "module",
    "likely_words": "cloze",
    "listen": "transcript",
    "load_clip": "clip",
    "wrap": "module",
    "wrap_audio_classifier": "hugging",
    "wrap_clip": "clip",
    "wrap_clip_pair": "clip",
    "wrap_ctc_frame": "ctc",
    "wrap_ctc_transcript": "ctc",
    "wrap_image_classifier": "hugging",
    "wrap_masked_lm": "cloze",
    "wrap_text_classifier": "hugging",
    "wrap_timm": "classifiers",
    "wrap_torchvision": "classifiers",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
