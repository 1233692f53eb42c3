"""A tiny ASGI application that a test drives over its own websockets: text in is a command, binary out is data.
Binary messages in are chunks, counted as long as they come in their order.

`/name` names a connection, so that a second one can ask about it (`of`) while the first does not read. Commands:

    write sizes=[...]       one frame of each size, through the writer
    asgi sizes=[...]        the same through the server's own `send`, in its turn
    flood bytes=n           64 KiB frames whatever `busy` says, until n bytes are written; then a status
    pour bytes=n            the same as a seat does it: waits for `drained()` whenever busy
    status of=name          JSON about that connection's writer
    await of=name           the same once its writer has drained
    hold                    take no further message until released
    release of=name         let a connection that was held go on
    close of=name code=n    close through the writer, frames of `sizes` before it; then a frame that must not arrive
"""

import asyncio
import json
import time

from rooms.writers import Frame, sniff, writer_for

CHUNK_BYTES = 65_536
writers = {}
closings = {}
releases = {}
taken = {}
gone = set()


def pattern(size, seed=0):
    """Return `size` bytes that differ from their neighbours, so that a lost or doubled byte shows."""
    return (bytes(range(seed % 251, 251)) * (size // 100 + 2))[:size]


def numbered_chunk(number):
    return pattern(CHUNK_BYTES, number % 100)


async def write(writer, send, *, sizes):
    for seed, size in enumerate(sizes):
        writer.write(Frame(pattern(size, seed)))


async def asgi(writer, send, *, sizes):
    await writer.drained()
    for seed, size in enumerate(sizes):
        await send({"type": "websocket.send", "bytes": pattern(size, seed)})


async def flood(writer, send, *, bytes):  # noqa: A002 - the command's word
    frame = Frame(pattern(CHUNK_BYTES))
    for _ in range(bytes // CHUNK_BYTES):
        writer.write(frame)
        await asyncio.sleep(0)


async def pour(writer, send, *, bytes):  # noqa: A002
    frame = Frame(pattern(CHUNK_BYTES))
    for _ in range(bytes // CHUNK_BYTES):
        await writer.drained()
        writer.write(frame)


async def release(writer, send, *, of):
    releases[of].set()


async def hold(name, writer):
    """Be an application that is busy with a message."""
    releases[name] = asyncio.Event()
    writer.pause_reading()
    await releases[name].wait()
    writer.resume_reading()


async def close(writer, send, *, code, of=None, reason="", sizes=(), patience_seconds=5.0):
    closed = writers[of] if of else writer
    started = time.monotonic()
    await write(closed, send, sizes=sizes)
    closing = asyncio.create_task(closed.close(code, reason, patience_seconds=patience_seconds))
    await asyncio.sleep(0)
    closed.write(Frame(b"late"))
    await closing
    closings[of] = time.monotonic() - started


def status(of):
    observed = writers[of]
    return {
        "writer": type(observed).__name__,
        "busy": observed.busy,
        "closed": observed.closed,
        "buffered_bytes": observed.buffered_bytes,
        "gone": of in gone,
        "held": of in releases and not releases[of].is_set(),
        "taken": taken[of],
        "close_seconds": closings.get(of),
    }


COMMANDS = {"write": write, "asgi": asgi, "flood": flood, "pour": pour, "close": close, "release": release}


async def converse(name, writer, receive, send):
    background = set()
    while (message := await receive())["type"] != "websocket.disconnect":
        if chunk := message.get("bytes"):
            taken[name] += chunk == numbered_chunk(taken[name])
            continue
        command = json.loads(message["text"])
        if (verb := command.pop("do")) in COMMANDS:
            task = asyncio.create_task(COMMANDS[verb](writer, send, **command))
            background.add(task)
            if verb in ("write", "asgi"):
                await task
            continue
        if verb == "hold":
            await hold(name, writer)
            continue
        of = command.get("of", name)
        started = time.monotonic()
        if verb == "await":
            await writers[of].drained()
        answer = status(of) | {"awaited_seconds": time.monotonic() - started}
        writer.write(Frame(json.dumps(answer).encode()))
    writer.abandon()
    gone.add(name)


def hides_the_server(application):
    """A middleware as sites have them: the application below never sees the server's own `send`."""

    async def wrapped(scope, receive, send):
        async def other_send(message):
            await send(message)

        await application(scope, receive, other_send)

    return wrapped


@hides_the_server
async def talk(scope, receive, send):
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    name = scope["path"].strip("/")
    gone.discard(name)
    closings.pop(name, None)
    taken[name] = 0
    writers[name] = writer_for(scope, send)
    await converse(name, writers[name], receive, send)


async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await talk(sniff(scope, send), receive, send)
    elif scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"up"})


async def unsniffed(scope, receive, send):
    """The same behind a wrapper that came first: every server gets the plain ASGI writer."""
    if scope["type"] == "websocket":
        await talk(scope, receive, send)
    else:
        await app(scope, receive, send)
