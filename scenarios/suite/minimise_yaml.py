"""Plain data as YAML that `load_yaml` reads back as it was: blocks, a line for what is short, decimals written out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

__all__ = ["to_yaml"]

_WIDTH = 110
_SHORT = 90  # characters of a mapping or list that stands on one line


def to_yaml(plain: Any) -> str:
    """Return plain data (mappings with text as keys, lists, text, numbers, true, false, null) as one YAML document."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Without aliases, and with decimals that are no powers of ten."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def number(dumper: Any, value: float) -> Any:
        text = format(Decimal(repr(value)), "f")
        return dumper.represent_scalar("tag:yaml.org,2002:float", text if "." in text else f"{text}.0")

    def many(dumper: Any, value: list[Any]) -> Any:
        return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=_flat(value))

    def mapping(dumper: Any, value: dict[str, Any]) -> Any:
        return dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=_flat(value))

    Dumper.add_representer(float, number)
    Dumper.add_representer(list, many)
    Dumper.add_representer(dict, mapping)
    return yaml.dump(plain, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=False)


def _flat(value: Any) -> bool:
    """Whether it stands on one line: short, and a list or mapping of plain values alone."""
    inner = value.values() if isinstance(value, dict) else value
    return len(repr(value)) <= _SHORT and not any(isinstance(each, dict | list) for each in inner)
