"""Runs writers_app under a real server in a process of its own, and talks to it."""

import json
import socket
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.sync.client import connect

ROOT = Path(__file__).parents[2]
MIB = 1024 * 1024
DAY = timedelta(days=1)
BINARY, CLOSE = 2, 8
HANDSHAKE = (
    "GET /{name} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Server:
    """A server process and how to reach it: with TLS if it has a certificate to trust."""

    def __init__(self, process, port, trusted):
        self.process = process
        self.port = port
        self.tls = trusted and ssl.create_default_context(cafile=trusted)

    def connect(self, name="main", **options):
        """Open a real client's websocket that neither compresses nor pings by itself, unless told to.

        Not for TLS: two threads of this client use one TLS object, and about one handshake in a hundred hangs.
        """
        options = {"max_size": None, "compression": None, "ping_interval": None, "proxy": None} | options
        return connect(f"ws://127.0.0.1:{self.port}/{name}", **options)

    @contextmanager
    def lazy_client(self, name):
        """Yield a socket with a websocket on it, of which nothing is read but what the test reads."""
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        raw.settimeout(15)
        raw.connect(("127.0.0.1", self.port))
        with self.tls.wrap_socket(raw, server_hostname="localhost") if self.tls else raw as client:
            client.sendall(HANDSHAKE.format(name=name).encode())
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                answer += client.recv(1)
            assert answer.startswith(b"HTTP/1.1 101 ")
            yield client

    @contextmanager
    def observer(self):
        """Yield a second connection, to ask about the first."""
        with self.lazy_client("observer") as client, client.makefile("rb") as stream:
            yield Observer(client, stream)

    @property
    def rss_bytes(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024


class Observer:
    """Sends commands that are answered about another connection."""

    def __init__(self, client, stream):
        self.client = client
        self.stream = stream

    def tell(self, verb, **arguments):
        send_masked(self.client, command(verb, **arguments))

    def answer(self):
        return json.loads(read_frame(self.stream)[1])

    def ask(self, verb, **arguments):
        self.tell(verb, **arguments)
        return self.answer()

    def see(self, of, condition, seconds=15):
        """Ask for the status every 50 ms until it satisfies `condition`; return it."""
        deadline = time.monotonic() + seconds
        while not condition(status := self.ask("status", of=of)):
            assert time.monotonic() < deadline, f"still {status}"
            time.sleep(0.05)
        return status


@contextmanager
def running(command, log, *, trusted=None):
    """Start `python {command}` with a free port filled in; by its end, it must not have logged a traceback."""
    port = free_port()
    words = [sys.executable, *(word.format(port=port) for word in command)]
    with log.open("wb") as out:
        process = subprocess.Popen(words, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
    try:
        wait_for_port(port, process)
        yield Server(process, port, trusted)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    assert "Traceback" not in log.read_text(), log.read_text()


def make_certificate(folder):
    """Return the path of a PEM file with a key and a certificate for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + DAY)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    path = folder / "localhost.pem"
    encoding = serialization.Encoding.PEM
    secret = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(secret + certificate.public_bytes(encoding))
    return path


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for_port(port, process, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended at once"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server doesn't listen")


def command(verb, **arguments):
    return json.dumps({"do": verb} | arguments)


def send_masked(client, text):
    """Send a short client's text frame by hand, masked with zeros."""
    assert len(text) < 126
    client.sendall(bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text.encode())


def send_chunk(client, chunk):
    """Send a chunk of 64 KiB by hand as a client's binary frame, masked with zeros."""
    assert len(chunk) == 65_536
    client.sendall(bytes((0x82, 0xFF)) + len(chunk).to_bytes(8) + bytes(4) + chunk)


@contextmanager
def flooding(client, chunks):
    """Send chunks as fast as the server takes them, from a thread; at the end, wait until it took all."""
    with ThreadPoolExecutor(1) as pool:
        flood = pool.submit(lambda: [send_chunk(client, chunk) for chunk in chunks])
        yield
        flood.result()


def send_close(client, code):
    """Send a client's close frame by hand, masked with zeros."""
    client.sendall(bytes((0x80 | CLOSE, 0x82, 0, 0, 0, 0)) + code.to_bytes(2))


def read_frame(stream):
    """Return (opcode, payload) of the next frame in a lazy client's `makefile("rb")`."""
    first, second = stream.read(2)
    assert second < 128, "a server's frame is never masked"
    length = second if second < 126 else int.from_bytes(stream.read(2 if second == 126 else 8))
    return first & 0x0F, stream.read(length)
