"""A message on its way to many clients, encoded once.

Source: RFC 6455, section 5.2. A server's frames carry no mask, so the same bytes are right for every client; where
permessage-deflate was negotiated a frame without the RSV1 bit is a message that was left uncompressed (RFC 7692, 6).
"""

import struct

FINAL_BINARY = 0x82
"""First byte of a frame: FIN, no reserved bits, opcode 2."""

MAX_REASON_BYTES = 123
"""A close frame holds 125 bytes, two of them for the code."""


class Frame:
    """The bytes of one websocket message, and the same as a server's frame on the wire."""

    __slots__ = ("_encoded", "payload")

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self._encoded: bytes | None = None

    @property
    def encoded(self) -> bytes:
        """Header and payload; made on first use and then shared by all who write it."""
        if self._encoded is None:
            self._encoded = header(len(self.payload)) + self.payload
        return self._encoded


def header(length: int) -> bytes:
    """Return what precedes `length` bytes of payload in an unmasked, unfragmented binary frame."""
    if length < 126:
        return bytes((FINAL_BINARY, length))
    if length < 65_536:
        return struct.pack("!BBH", FINAL_BINARY, 126, length)
    return struct.pack("!BBQ", FINAL_BINARY, 127, length)


def short_reason(reason: str) -> str:
    """Return as much of `reason` as fits into a close frame, without half a character at its end."""
    return reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
