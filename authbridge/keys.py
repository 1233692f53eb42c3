"""The keys that tokens are verified with: each is for one algorithm, so that a token can't choose."""

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any

import jwt
from django.core.exceptions import ImproperlyConfigured

from rooms.conf import Conf, conf

ALGORITHMS = ("ES256", "ES384", "RS256", "EdDSA", "HS256")
HMAC_BYTES = 32
"""A shorter secret can be guessed from a token."""

RSA_BITS = 2048
CURVES = {"ES256": "secp256r1", "ES384": "secp384r1"}
TYPES: dict[str, tuple[type, ...]] = {
    "alg": (str,),
    "kid": (str, NoneType),
    "key": (str, Mapping),
    "path": (str, Path),
    "url": (str,),
}


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
        if not isinstance(entry, Mapping) or not entry.keys() <= TYPES.keys():
            raise ImproperlyConfigured(f"each of JWT_KEYS is a dictionary of some of {sorted(TYPES)}")
        if entry.get("alg") not in ALGORITHMS:
            raise ImproperlyConfigured(f"alg must be one of {', '.join(ALGORITHMS)}, not {entry.get('alg')!r}")
        if len(entry.keys() & {"key", "path", "url"}) != 1:
            raise ImproperlyConfigured("each of JWT_KEYS has one of key, path and url")
        for name, types in TYPES.items():
            if name in entry and not isinstance(entry[name], types):
                raise ImproperlyConfigured(f"{name} in JWT_KEYS can't be of the type {type(entry[name]).__name__}")
        if "url" in entry:
            return cls(entry["alg"], entry.get("kid"), url=entry["url"])
        if "path" in entry:
            return cls(entry["alg"], entry.get("kid"), text=_content(entry["path"]), path=str(entry["path"]))
        return cls(entry["alg"], entry.get("kid"), text=_text(entry["key"]))

    @property
    def is_secret(self) -> bool:
        """Whether somebody who has it can sign tokens."""
        if self.is_jwk:
            return self.alg == "HS256" or "d" in json.loads(self.text)
        return self.alg == "HS256" or "PRIVATE KEY-----" in self.text

    @property
    def is_jwk(self) -> bool:
        """Whether it is a JWK, and so its text a JSON object."""
        return self.text.startswith("{")

    @property
    def is_readable_by_others(self) -> bool:
        """Whether it is a secret in a file that other users of the machine can read."""
        return bool(self.path and self.is_secret and Path(self.path).stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))

    @cache  # noqa: B019  # of the few in the settings
    def key(self) -> Key:
        """Return the key; raise ImproperlyConfigured if it can't be read or is none for its algorithm."""
        try:
            if self.is_jwk:
                return from_jwk(json.loads(self.text), self.alg, self.kid)
            return Key(self.alg, self.kid, _verifier(self.alg, self.signing_key()))
        except ImproperlyConfigured:
            raise
        except Exception as error:  # cryptography raises all sorts
            why = str(error) if isinstance(error, jwt.InvalidKeyError) else type(error).__name__
            raise ImproperlyConfigured(f"no key for {self.alg}: {why}") from None

    def signing_key(self) -> Any:
        """Return what PyJWT signs with, for an entry that is_secret."""
        if self.is_jwk:
            return jwt.PyJWK({**json.loads(self.text), "alg": self.alg}, algorithm=self.alg).key
        return jwt.get_algorithm_by_name(self.alg).prepare_key(self.text)


def from_jwk(given: Mapping[str, Any], alg: str, kid: str | None = None) -> Key:
    """Return the key in a JWK, without any private part; raise ImproperlyConfigured if it is for something else.

    lib0 and y-redis write `key_ops` and no `alg`: what says nothing is taken for what the settings say.
    """
    if "keys" in given:
        raise ImproperlyConfigured("a set of keys, where one key goes; with `url` a set is read from there")
    if given.get("alg", alg) != alg or given.get("use", "sig") != "sig":
        raise ImproperlyConfigured(f"a JWK for {given.get('alg')!r}, not for signatures of {alg}")
    if not isinstance(given.get("kid"), str | None):
        raise ImproperlyConfigured("the kid of a JWK is a text")
    jwk = jwt.PyJWK({**given, "alg": alg}, algorithm=alg)
    return Key(alg, kid or given.get("kid"), _verifier(alg, jwk.key))


def _verifier(alg: str, key: Any) -> Any:
    """Return what tokens are verified with; raise ImproperlyConfigured for a weak key, or one of another kind."""
    public = key.public_key() if hasattr(key, "public_key") else key
    if alg == "HS256" and len(public) < HMAC_BYTES:
        raise ImproperlyConfigured(f"a secret for HS256 has at least {HMAC_BYTES} bytes")
    if alg == "RS256" and public.key_size < RSA_BITS:
        raise ImproperlyConfigured(f"a key for RS256 has at least {RSA_BITS} bits")
    if alg in CURVES and public.curve.name != CURVES[alg]:
        raise ImproperlyConfigured(f"a key for {alg} is of the curve {CURVES[alg]}, not {public.curve.name}")
    return public


def _content(path: str | Path) -> str:
    try:
        return _text(Path(path).read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ImproperlyConfigured(f"{path} is neither a PEM nor a JWK") from None


def _text(given: str | Mapping[str, Any]) -> str:
    """Return a key as text: a PEM, a secret, or a JSON object."""
    try:
        text = given.strip() if isinstance(given, str) else json.dumps(dict(given))
        if text.startswith("{"):
            json.loads(text)
    except (TypeError, ValueError, RecursionError):
        raise ImproperlyConfigured("a key that begins with { is a JWK, and this is no JSON") from None
    return text


def source_of(number: int, entry: Any) -> Source:
    """Return an entry of YREDIS["JWT_KEYS"] whose key can be used; raise ImproperlyConfigured if it can't."""
    try:
        source = Source.of(entry)
        if not source.url:
            source.key()
    except (ImproperlyConfigured, OSError) as error:
        path = f" ({entry['path']})" if isinstance(entry, Mapping) and entry.get("path") else ""
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ImproperlyConfigured(f"JWT_KEYS[{number}]{path}: {reason}") from None
    return source


_read: tuple[Conf, list[Source]] | None = None


def sources() -> list[Source]:
    """Return the entries of YREDIS["JWT_KEYS"], read once; raise ImproperlyConfigured."""
    global _read
    settings = conf()
    if _read is None or _read[0] is not settings:
        _read = settings, [source_of(number, entry) for number, entry in enumerate(settings.jwt_keys)]
    return _read[1]
