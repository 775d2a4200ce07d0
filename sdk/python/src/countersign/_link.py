"""One connection to the issuer."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import time
from typing import Any, Optional, Union
from urllib.parse import urlsplit

from ._floors import Floor, whole

#: Ten thousand floors of about 150 bytes, and room for longer numbers.
MAX_BODY = 4 << 20


class Answered(Exception):
    """The issuer answered something other than 200."""

    def __init__(self, status: int, retry_after: float) -> None:
        super().__init__(f"the issuer answered {status}")
        self.retry_after = retry_after


class Answer:
    """One answer of ``GET /revocations``. Raises ValueError or KeyError for anything else."""

    def __init__(self, body: Any) -> None:
        self.seq = whole(body["seq"])
        self.now = whole(body["now"])
        self.life = whole(body["life"])
        self.keys = whole(body["keys"])
        self.more = body["more"] is True
        self.floors = [Floor.read(entry) for entry in body["floors"]]


class Link:
    """Keeps one connection open and asks again where the other end had closed it meanwhile."""

    def __init__(self, url: str, credentials: Optional[tuple[str, str]]) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the issuer's URL begins with http:// or https:// and names a host")
        if parts.query or parts.fragment or parts.username is not None:
            raise ValueError("the issuer's URL has no query, no fragment and no credentials")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._base = parts.path.rstrip("/")
        self._headers = {"Accept": "application/json", "Cache-Control": "no-cache"}
        if credentials is not None:
            pair = ":".join(credentials).encode()
            self._headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        self._connection: Optional[http.client.HTTPConnection] = None
        self._closed = False

    def get(self, path: str, timeout: float) -> Any:
        """The JSON at a path, within ``timeout`` seconds of silence, or an exception."""
        reused = self._connection is not None
        try:
            return self._get(path, timeout)
        except (http.client.RemoteDisconnected, ConnectionError):
            self._drop()
            if not reused or self._closed:
                raise
            return self._get(path, timeout)
        except Answered:
            raise
        except BaseException:
            self._drop()
            raise

    def _get(self, path: str, timeout: float) -> Any:
        ends = time.monotonic() + timeout
        connection = self._connection
        if self._closed:
            raise ConnectionAbortedError("the follower was closed")
        if connection is None:
            kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
            connection = kind(self._host, self._port, timeout=timeout)
            self._connection = connection
        elif connection.sock is not None:
            connection.sock.settimeout(timeout)
        try:
            return self._ask(connection, path, ends)
        finally:
            # Closed from another thread meanwhile, perhaps before there was a socket to close.
            if self._closed:
                connection.close()

    def _ask(self, connection: http.client.HTTPConnection, path: str, ends: float) -> Any:
        if connection.sock is None:
            connection.connect()
        # Either this sees that it was closed, or whoever closes sees the socket.
        if self._closed:
            raise ConnectionAbortedError("the follower was closed")
        connection.request("GET", self._base + path, headers=self._headers)
        response = connection.getresponse()
        body = bytearray()
        while True:
            chunk = response.read(1 << 16)
            if not chunk:
                break
            body += chunk
            if len(body) > MAX_BODY or time.monotonic() > ends:
                raise ValueError("the answer is too long or too slow")
        if response.status != 200:
            raise Answered(response.status, _seconds(response.headers.get("Retry-After")))
        return json.loads(body)

    def close(self) -> None:
        """For good; from another thread, it also ends a wait for an answer."""
        self._closed = True
        connection = self._connection
        sock: Union[socket.socket, None] = None if connection is None else connection.sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._drop()

    def abandon(self) -> None:
        """Forgets a connection that belongs to the parent process, without a word to the peer."""
        self._closed = True
        self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _seconds(text: Optional[str]) -> float:
    return float(min(int(text), 60)) if text is not None and text.isdecimal() else 0.0
