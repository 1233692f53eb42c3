"""Tokens: whoever is in one that a key of the site signed, and nobody else."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.core.exceptions import ImproperlyConfigured

from authbridge import tokens
from authbridge.identity import TokenUser
from authbridge.keys import Source
from rooms.errors import IdentityRefused

SECRET = "a secret of at least thirty-two bytes"
PRIVATE: dict[str, Any] = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "RS256": rsa.generate_private_key(65537, 2048),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "HS256": SECRET,
}
WEAK = rsa.generate_private_key(65537, 1024)
CLAIMS = {"sub": "ada", "iss": "https://auth", "aud": "rooms"}


def pem_of(key: Any) -> str:
    """Return the public part of a key as PEM."""
    pem, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(pem, form).decode())


def jwk_of(key: Any, *, private: bool = False, **more: Any) -> str:
    """Return a key as a JWK, the public part alone unless asked for the other one."""
    kind = jwt.algorithms.ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else jwt.algorithms.RSAAlgorithm
    return json.dumps({**kind.to_jwk(key if private else key.public_key(), as_dict=True), **more})


def public_pem(alg: str) -> str:
    """Return the public key as PEM; a secret as it is."""
    return SECRET if alg == "HS256" else pem_of(PRIVATE[alg])


def private_pem(alg: str) -> str:
    """Return the private key as PEM."""
    return (
        PRIVATE[alg]
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def signed(alg: str = "ES384", *, key: Any = None, headers: dict[str, Any] | None = None, **changes: Any) -> str:
    """Return a token; a claim that is changed to None is left out."""
    claims = {**CLAIMS, "exp": int(time.time()) + 60, **changes}
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, key or PRIVATE[alg], alg, headers=headers)


def raw(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """Return a token put together by hand."""
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@pytest.fixture(autouse=True)
def site(settings: Any) -> Any:
    """A site with an ES384 key; returns a function that changes it."""

    def configured(*keys: dict[str, Any], **changes: Any) -> None:
        known = {"JWT_ISSUER": "https://auth", "JWT_AUDIENCE": "rooms", "JWT_MAX_LIFETIME_SECONDS": 3600}
        settings.YREDIS = {**known, "JWT_KEYS": list(keys), **changes}

    configured({"alg": "ES384", "key": public_pem("ES384")})
    return configured


async def refused(token: str) -> str:
    """Return why a token is refused."""
    with pytest.raises(IdentityRefused) as caught:
        await tokens.identity_of(token)
    assert token not in str(caught.value) or not token
    return str(caught.value)


class TestTaken:
    @pytest.mark.parametrize("alg", PRIVATE)
    async def test_of_each_algorithm(self, site: Any, alg: str) -> None:
        site({"alg": alg, "key": public_pem(alg)})
        identity = await tokens.identity_of(signed(alg, name="Ada L."))
        assert (identity.user_id, identity.display_name) == ("ada", "Ada L.")

    @pytest.mark.parametrize("alg", ["ES256", "ES384", "RS256", "EdDSA"])
    async def test_by_the_public_part_of_a_private_key(self, site: Any, alg: str) -> None:
        site({"alg": alg, "key": private_pem(alg)})
        assert (await tokens.identity_of(signed(alg))).user_id == "ada"

    async def test_by_a_jwk_as_lib0_writes_it(self, site: Any) -> None:
        jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(PRIVATE["ES384"].public_key()))
        site({"alg": "ES384", "key": {**jwk, "key_ops": ["verify"], "ext": True}})
        assert (await tokens.identity_of(signed())).user_id == "ada"

    async def test_by_a_key_in_a_file(self, site: Any, tmp_path: Path) -> None:
        (tmp_path / "key.pem").write_text(public_pem("ES384"))
        site({"alg": "ES384", "path": str(tmp_path / "key.pem")})
        assert (await tokens.identity_of(signed())).user_id == "ada"

    async def test_by_each_of_several_keys(self, site: Any) -> None:
        site(*({"alg": alg, "key": public_pem(alg)} for alg in PRIVATE))
        assert [(await tokens.identity_of(signed(alg))).user_id for alg in PRIVATE] == ["ada"] * len(PRIVATE)

    async def test_by_the_key_that_it_names(self, site: Any) -> None:
        other = ec.generate_private_key(ec.SECP384R1())
        site({"alg": "ES384", "key": public_pem("ES384"), "kid": "old"})
        assert (await tokens.identity_of(signed(headers={"kid": "old"}))).user_id == "ada"
        await refused(signed(headers={"kid": "new"}))
        await refused(signed(key=other, headers={"kid": "old"}))

    async def test_with_the_claim_of_y_redis(self) -> None:
        assert (await tokens.identity_of(signed(sub=None, yuserid="bob"))).user_id == "bob"

    async def test_for_several_audiences(self) -> None:
        assert (await tokens.identity_of(signed(aud=["others", "rooms"]))).user_id == "ada"

    async def test_it_tells_its_claims_and_when_it_is_over(self) -> None:
        expiry = int(time.time()) + 60
        identity = await tokens.identity_of(signed(exp=expiry, team="blue", yrooms=["essay"]))
        assert isinstance(identity.user, TokenUser)
        assert (identity.user.claims["team"], identity.expires_at, identity.rooms) == ("blue", expiry, ("essay",))

    async def test_fresh_tokens_that_say_the_same_are_one_key_of_the_cache(self) -> None:
        one, two = [await tokens.identity_of(signed(exp=time.time() + n, jti=str(n), team="blue")) for n in (50, 60)]
        other = await tokens.identity_of(signed(team="red"))
        assert one.key == two.key != other.key

    async def test_fresh_tokens_of_one_session_are_one_key_of_the_cache(self) -> None:
        one, two = [await tokens.identity_of(signed(ysession=f"{n} is no key of this site")) for n in (1, 2)]
        assert one.key == two.key

    @pytest.mark.parametrize("sealed", ["é", "gAAAAA", "", 7, None, ["x"], {}], ids=str)
    async def test_with_a_session_of_another_site(self, sealed: Any) -> None:
        assert (await tokens.identity_of(signed(ysession=sealed))).user_id == "ada"


class TestRefused:
    @pytest.mark.parametrize("claim", ["exp", "iss", "aud", "sub"])
    async def test_without_a_claim(self, claim: str) -> None:
        await refused(signed(**{claim: None}))

    @pytest.mark.parametrize(
        "changes",
        [
            {"exp": int(time.time()) - 60},
            {"exp": int(time.time() * 1000) + 60_000},
            {"exp": int(time.time()) + 36_000},
            {"exp": 10**400},
            {"exp": "9999999999"},
            {"exp": True},
            {"exp": [1]},
            {"nbf": int(time.time()) + 36_000},
            {"iss": "https://others"},
            {"iss": ["https://auth"]},
            {"aud": "others"},
            {"aud": ""},
            {"aud": []},
            {"sub": ""},
            {"yuserid": "eve"},
            {"yrooms": "essay"},
            {"yrooms": [1]},
            {"sub": "half of an emoji: \ud83d"},
            {"name": "\ud83d"},
            {"yrooms": ["\ud83d"]},
            {"team": {"\udc00": 1}},
        ],
        ids=lambda changes: next(iter(changes)),
    )
    async def test_with_a_wrong_claim(self, changes: dict[str, Any]) -> None:
        claims = {**CLAIMS, "exp": int(time.time()) + 60, **changes}
        await refused(jwt.api_jws.encode(json.dumps(claims).encode(), PRIVATE["ES384"], "ES384"))

    async def test_without_a_signature(self) -> None:
        claims = {**CLAIMS, "exp": int(time.time()) + 60}
        for alg in ("none", "None", "NONE", "", None):
            await refused(raw({"alg": alg, "typ": "JWT"}, claims))

    async def test_signed_by_the_public_key_as_a_secret(self, site: Any) -> None:
        site({"alg": "RS256", "key": public_pem("RS256")})
        header = {"alg": "HS256", "typ": "JWT"}
        unsigned = raw(header, {**CLAIMS, "exp": int(time.time()) + 60}).removesuffix(".")
        mac = hmac.new(public_pem("RS256").encode(), unsigned.encode(), hashlib.sha256).digest()
        await refused(f"{unsigned}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}")

    async def test_signed_by_another_key(self) -> None:
        await refused(signed(key=ec.generate_private_key(ec.SECP384R1())))

    async def test_of_an_algorithm_that_no_key_is_for(self) -> None:
        for alg in ("ES256", "RS256", "EdDSA", "HS256"):
            await refused(signed(alg))

    async def test_that_demands_what_is_not_known(self) -> None:
        await refused(signed(headers={"crit": ["exp"]}))

    async def test_with_a_key_of_its_own(self) -> None:
        eve = ec.generate_private_key(ec.SECP384R1())
        jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(eve.public_key()))
        await refused(signed(key=eve, headers={"jwk": jwk}))

    async def test_whose_claims_were_changed(self) -> None:
        head, _, signature = signed().split(".")
        changed = raw({}, {**CLAIMS, "sub": "root", "exp": int(time.time()) + 60}).split(".")[1]
        await refused(f"{head}.{changed}.{signature}")

    @pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "é", "\0", "x" * 9000, "[" * 8000, "eyJ9.e30."])
    async def test_what_is_none(self, token: str) -> None:
        await refused(token)

    async def test_nested_beyond_measure(self) -> None:
        deep = base64.urlsafe_b64encode(b"[" * 5000).rstrip(b"=").decode()
        await refused(f"{deep}..")
        await refused(f"{raw({'alg': 'ES384'}, {}).split('.')[0]}.{deep}.")

    @pytest.mark.parametrize("missing", ["JWT_ISSUER", "JWT_AUDIENCE"])
    async def test_everything_where_the_settings_do_not_say_whose(self, site: Any, missing: str) -> None:
        site({"alg": "ES384", "key": public_pem("ES384")}, **{missing: ""})
        await refused(signed())


class TestKeys:
    @pytest.mark.parametrize(
        "entry",
        [
            "a text",
            {},
            {"alg": "none", "key": "x"},
            {"alg": "HS512", "key": SECRET},
            {"alg": "ES256"},
            {"alg": "ES256", "key": "x", "url": "https://x"},
            {"alg": "ES256", "key": "x", "typo": 1},
            {"alg": ["ES256"], "key": "x"},
            {"alg": "ES256", "key": None},
            {"alg": "ES256", "key": b"x"},
            {"alg": "ES256", "key": {"kty": b"EC"}},
            {"alg": "ES256", "key": "{no JSON"},
            {"alg": "ES256", "key": "{" * 5000},
            {"alg": "ES256", "key": "x", "kid": ["k"]},
            {"alg": "ES256", "path": None},
            {"alg": "ES256", "path": 7},
            {"alg": "ES256", "url": None},
        ],
        ids=str,
    )
    def test_what_is_no_entry_is_refused(self, entry: Any) -> None:
        with pytest.raises(ImproperlyConfigured):
            Source.of(entry)

    NO_KEYS: dict[str, tuple[str, str]] = {
        "short secret": ("HS256", "short"),
        "short secret in a JWK": ("HS256", '{"kty": "oct", "k": "c2hvcnQ"}'),
        "public key as a secret": ("HS256", public_pem("RS256")),
        "RSA for a curve": ("ES256", public_pem("RS256")),
        "text": ("ES384", "nothing"),
        "JWK without a key": ("ES384", '{"kty": "EC"}'),
        "JWK of a secret": ("ES384", '{"kty": "oct", "k": "c2hvcnQ", "alg": "HS256"}'),
        "no JSON": ("ES384", "{"),
        "smaller curve": ("ES384", public_pem("ES256")),
        "larger curve": ("ES256", public_pem("ES384")),
        "larger curve in a JWK": ("ES256", jwk_of(PRIVATE["ES384"])),
        "smaller curve in a JWK": ("ES384", jwk_of(PRIVATE["ES256"])),
        "RSA of 1024 bits": ("RS256", pem_of(WEAK)),
        "RSA of 1024 bits in a JWK": ("RS256", jwk_of(WEAK)),
        "kid that is a list": ("ES256", jwk_of(PRIVATE["ES256"], kid=[1])),
        "JWK for encryption": ("ES256", jwk_of(PRIVATE["ES256"], use="enc")),
    }

    @pytest.mark.parametrize("name", NO_KEYS)
    def test_what_is_no_key_for_its_algorithm_is_refused(self, name: str) -> None:
        alg, text = self.NO_KEYS[name]
        with pytest.raises(ImproperlyConfigured) as caught:
            Source(alg, text=text).key()
        assert text not in str(caught.value)

    def test_a_binary_file_is_refused_by_its_name(self, tmp_path: Path) -> None:
        path = tmp_path / "public.der"
        path.write_bytes(b"\x30\x82\xff")
        with pytest.raises(ImproperlyConfigured, match=r"public\.der is neither"):
            Source.of({"alg": "ES256", "path": path})

    KEYS: dict[str, tuple[str, Any, bool]] = {
        "secret": ("HS256", SECRET, True),
        "secret in a JWK": ("HS256", {"kty": "oct", "k": SECRET}, True),
        "private PEM": ("ES384", private_pem("ES384"), True),
        "public PEM": ("ES384", public_pem("ES384"), False),
        "private JWK": ("ES384", jwk_of(PRIVATE["ES384"], private=True), True),
        "public JWK": ("ES384", jwk_of(PRIVATE["ES384"]), False),
        "public JWK with a d elsewhere": ("ES384", jwk_of(PRIVATE["ES384"], kid="d", note='"d"'), False),
    }

    @pytest.mark.parametrize("name", KEYS)
    def test_what_can_sign_is_secret(self, name: str) -> None:
        alg, key, is_secret = self.KEYS[name]
        assert Source.of({"alg": alg, "key": key}).is_secret is is_secret
