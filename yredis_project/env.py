"""How settings are read from the environment, and the secret key of a site that was given none."""

import contextlib
import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import fields
from math import isfinite
from pathlib import Path
from typing import Any, get_type_hints

import environ
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.exceptions import ImproperlyConfigured

from rooms.conf import Conf

BEGINNING = "YREDIS_"

NO_SETTINGS = {
    f"{BEGINNING}{name}"
    for name in ("ACCEPT_LOG", "FAILPOINTS", "KILLS", "SEED", "TEST_POSTGRES_URL", "TEST_STORE", "TRACES")
} | {f"{BEGINNING}S3_{name}" for name in ("BUCKET", "ENDPOINT_URL", "REGION")}
"""Variables that tests and tools read."""

THEMES = {"unfold": ["unfold"], "plain": []}
"""How the admin may look, and the apps that each look needs before django.contrib.admin."""


def yredis(env: environ.Env, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the YREDIS setting: `defaults`, and over them each YREDIS_<KEY> that `env` has.

    The keys and their types are those of rooms.conf.Conf, so that nothing about them is repeated here.
    Lists are written as JSON.

    Raises:
        ImproperlyConfigured: a value is not of its key's type, or a variable that begins with YREDIS_ is no setting.
    """
    types = get_type_hints(Conf)
    keys = {f"{BEGINNING}{field.name.upper()}": types[field.name] for field in fields(Conf)}
    named = {name for name in env.ENVIRON if name.startswith(BEGINNING)}
    if unknown := sorted(named - keys.keys() - NO_SETTINGS):
        raise ImproperlyConfigured(f"no settings, but set in the environment: {', '.join(unknown)}")
    given = {name.removeprefix(BEGINNING): _value(env, name, keys[name]) for name in keys if name in named}
    return {**defaults, **given}


def database(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a database's settings with the options that several processes need which must lose nothing."""
    options: dict[str, Any] = {}
    if given["ENGINE"] == "django.db.backends.sqlite3":
        # Several processes write: readers never wait (WAL), writers queue from BEGIN on instead of failing at the first
        # write (IMMEDIATE), and a commit survives a power cut (FULL; WAL's usual NORMAL does not promise that).
        pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        options = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": pragmas}
    elif given["ENGINE"] == "django.db.backends.postgresql":
        # A server that is gone is noticed in seconds: by default a connection waits for hours.
        options = {"connect_timeout": 5, "tcp_user_timeout": 15_000}
    return {**given, "OPTIONS": {**given.get("OPTIONS", {}), **options}}


def admin_theme(env: environ.Env) -> list[str]:
    """Return the apps of the theme that ADMIN_THEME names; raise ImproperlyConfigured if there is no such theme."""
    theme = env.str("ADMIN_THEME", "unfold")
    if theme not in THEMES:
        raise ImproperlyConfigured(f"ADMIN_THEME must be one of {', '.join(THEMES)}, not {theme!r}")
    return THEMES[theme]


def segment_storage(env: environ.Env, folder: Path) -> dict[str, Any]:
    """Return the storage of a FileStore: the S3 bucket that YREDIS_S3_BUCKET names, or else a folder.

    The keys of an S3 account are where boto3 looks for them, as in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    """
    bucket = env.str("YREDIS_S3_BUCKET", "")
    if not bucket:
        return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(folder)}}
    from botocore.config import Config

    options = {
        "bucket_name": bucket,
        "endpoint_url": env.str("YREDIS_S3_ENDPOINT_URL", "") or None,
        "region_name": env.str("YREDIS_S3_REGION", "") or None,
        "file_overwrite": True,  # names are unique: no question before each write whether they are
        "client_config": Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2}),
    }
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}


def _value(env: environ.Env, name: str, kind: type) -> Any:
    """Return the value of a variable as `kind`; raise ImproperlyConfigured if it can't be read as that."""
    if kind is tuple:
        return _list(env, name)
    reads = {int: int, float: _finite}
    try:
        return env.get_value(name, cast=reads.get(kind, kind))
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be {kind.__name__}, not {env.str(name)!r}") from None


def _list(env: environ.Env, name: str) -> list[Any]:
    """Return the JSON list in a variable; if it is none, raise with nothing of it: there may be a secret in it."""
    try:
        found = json.loads(env.str(name))
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise ImproperlyConfigured(f'{name} must be a list in JSON, such as ["a", "b"]')
    return found


def _finite(text: str) -> float:
    """Return the number in a text; django-environ's own reader takes 1e3 for 13."""
    if not isfinite(number := float(text)):
        raise ValueError("not finite")
    return number


def kept_secret_key(path: Path) -> str:
    """Return the secret key in the file at `path`; made on first use, for this user's eyes only."""
    return _kept(path, lambda: secrets.token_urlsafe(50))


def kept_token_key(path: Path) -> dict[str, str]:
    """Return the entry of JWT_KEYS for the private key in the file at `path`; made on first use, as the secret key."""
    _kept(path, _new_token_key)
    return {"alg": "ES384", "path": str(path)}


def _new_token_key() -> str:
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return ec.generate_private_key(ec.SECP384R1()).private_bytes(*pem).decode()


def _kept(path: Path, make: Callable[[], str]) -> str:
    """Return what is in a file, which is made if it is not there.

    Processes that start at the same time agree: the file appears whole, by a link, and the first one wins.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(make())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text()
