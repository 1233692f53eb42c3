"""A gate before a server: it lets connections through as they are, or answers in the server's place."""

import socket
import threading
from contextlib import suppress

from tests.support.processes import free_port

OPEN = ""


class Gate:
    """Listens on `port`; while `answer` is a status such as "503 Slow Down", each connection gets nothing but that."""

    def __init__(self, to_port: int) -> None:
        self.to_port = to_port
        self.port = free_port()
        self.answer = OPEN
        self.refused = 0
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def url(self) -> str:
        """Where clients go instead."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Let nobody in any more."""
        self._listener.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            if self.answer:
                self.refused += 1
                client.recv(65536)
                client.sendall(f"HTTP/1.1 {self.answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
                client.shutdown(socket.SHUT_WR)
                client.recv(1 << 20)
                return
            with socket.create_connection(("127.0.0.1", self.to_port)) as server:
                back = threading.Thread(target=self._pass_on, args=(server, client), daemon=True)
                back.start()
                self._pass_on(client, server)
                back.join()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        """Hand on what comes; a connection that was kept open ends when the gate shuts."""
        source.settimeout(0.2)
        with suppress(OSError):
            while not self.answer:
                try:
                    data = source.recv(65536)
                except TimeoutError:
                    continue
                if not data:
                    break
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
