"""yredis_project -> authbridge -> rooms <- persistence, and pure modules that know nothing of the world."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

MAY_IMPORT = {
    "rooms": set(),
    "persistence": {"rooms"},
    "authbridge": {"rooms"},
    "yredis_project": {"rooms", "persistence", "authbridge"},
}
"""Our packages, and which of the others each may import."""

PURE = {
    "rooms.wire",
    "rooms.protocol",
    "rooms.scan",
    "rooms.scan_content",
    "rooms.ranges",
    "rooms.awareness",
    "rooms.merge",
    "rooms.entries",
    "rooms.names",
    "rooms.errors",
    "rooms.squash",
    "rooms.coverage",
    "rooms.needs",
    "rooms.clocks",
}
"""Bytes in, bytes or values out."""

WORLD = {"django", "redis", "channels", "asyncio", "msgpack", "socket", "threading", "time", "os", "subprocess"}

TRAVELS = ("rooms", "persistence", "authbridge")
"""What is installed at a site."""

MOST_LINES_OF_A_FILE = 299
MOST_LINES_OF_A_FUNCTION = 30

NO_NOUNS = {"utils", "util", "helpers", "helper", "common", "misc", "tools"}

FILES = {
    package: [path for path in sorted((ROOT / package).rglob("*.py")) if "node_modules" not in path.parts]
    for package in MAY_IMPORT
}


def name_of(path: Path) -> str:
    """Return the dotted name of a module."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted name of everything that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = node.module or ""
            if node.level:
                inside = name_of(path).split(".")[: -node.level or None]
                start = ".".join([*inside, start]).rstrip(".")
            yield start
            yield from (f"{start}.{alias.name}" for alias in node.names)


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the name and number of lines of each function in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield f"{name_of(path)}.{node.name}", node.end_lineno - node.lineno + 1


def import_with_foreign_rooms(package: str, folder: Path) -> str:
    """Return what is printed when `package` is imported beside somebody else's `rooms`."""
    (folder / "rooms").mkdir()
    (folder / "rooms" / "__init__.py").write_text('"""Hotel rooms."""')
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    command = [sys.executable, "-P", "-c", f"import {package}"]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False).stderr


class TestDirection:
    """Found by walking over every import statement."""

    @pytest.mark.parametrize("package", MAY_IMPORT)
    def test_a_package_imports_only_those_below_it(self, package):
        others = set(MAY_IMPORT) - {package} - MAY_IMPORT[package]
        found = {(name_of(path), each) for path in FILES[package] for each in imports(path)}
        assert [pair for pair in sorted(found) if pair[1].partition(".")[0] in others] == []

    @pytest.mark.parametrize("package", MAY_IMPORT)
    def test_no_package_imports_tests(self, package):
        assert not [path for path in FILES[package] for each in imports(path) if each.partition(".")[0] == "tests"]

    @pytest.mark.parametrize("package", TRAVELS)
    def test_no_default_names_a_module_of_a_package_above(self, package):
        words = [f"{other}." for other in set(MAY_IMPORT) - {package} - MAY_IMPORT[package]]
        texts = [
            node.value
            for path in FILES[package]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        assert [text for text in texts if text.startswith(tuple(words))] == []


class TestPureModules:
    """They import no Django, Redis, Channels or asyncio, and nothing of ours that does."""

    def test_all_of_them_exist(self):
        assert {name_of(path) for path in FILES["rooms"]} >= PURE

    @pytest.mark.parametrize("module", sorted(PURE))
    def test_a_pure_module_imports_nothing_of_the_world(self, module):
        found = imports(ROOT / f"{module.replace('.', '/')}.py")
        assert {each.partition(".")[0] for each in found} & WORLD == set()

    @pytest.mark.parametrize("module", sorted(PURE))
    def test_a_pure_module_imports_only_pure_ones_of_ours(self, module):
        modules = {name_of(path) for path in FILES["rooms"]} - {"rooms"}
        found = set(imports(ROOT / f"{module.replace('.', '/')}.py"))
        assert found & modules <= PURE

    def test_importing_them_loads_neither_django_nor_redis(self):
        script = f"import sys, {', '.join(sorted(PURE))}; print({{'django', 'redis', 'channels'}} & set(sys.modules))"
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout == "set()\n"


class TestOrder:
    """What is imported before Django is set up."""

    def test_an_asgi_file_imports_the_routing_before_the_apps_are_loaded(self):
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "yredis_project.settings"}
        command = [sys.executable, "-c", "import rooms.routing, rooms.signals, rooms.grants, rooms.errors"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


class TestSizes:
    """A file is a noun that can be said in one caption; a function fits on a screen."""

    @pytest.mark.parametrize("package", TRAVELS)
    def test_no_file_is_long(self, package):
        sizes = {name_of(path): len(path.read_text().splitlines()) for path in FILES[package]}
        assert {name: size for name, size in sizes.items() if size > MOST_LINES_OF_A_FILE} == {}

    @pytest.mark.parametrize("package", TRAVELS)
    def test_no_function_is_long(self, package):
        sizes = [each for path in FILES[package] for each in functions(path)]
        assert [each for each in sizes if each[1] > MOST_LINES_OF_A_FUNCTION] == []

    @pytest.mark.parametrize("package", TRAVELS)
    def test_every_file_says_what_it_is(self, package):
        assert [path for path in FILES[package] if not ast.get_docstring(ast.parse(path.read_text()))] == []

    @pytest.mark.parametrize("package", MAY_IMPORT)
    def test_no_file_is_a_drawer(self, package):
        assert [path for path in FILES[package] if path.stem in NO_NOUNS] == []


class TestForeignRooms:
    """`rooms` is a common name: the other apps refuse somebody else's."""

    @pytest.mark.parametrize("package", ["persistence", "authbridge"])
    def test_it_is_told_whose_rooms_is_in_the_way(self, package, tmp_path):
        message = import_with_foreign_rooms(package, tmp_path).splitlines()[-1]
        assert message.startswith(f"ImportError: {package} needs the package `rooms` of django-yredis")
        assert str(tmp_path / "rooms" / "__init__.py") in message

    @pytest.mark.parametrize("package", ["persistence", "authbridge"])
    def test_ours_is_taken(self, package):
        done = subprocess.run([sys.executable, "-c", f"import {package}"], cwd=ROOT, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
