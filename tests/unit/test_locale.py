"""Every text that people see is in the locales that we have, translated, and compiled."""

import gettext
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import django
import pytest
import unfold
from django.contrib import admin

from yredis_project.theme_words import WORDS

ROOT = Path(__file__).resolve().parent.parent.parent
APPS = ["rooms", "persistence", "authbridge", "yredis_project"]
LOCALES = ["de"]
CATALOGS = sorted(path.relative_to(ROOT) for app in APPS for path in (ROOT / app / "locale").rglob("*.po"))
EVERY_CATALOG = pytest.mark.parametrize("catalog", CATALOGS, ids=str)
TEMPLATES = sorted(path.relative_to(ROOT) for app in [*APPS, "templates"] for path in (ROOT / app).rglob("*.html"))

PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[a-z]|\{\w*\}|</?\w+>")
"""What a translation has to keep: what is filled in, and tags."""

FILLED_IN = re.compile(r"(?s)\{% blocktranslate.*?endblocktranslate %\}|\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}")
"""What is in a template instead of text."""

SAID = re.compile(r"\b(?:aria-label|alt|placeholder|title)=\"([^\"]*)\"|>([^<]*)|^([^<]+)")
"""What people read of a template without its tags and variables."""

NOT_TRANSLATED = {"django-", "yredis", "django-yredis", "demo-", "appendonly", "appendfsync", "maxmemory-policy"}
"""Names, and what Redis calls its settings."""


@pytest.fixture(scope="session")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree whose catalogs were brought up to date with its texts, as by `make messages`."""
    copy = tmp_path_factory.mktemp("locale")
    for folder in [*APPS, "templates", "frontend/src"]:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("build", "__pycache__"))
    shutil.copy(ROOT / "manage.py", copy)
    for domain in ("django", "djangojs"):
        command = [sys.executable, "manage.py", "makemessages", "--all", "--domain", domain, "--add-location", "file"]
        subprocess.run(command, cwd=copy, check=True, capture_output=True)
    return copy


def texts(path: Path) -> dict[str | tuple[str, int], str]:
    """Return what a compiled catalog holds, but for its header; a text with plural forms once for each of them."""
    with path.open("rb") as file:
        catalog: dict[str | tuple[str, int], str] = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    return {text: translated for text, translated in catalog.items() if text}


def translations(catalog: Path) -> Iterator[tuple[str, str]]:
    """Yield the texts of one of our catalogs, each with what it is translated into."""
    for text, translated in texts(ROOT / catalog.with_suffix(".mo")).items():
        yield text if isinstance(text, str) else text[0], translated


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("app", APPS)
def test_every_app_has_every_locale(app: str, locale: str) -> None:
    assert Path(app, "locale", locale, "LC_MESSAGES", "django.po") in CATALOGS


def test_no_catalog_is_missing(extracted: Path) -> None:
    assert sorted(path.relative_to(extracted) for path in extracted.rglob("*.po")) == CATALOGS


@EVERY_CATALOG
def test_every_text_is_translated(extracted: Path, catalog: Path) -> None:
    command = ["msgfmt", "--check", "--statistics", "-o", "/dev/null", str(extracted / catalog)]
    told = subprocess.run(command, check=True, capture_output=True, text=True, env={"LC_ALL": "C"}).stderr
    assert re.fullmatch(r"\d+ translated messages?\.\n", told), told


@EVERY_CATALOG
def test_no_translation_is_left_of_a_text_that_is_gone(extracted: Path, catalog: Path) -> None:
    assert "#~" not in (ROOT / catalog).read_text()
    assert "#~" not in (extracted / catalog).read_text()


@EVERY_CATALOG
def test_it_is_compiled(tmp_path: Path, catalog: Path) -> None:
    fresh = tmp_path / "fresh.mo"
    subprocess.run(["msgfmt", "-o", str(fresh), str(ROOT / catalog)], check=True)
    assert texts(ROOT / catalog.with_suffix(".mo")) == texts(fresh)


@EVERY_CATALOG
def test_what_is_filled_in_has_a_name(catalog: Path) -> None:
    found = {text: PLACEHOLDER.findall(text) for text, _ in translations(catalog)}
    assert [text for text, these in found.items() if any(one[:2] != "%(" and one[0] != "<" for one in these)] == []


@EVERY_CATALOG
def test_a_translation_has_what_is_filled_in_and_the_tags_of_its_text(catalog: Path) -> None:
    for text, translated in translations(catalog):
        assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(translated)), text


@pytest.mark.parametrize("locale", LOCALES)
def test_a_text_has_the_same_translation_everywhere(locale: str) -> None:
    """Django puts all catalogs together: of two that differ, the order of INSTALLED_APPS tells which one counts."""
    found = defaultdict[str | tuple[str, int], set[str]](set)
    folders = [ROOT / app for app in APPS] + [Path(django.__path__[0], "conf"), Path(admin.__path__[0])]
    for folder in folders:
        for text, translated in texts(folder / "locale" / locale / "LC_MESSAGES" / "django.mo").items():
            found[text].add(translated)
    ours = {text for catalog in CATALOGS for text in texts(ROOT / catalog.with_suffix(".mo"))}
    assert {text: found[text] for text in ours if len(found[text]) > 1} == {}


@pytest.mark.parametrize("template", TEMPLATES, ids=str)
def test_no_template_has_words_that_are_not_translated(template: Path) -> None:
    page = FILLED_IN.sub("", (ROOT / template).read_text())
    said = ("".join(one) for one in SAID.findall(page))
    words = {word for text in said for word in re.findall(r"[A-Za-z][A-Za-z-]+", re.sub(r"&\w+;", "", text))}
    assert words <= NOT_TRANSLATED


@pytest.mark.parametrize("word", WORDS)
def test_the_theme_says_what_is_translated_for_it(word: str) -> None:
    texts = (path.read_text() for path in Path(unfold.__path__[0]).rglob("*.*") if path.suffix in {".html", ".py"})
    assert any(f'"{word}"' in text or f"'{word}'" in text for text in texts)
