"""Maps made by Captum, shap and inseq, and ours in their forms: read by shape and JSON, with none of them imported."""

from __future__ import annotations

from pathlib import Path

from ....errors import RecordError
from .captum import FORMAT_CAPTUM, read_captum, write_captum_json
from .forms import load_json
from .inseq import read_inseq, write_inseq_json
from .maps import FORMAT, ForeignMap, manifest_to_map, map_to_manifest
from .ours import from_record
from .shap import read_shap, write_shap_json

__all__ = [
    "FORMAT",
    "FORMAT_CAPTUM",
    "ForeignMap",
    "from_record",
    "manifest_to_map",
    "map_to_manifest",
    "read_captum",
    "read_foreign",
    "read_inseq",
    "read_shap",
    "write_captum_json",
    "write_inseq_json",
    "write_shap_json",
]


def read_foreign(path: str | Path) -> tuple[ForeignMap, ...]:
    """Read a file of any of the forms, told apart by their members.

    Raises:
        RecordError: it cannot be read, is malformed, or is of none of the forms.
    """
    content = load_json(path, "a file of maps")
    inner = content.get("attributes", content)
    if content.get("format") == FORMAT_CAPTUM:
        return read_captum(path)
    if isinstance(inner, dict) and "sequence_attributions" in inner:
        return read_inseq(path)
    if "values" in content:
        return (read_shap(path),)
    raise RecordError(
        f"{path} is of no form that is known: Captum's has format {FORMAT_CAPTUM!r}, shap's 'values', inseq's "
        "'sequence_attributions'; write it with write_captum_json, write_shap_json or inseq's save"
    )
