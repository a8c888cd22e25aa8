"""Which kind of signal a sense reads: what is sent to it must be of that kind."""

from __future__ import annotations

from typing import Any

__all__ = ["kind_of"]


def kind_of(modality: Any) -> str:
    """Return ``frames``, ``sound``, ``words`` or ``array``, which is what a sense of no known kind is given.

    A sense of one's own says its kind in an attribute ``kind``. It matters beyond order: cameras and microphones read
    a string as the path of a file, and none of this machine's is to be opened because somebody sent its name.
    """
    from ...modalities.audio import Audio
    from ...modalities.text import Text
    from ...modalities.vision import Vision

    own = getattr(modality, "kind", None)
    if own in ("frames", "sound", "words", "array"):
        return own
    known = ((Vision, "frames"), (Audio, "sound"), (Text, "words"))
    return next((kind for sense, kind in known if isinstance(modality, sense)), "array")
