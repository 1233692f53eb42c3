"""What docs/ repeats of the code is what the code says."""

import ast
import re
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import pytest

from rooms.conf import Conf
from rooms.errors import CloseCode
from rooms.metrics import Count

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
PAGES = {path.name: path.read_text() for path in DOCS.glob("*.md")}
EVERY_PAGE = pytest.mark.parametrize("page", sorted(PAGES))


def rows(page: str, first_cell: str) -> list[list[str]]:
    """Return the cells of those rows of a page's tables whose first cell matches."""
    lines = [line.strip("|").split("|") for line in PAGES[page].splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line] for line in lines]
    return [row for row in cells if re.fullmatch(first_cell, row[0])]


SETTINGS = {row[0].strip("`").lower(): row[1:] for row in rows("settings.md", r"`[A-Z_]+`")}
CODES = {int(row[0]): row[1:] for row in rows("close-codes.md", r"\d{4}")}


def said_in_conf() -> dict[str, str]:
    """Return the docstring below each field of Conf."""
    [conf] = [
        node
        for node in ast.parse((ROOT / "rooms" / "conf.py").read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == "Conf"
    ]
    return {
        field.target.id: text.value.value
        for field, text in pairwise(conf.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


class TestSettings:
    def test_each_key_has_one_row_and_there_are_no_others(self):
        assert sorted(SETTINGS) == sorted(field.name for field in fields(Conf))
        assert len(rows("settings.md", r"`[A-Z_]+`")) == len(SETTINGS)

    @pytest.mark.parametrize("field", fields(Conf), ids=lambda field: field.name)
    def test_the_default_is_the_true_one(self, field):
        number, _, in_units = SETTINGS[field.name][0].partition(" (")
        assert ast.literal_eval(number.strip("`")) == field.default
        if in_units:
            size, unit = in_units.rstrip(")").split()
            assert int(size) * {"KiB": 1 << 10, "MiB": 1 << 20}[unit] == field.default

    @pytest.mark.parametrize("field", fields(Conf), ids=lambda field: field.name)
    def test_the_meaning_begins_with_what_the_code_says(self, field):
        assert SETTINGS[field.name][1].startswith(said_in_conf()[field.name])


class TestChecks:
    def test_each_check_of_the_code_has_a_row(self):
        named = [row[0].strip("`") for row in rows("settings.md", r"`yredis\.[EW]\d+`")]
        code = [
            path.read_text() for app in ("rooms", "persistence", "authbridge") for path in (ROOT / app).glob("*.py")
        ]
        assert sorted(named) == sorted(set(re.findall(r"\byredis\.[EW]\d+", "".join(code))))


class TestCloseCodes:
    def test_each_code_has_a_row_with_its_name(self):
        assert {code: row[0].strip("`") for code, row in CODES.items()} == {code.value: code.name for code in CloseCode}

    @pytest.mark.parametrize("code", CloseCode, ids=lambda code: code.name)
    def test_a_client_stops_for_good_on_4400_to_4499_only(self, code):
        assert CODES[code][2] == ("stops" if 4400 <= code <= 4499 else "connects again")


class TestCounters:
    def test_each_counter_has_a_row_in_the_order_of_the_code(self):
        named = [row[0].strip("`") for row in rows("metrics.md", r"`[a-z_]+`")]
        assert named == [name.value for name in Count]


class TestFailpoints:
    def test_each_failpoint_of_the_code_has_a_row(self):
        named = {row[0].strip("`") for row in rows("auditor.md", r"`[a-z]+\.[a-z]+`")}
        files = [path for app in ("rooms", "persistence") for path in (ROOT / app).rglob("*.py")]
        sources = "".join(path.read_text() for path in files)
        assert named == set(re.findall(r'failpoint\("([a-z.]+)"\)', sources))


class TestEveryPage:
    @EVERY_PAGE
    def test_links_lead_to_pages_and_headings_that_exist(self, page):
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", PAGES[page]):
            name, _, heading = target.partition("#")
            assert (DOCS / name).is_file()
            titles = re.findall(r"^#+ (.+)$", (DOCS / name).read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert not heading or heading in anchors

    @EVERY_PAGE
    def test_files_that_are_named_exist(self, page):
        named = re.findall(r"`((?:rooms|tests|frontend|yredis_project)/[\w/.-]*)`", PAGES[page])
        assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_helper_for_tokens_is_as_short_as_it_is_said_to_be():
    assert (ROOT / "frontend" / "src" / "token.js").read_text().count("\n") < 60
