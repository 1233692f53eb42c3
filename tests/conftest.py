"""What every test shares: Django, set up by pytest-django, with a database that all threads can write to."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils import translation
from hypothesis import settings

settings.register_profile("steady", deadline=None)  # a busy machine is no failure
settings.load_profile("steady")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keep SQLite's test database in a file: in memory, one thread would lock the others out."""
    database: dict[str, Any] = django_settings.DATABASES["default"]
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database.setdefault("TEST", {})["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(autouse=True)
def no_language() -> None:
    """Forget what language an earlier test's browser wanted: a request leaves it to its thread."""
    translation.deactivate()


@pytest.fixture(scope="session", autouse=True)
def nothing_left_to_tell() -> Iterator[None]:
    """Let the last orders to servers be sent, or fail, while there is a log."""
    yield
    from authbridge import soon

    soon.settle()
