"""The package as a whole: what importing it costs, what it shows, and which way its imports go."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

import veridical

ROOT = Path(__file__).resolve().parent.parent
ORDER = ("errors", "modalities", "fusion", "verifier", "concepts", "agent", "scenarios")
MODULES = sorted(
    [*ROOT.glob("*.py"), *(path for folder in ORDER[1:] for path in (ROOT / folder).rglob("*.py"))],
    key=lambda path: path.relative_to(ROOT).parts,
)
FACE = ROOT / "__init__.py"
MAX_PARAMETERS = 8
# Each folder's face, and what the command line needs to audit a log.
TORCH_FREE = [*(f"veridical.{folder}" for folder in ORDER), "veridical.agent.cli", "veridical.modalities.weights"]

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


each_module = pytest.mark.parametrize("path", MODULES, ids=name_of)
# The public face shows names of every folder.
each_module_but_the_face = pytest.mark.parametrize("path", [path for path in MODULES if path != FACE], ids=name_of)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def address(path: Path) -> tuple[str, ...]:
    """Dotted place below the root; a package's own module is the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


@cache
def places() -> frozenset[tuple[str, ...]]:
    return frozenset(address(path) for path in MODULES)


def imports(path: Path) -> Iterator[tuple[tuple[str, ...], int]]:
    """Places inside the package that a module imports, at any depth of its code, with the line."""
    package = address(path) if path.name == "__init__.py" else address(path)[:-1]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.level:
            module = tuple(node.module.split(".")) if node.module else ()
            base = package[: len(package) - node.level + 1] + module
            for name in node.names:
                yield (*base, name.name) if (*base, name.name) in places() else base, node.lineno


def public(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Public functions, classes and methods, by dotted name."""
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, f"{prefix}{node.name}.")


def literal(path: Path, name: str) -> object:
    """Value of a module-level literal, None where the module has none of that name."""
    for node in tree(path).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return ast.literal_eval(node.value)
    return None


def ruffs_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest, as ruff's RUF022 sorts them; each by name."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2), name


def decorated(node: Definition, *names: str) -> bool:
    """Whether a decorator's last word is one of ``names``, called or not."""
    return any(ast.unparse(decorator).split("(")[0].split(".")[-1] in names for decorator in node.decorator_list)


def loaded_by(code: str) -> set[str]:
    """Modules loaded in a fresh interpreter after ``code``."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "code", ["import veridical", "import veridical as v; dir(v)", "from veridical import InputError"]
)
def test_importing_the_package_loads_nothing_heavy(code: str):
    assert not loaded_by(code) & {"torch", "numpy", "scipy", "PIL", "transformers", "timm"}


@pytest.mark.parametrize("module", TORCH_FREE)
def test_reading_needs_no_torch(module: str):
    assert "torch" not in loaded_by(f"import {module}")


@each_module
def test_every_module_can_be_imported_without_a_warning(path: Path):
    importlib.import_module(".".join(("veridical", *address(path))))


def test_the_face_is_sorted_and_each_name_resolves():
    assert veridical.__all__ == sorted(veridical.__all__, key=ruffs_order)
    assert set(veridical.__all__) <= set(dir(veridical))
    for name in set(veridical.__all__) - {"__version__"}:
        assert getattr(veridical, name).__name__ == name


def test_the_face_tells_type_checkers_what_it_loads():
    typed = {
        (alias.name, "." * node.level + (node.module or ""))
        for block in tree(FACE).body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    homes = literal(FACE, "_HOMES")
    assert isinstance(homes, dict)
    assert typed == set(homes.items())
    assert {*homes, "__version__"} == set(veridical.__all__)


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert veridical.__version__ == project["version"]


def test_an_unknown_name_is_refused_with_the_names_there_are():
    with pytest.raises(AttributeError, match=r"no attribute 'explian'; its names: Array, .*explain"):
        _ = veridical.explian


def test_every_folder_is_packaged():
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    found = {".".join(("veridical", *address(path))) for path in MODULES if path.name == "__init__.py"}
    folders = {".".join(("veridical", *address(path)[:-1])) for path in MODULES if path.name != "__init__.py"}
    assert set(tool["setuptools"]["packages"]) == found
    assert folders <= found


def test_entry_points_lead_somewhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for reference in [*project["scripts"].values(), *project["entry-points"]["veridical.systems"].values()]:
        module, name = reference.split(":")
        assert callable(getattr(importlib.import_module(module), name))


@each_module_but_the_face
def test_imports_go_one_way(path: Path):
    here = address(path)
    wrong = [
        f"line {line}: {'.'.join(here)} imports {'.'.join(there) or 'the root'}"
        for there, line in imports(path)
        if not there or ORDER.index(there[0]) > ORDER.index(here[0])
    ]
    assert not wrong, f"{name_of(path)}: {wrong}; the order is {' <- '.join(ORDER)}"


@each_module
def test_the_package_names_itself_by_relative_imports_only(path: Path):
    for node in ast.walk(tree(path)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        wrong = [name for name in names if name.split(".")[0] == "veridical"]
        assert not wrong, f"{name_of(path)}: {wrong} is imported absolutely"


def test_imports_have_no_circle():
    graph = nx.DiGraph()
    for path in MODULES:
        graph.add_edges_from((address(path), there) for there, _ in imports(path) if path != FACE)
    assert list(nx.simple_cycles(graph)) == []


@each_module
def test_everything_public_has_a_docstring(path: Path):
    assert ast.get_docstring(tree(path)), f"{name_of(path)} has no docstring"
    bare = [
        name
        for name, node in public(tree(path).body)
        if not ast.get_docstring(node) and not decorated(node, "overload", "override")
    ]
    assert not bare, f"{name_of(path)}: no docstring on {', '.join(bare)}"


@each_module
def test_signatures_stay_short(path: Path):
    for node in ast.walk(tree(path)):
        if isinstance(node, Function):
            every = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            count = sum(parameter.arg not in ("self", "cls") for parameter in every)
            where = f"{name_of(path)}:{node.lineno}"
            assert count <= MAX_PARAMETERS, f"{where}: {node.name} takes {count} parameters, {MAX_PARAMETERS} at most"


@each_module
def test_all_is_sorted_and_names_what_is_public(path: Path):
    names = literal(path, "__all__")
    if names is None:
        assert not list(public(tree(path).body)), f"{name_of(path)}: public names, but no __all__"
        return
    assert isinstance(names, list)
    right = sorted(set(names), key=ruffs_order)
    assert names == right, f"{name_of(path)}: __all__ is not sorted; it should be {right}"
    if path.stem != "__init__" and path.name.startswith("_"):
        return  # what a private module offers its neighbours need not be for all
    unlisted = {
        name
        for name, node in public(tree(path).body)
        if "." not in name and not decorated(node, "command", "group")  # those are reached by the command line
    } - set(names)
    assert not unlisted, f"{name_of(path)}: public but not in __all__: {sorted(unlisted)}"
