"""The import graph has no circle. Imports inside functions count, those for type checkers do not."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STAND_INS = ROOT / "zenoh_ros" / "stand_ins"
# Upstream's launch.utilities imports launch.substitutions inside a function as well, for the same reason.
AS_UPSTREAM = {("launch.utilities", "launch.substitutions")}

Graph = dict[str, set[str]]


def module_name(path: Path, base: Path) -> str:
    parts = path.relative_to(base).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def run_time_imports(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        yield node
    children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        children = list(node.orelse)
    for child in children:
        yield from run_time_imports(child)


def targets(statement: ast.Import | ast.ImportFrom, package: str) -> Iterator[str]:
    """What it may mean: `from a.b import c` is the module a.b.c where there is one, else a.b."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
        return
    parts = package.split(".")[: len(package.split(".")) + 1 - statement.level] if statement.level else []
    source = ".".join([*parts, *([statement.module] if statement.module else [])])
    yield from (f"{source}.{alias.name}" for alias in statement.names)


def import_graph(paths: list[Path], base: Path) -> Graph:
    """Each module, and those of `paths` that it imports."""
    names = {module_name(path, base): path for path in paths}
    graph: Graph = {}
    for name, path in names.items():
        package = name if path.stem == "__init__" else name.rpartition(".")[0]
        found = {
            target if target in names else target.rpartition(".")[0]
            for statement in run_time_imports(ast.parse(path.read_text()))
            for target in targets(statement, package)
        }
        graph[name] = (found & set(names)) - {name}
    return graph


def circle(graph: Graph) -> list[str]:
    """One of its circles; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_a_circle_is_found(tmp_path: Path) -> None:
    sources = {
        "a/__init__.py": "",
        "a/one.py": "from . import two\n",
        "a/two.py": "def late():\n    from a.three import x\n",
        "a/three.py": "import typing\nif typing.TYPE_CHECKING:\n    import a.two\nelse:\n    from .one import y\n",
    }
    (tmp_path / "a").mkdir()
    for name, text in sources.items():
        (tmp_path / name).write_text(text)
    paths = sorted(tmp_path.rglob("*.py"))
    graph = import_graph(paths, tmp_path)
    assert graph == {"a": set(), "a.one": {"a.two"}, "a.two": {"a.three"}, "a.three": {"a.one"}}
    assert sorted(set(circle(graph))) == ["a.one", "a.three", "a.two"]


@pytest.mark.parametrize("package", ["rt_vla_ros", "zenoh_ros"])
def test_no_module_needs_itself(package: str) -> None:
    paths = [path for path in sorted((ROOT / package).rglob("*.py")) if STAND_INS not in path.parents]
    graph = import_graph(paths, ROOT)
    assert any(graph.values())
    assert circle(graph) == []


def test_the_stand_ins_have_no_circle_that_upstream_has_not() -> None:
    graph = import_graph(sorted(STAND_INS.rglob("*.py")), STAND_INS)
    for importer, imported in AS_UPSTREAM:
        assert imported in graph[importer]
        graph[importer].remove(imported)
    assert circle(graph) == []
