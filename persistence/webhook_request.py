"""The webhook's request as bytes: `PUT {url}/{room}` with the document as a form's file, and its signature.

The form is that of y-redis' YDOC_UPDATE_CALLBACK, but for the encoding of the update: V1 here, V2 there.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from rooms import names, wire


class BadAddress(ValueError):
    """What is wrong with the webhook's url, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Content:
    """A room's document.

    Args:
        update: one V1 update with everything that may be merged.
        verbatim: the updates that may not, byte for byte.
    """

    update: bytes
    verbatim: Sequence[bytes] = ()


@dataclass(frozen=True, slots=True)
class Address:
    """Where the webhook goes: an url without credentials, and these."""

    url: str
    auth: tuple[str, str] | None

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Read settings.YREDIS["WEBHOOK_URL"].

        Raises:
            BadAddress: it is no http(s) url with a host, or has a query or fragment, behind which no room can stand.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise BadAddress("is no url that can be read") from error  # whose message may quote a password
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise BadAddress("must be an http:// or https:// url with a host")
        if parts.query or parts.fragment:
            raise BadAddress("can have no query and no fragment: the room's name is put behind it")
        if not url.isprintable() or " " in url:
            raise BadAddress("has a space or a control character")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        netloc = f"{host}:{port}" if port else host
        bare = urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", ""))
        has_auth = parts.username is not None or parts.password is not None
        return cls(bare, (_decoded(parts.username), _decoded(parts.password)) if has_auth else None)

    def of(self, room: str) -> str:
        """Return the url of a room: its canonical name, percent-encoded as one segment of the path."""
        part = names.key_part(room)
        if part in {".", ".."}:  # which would name a folder
            part = part.replace(".", "%2E")
        return f"{self.url}/{part}"


def _decoded(text: str | None) -> str:
    return names.from_key_part(text or "")


def form(room: str, content: Content) -> tuple[str, bytes]:
    """Return content type and body of a form: `room`, the file `ydoc`, and the file `ydoc-verbatim` if there is need.

    The latter holds the updates that can't be merged, each behind its length, as lib0's writeVarUint8Array does it.
    """
    boundary = uuid4().hex
    parts = [_part("room", room.encode())]
    parts.append(_part("ydoc", content.update, is_file=True))
    if content.verbatim:
        packed = b"".join(wire.var_bytes(update) for update in content.verbatim)
        parts.append(_part("ydoc-verbatim", packed, is_file=True))
    line = f"--{boundary}".encode()
    pieces = [piece for head, data in parts for piece in (line, b"\r\n", head, b"\r\n\r\n", data, b"\r\n")]
    return f"multipart/form-data; boundary={boundary}", b"".join([*pieces, line, b"--\r\n"])


def _part(name: str, data: bytes, *, is_file: bool = False) -> tuple[bytes, bytes]:
    if is_file:
        kind = "application/octet-stream"
        head = f'Content-Disposition: form-data; name="{name}"; filename="{name}"\r\nContent-Type: {kind}'
    else:
        head = f'Content-Disposition: form-data; name="{name}"'
    return head.encode(), data


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the value of X-YRedis-Signature: "sha256=" and the HMAC of timestamp, a full stop, and body, in hex."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode(), hashlib.sha256)
    digest.update(body)
    return f"sha256={digest.hexdigest()}"
