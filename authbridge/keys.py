"""The keys that tokens are verified with: each is for one algorithm, so that a token can't choose."""

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from django.core.exceptions import ImproperlyConfigured

from rooms.conf import Conf, conf

ALGORITHMS = ("ES256", "ES384", "RS256", "EdDSA", "HS256")
FIELDS = {"alg", "key", "path", "url", "kid"}
HMAC_BYTES = 32
"""A shorter secret can be guessed from a token."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key: `alg` and what PyJWT verifies with."""

    alg: str
    kid: str | None
    verifier: Any


@dataclass(frozen=True, slots=True)
class Source:
    """One entry of YREDIS["JWT_KEYS"]: `text` is a PEM, a JWK or a secret; with `url` it is a key set elsewhere."""

    alg: str
    kid: str | None = None
    text: str = ""
    path: str = ""
    url: str = ""

    @classmethod
    def of(cls, entry: Any) -> "Source":
        """Read an entry; raise ImproperlyConfigured, with nothing of a secret in it, if it is none."""
        if not isinstance(entry, Mapping) or not entry.keys() <= FIELDS:
            raise ImproperlyConfigured(f"each of JWT_KEYS is a dictionary of some of {sorted(FIELDS)}")
        if entry.get("alg") not in ALGORITHMS:
            raise ImproperlyConfigured(f"alg must be one of {', '.join(ALGORITHMS)}, not {entry.get('alg')!r}")
        if len(entry.keys() & {"key", "path", "url"}) != 1:
            raise ImproperlyConfigured("each of JWT_KEYS has one of key, path and url")
        if "url" in entry:
            return cls(entry["alg"], entry.get("kid"), url=str(entry["url"]))
        given = Path(entry["path"]).read_text() if "path" in entry else entry["key"]
        text = json.dumps(given) if isinstance(given, Mapping) else str(given)
        return cls(entry["alg"], entry.get("kid"), text=text.strip(), path=str(entry.get("path", "")))

    @property
    def is_secret(self) -> bool:
        """Whether somebody who has it can sign tokens."""
        return self.alg == "HS256" or "PRIVATE" in self.text or '"d"' in self.text

    @property
    def is_readable_by_others(self) -> bool:
        """Whether it is a secret in a file that other users of the machine can read."""
        return bool(self.path and self.is_secret and Path(self.path).stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))

    @cache  # noqa: B019  # of the few in the settings
    def key(self) -> Key:
        """Return the key; raise ImproperlyConfigured if it can't be read or is none for its algorithm."""
        is_jwk = self.text.startswith("{")
        if self.alg == "HS256" and not is_jwk and len(self.text.encode()) < HMAC_BYTES:
            raise ImproperlyConfigured(f"a secret for HS256 has at least {HMAC_BYTES} bytes")
        try:
            if is_jwk:
                return from_jwk(json.loads(self.text), self.alg, self.kid)
            return Key(self.alg, self.kid, _public(jwt.get_algorithm_by_name(self.alg).prepare_key(self.text)))
        except ImproperlyConfigured:
            raise
        except Exception as error:  # cryptography raises all sorts
            raise ImproperlyConfigured(f"no key for {self.alg}: {type(error).__name__}") from None

    def signing_key(self) -> Any:
        """Return what PyJWT signs with, for an entry that is_secret."""
        if self.text.startswith("{"):
            return jwt.PyJWK({**json.loads(self.text), "alg": self.alg}, algorithm=self.alg).key
        return jwt.get_algorithm_by_name(self.alg).prepare_key(self.text)


def from_jwk(given: Mapping[str, Any], alg: str, kid: str | None = None) -> Key:
    """Return the key in a JWK, without any private part; raise ImproperlyConfigured if it is for something else.

    lib0 and y-redis write `key_ops` and no `alg`: what says nothing is taken for what the settings say.
    """
    if given.get("alg", alg) != alg or given.get("use", "sig") != "sig":
        raise ImproperlyConfigured(f"a JWK for {given.get('alg')!r}, not for signatures of {alg}")
    if alg == "HS256" and len(str(given.get("k", ""))) * 3 // 4 < HMAC_BYTES:
        raise ImproperlyConfigured(f"a secret for HS256 has at least {HMAC_BYTES} bytes")
    jwk = jwt.PyJWK({**given, "alg": alg}, algorithm=alg)
    return Key(alg, kid or given.get("kid"), _public(jwk.key))


def _public(key: Any) -> Any:
    return key.public_key() if hasattr(key, "public_key") else key


_read: tuple[Conf, list[Source]] | None = None


def sources() -> list[Source]:
    """Return the entries of YREDIS["JWT_KEYS"], read once; raise ImproperlyConfigured or OSError."""
    global _read
    settings = conf()
    if _read is None or _read[0] is not settings:
        _read = settings, [Source.of(entry) for entry in settings.jwt_keys]
    return _read[1]
