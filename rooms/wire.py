"""lib0's binary encoding, read with bounds: every byte may come from a stranger.

Source: lib0/encoding.js and lib0/decoding.js. Numbers are little-endian base 128. JavaScript reads no more than
2^53 - 1, so neither do we.
"""

from rooms.errors import MalformedFrame

MAX_SAFE_INTEGER = 2**53 - 1
"""The largest number that JavaScript, and so Yjs, holds exactly."""

MAX_VAR_INT_BYTES = 8
"""2^53 - 1 takes eight bytes; a ninth can only pad or overflow."""


class Reader:
    """A cursor over `data[position:end]` that raises MalformedFrame instead of reading past the end."""

    __slots__ = ("data", "end", "position")

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position
        self.end = len(data)

    @property
    def remaining(self) -> int:
        """Bytes not read yet."""
        return self.end - self.position

    def byte(self) -> int:
        """Read one byte as a number."""
        position = self.position
        if position >= self.end:
            raise MalformedFrame("the frame ends inside a value")
        self.position = position + 1
        return self.data[position]

    def var_uint(self, *, below: int = MAX_SAFE_INTEGER + 1) -> int:
        """Read an unsigned number smaller than `below`."""
        value = self.byte()
        if value >= 0x80:
            value = self._continue(value & 0x7F)
        if value >= below:
            raise MalformedFrame(f"a number is not below {below}")
        return value

    def _continue(self, value: int) -> int:
        for shift in range(7, 7 * MAX_VAR_INT_BYTES, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise MalformedFrame("a number is longer than eight bytes")

    def take(self, length: int) -> bytes:
        """Read exactly `length` bytes."""
        start = self.position
        if length > self.end - start:
            raise MalformedFrame("a length reaches past the end of the frame")
        self.position = start + length
        return self.data[start : self.position]

    def var_bytes(self) -> bytes:
        """Read bytes that are preceded by their number."""
        return self.take(self.var_uint())

    def var_string(self) -> str:
        """Read UTF-8 text that is preceded by its number of bytes."""
        try:
            return self.var_bytes().decode()
        except UnicodeDecodeError as error:
            raise MalformedFrame("a string is not UTF-8") from error

    def expect_end(self) -> None:
        """Raise unless every byte has been read."""
        if self.position != self.end:
            raise MalformedFrame(f"{self.remaining} bytes are left over")


def var_uint(value: int) -> bytes:
    """Return the bytes that Reader.var_uint reads as `value`."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def var_bytes(value: bytes) -> bytes:
    """Return `value` preceded by its length."""
    return var_uint(len(value)) + value


def var_string(value: str) -> bytes:
    """Return `value` as UTF-8, preceded by its length in bytes."""
    return var_bytes(value.encode())
