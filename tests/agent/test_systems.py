from __future__ import annotations

import importlib.metadata

import pytest

from veridical.agent.systems import GROUP, load_system
from veridical.errors import ContractError, InputError


def register(monkeypatch, **values):
    points = [importlib.metadata.EntryPoint(name, value, GROUP) for name, value in values.items()]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points if group == GROUP else [])


def test_a_system_is_made_by_what_its_entry_point_names(monkeypatch):
    register(monkeypatch, courier="collections:Counter")
    assert load_system("courier") == {}


def test_an_unknown_system_lists_those_known(monkeypatch):
    register(monkeypatch, courier="a:b", robot="c:d")
    with pytest.raises(InputError, match="no system is named 'nobody'; known: courier, robot"):
        load_system("nobody")
    register(monkeypatch)
    with pytest.raises(InputError, match="known: none; is veridical installed"):
        load_system("courier")


@pytest.mark.parametrize("value", ["no_such_module_here:load", "collections:no_such_name"])
def test_an_entry_point_that_leads_nowhere_is_named(monkeypatch, value):
    register(monkeypatch, courier=value)
    with pytest.raises(ContractError, match=rf"system 'courier' \({value}\) cannot be imported"):
        load_system("courier")
