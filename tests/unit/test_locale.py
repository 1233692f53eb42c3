"""Every text that people see is in the locales that we have, translated, and compiled."""

import gettext
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
APPS = ["rooms", "persistence", "authbridge", "yredis_project"]
LOCALES = ["de"]
CATALOGS = sorted(path.relative_to(ROOT) for app in APPS for path in (ROOT / app / "locale").rglob("*.po"))


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


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("app", APPS)
def test_every_app_has_every_locale(app: str, locale: str) -> None:
    assert Path(app, "locale", locale, "LC_MESSAGES", "django.po") in CATALOGS


@pytest.mark.parametrize("catalog", CATALOGS, ids=str)
def test_every_text_is_translated(extracted: Path, catalog: Path) -> None:
    command = ["msgfmt", "--check", "--statistics", "-o", "/dev/null", str(extracted / catalog)]
    told = subprocess.run(command, check=True, capture_output=True, text=True, env={"LC_ALL": "C"}).stderr
    assert re.fullmatch(r"\d+ translated messages?\.\n", told), told


@pytest.mark.parametrize("catalog", CATALOGS, ids=str)
def test_no_translation_is_left_of_a_text_that_is_gone(catalog: Path) -> None:
    assert "#~" not in (ROOT / catalog).read_text()


@pytest.mark.parametrize("catalog", CATALOGS, ids=str)
def test_it_is_compiled(tmp_path: Path, catalog: Path) -> None:
    fresh = tmp_path / "fresh.mo"
    subprocess.run(["msgfmt", "-o", str(fresh), str(ROOT / catalog)], check=True)
    assert texts(ROOT / catalog.with_suffix(".mo")) == texts(fresh)


def texts(path: Path) -> dict[object, str]:
    """Return what a compiled catalog holds."""
    with path.open("rb") as file:
        catalog: dict[object, str] = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
        return catalog
