"""A small client of the controller's REST API, over its UNIX socket. One connection is kept open,
so that a call on the hot path of a migration costs a round trip and no more.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

TIMEOUT_S = 10.0
POLL_S = 0.01


class RestError(Exception):
    """The controller refused; `status` is the HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: str, timeout_s: float = TIMEOUT_S) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Rest:
    """The controller behind a socket."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._connection: UnixConnection | None = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request; again on a new connection if the old one had been closed meanwhile."""
        fresh = self._connection is None
        try:
            return self._call(method, path, body)
        except (http.client.HTTPException, ConnectionError):
            self.close()
            if fresh:
                raise
            return self._call(method, path, body)

    def _call(self, method: str, path: str, body: Any) -> Any:
        if self._connection is None:
            self._connection = UnixConnection(self.path)
        data = None if body is None else json.dumps(body)
        headers = {} if data is None else {"Content-Type": "application/json"}
        try:
            self._connection.request(method, path, data, headers)
            answer = self._connection.getresponse()
            text = answer.read().decode(errors="replace")
        except BaseException:
            self.close()
            raise
        if answer.status >= 400:
            raise RestError(answer.status, _problem(text) or f"{answer.status} {answer.reason}")
        return json.loads(text) if text.strip() else None

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    # ---- what there is ----

    def _list(self, path: str, key: str) -> list[dict[str, Any]]:
        answer = self.get(path)
        return answer.get(key, answer.get("items", [])) if isinstance(answer, dict) else answer

    def elements(self) -> list[dict[str, Any]]:
        return self._list("/v1/elements", "elements")

    def nodes(self) -> list[dict[str, Any]]:
        return self._list("/v1/nodes", "nodes")

    def links(self) -> list[dict[str, Any]]:
        return self._list("/v1/links", "links")

    def paths(self, element: str, to: str | None = None) -> list[dict[str, Any]]:
        query = f"?to={to}" if to else ""
        return self._list(f"/v1/elements/{element}/paths{query}", "paths")

    def attachments(self) -> list[dict[str, Any]]:
        return self._list("/v1/attachments", "attachments")

    def forwarding(self, element: str) -> list[dict[str, Any]]:
        return self._list(f"/v1/elements/{quote(element)}/forwarding", "rules")

    def counters(self, element: str) -> Any:
        return self.get(f"/v1/elements/{quote(element)}/counters")

    # ---- tentative moves ----

    def prepare_move(self, node: str, element: str, port: str) -> Any:
        """The node's traffic goes there at once, until the move is confirmed or reverted."""
        return self.call("POST", f"/v1/nodes/{quote(node)}/move",
                         {"element": element, "port": port})

    def revert_move(self, node: str) -> Any:
        return self.call("DELETE", f"/v1/nodes/{quote(node)}/move")

    def confirm_move(self, node: str) -> Any:
        return self.call("POST", f"/v1/nodes/{quote(node)}/move/confirm")

    # ---- changes ----

    def events(self, timeout_s: float = TIMEOUT_S) -> Iterator[dict[str, Any]]:
        """The controller's events from now on; ends after so long a silence."""
        connection = UnixConnection(self.path, timeout_s)
        connection.request("GET", "/v1/events", headers={"Accept": "text/event-stream"})
        answer = connection.getresponse()
        try:
            while line := answer.readline():
                if line.startswith(b"data:"):
                    yield json.loads(line[5:])
        except TimeoutError:
            return
        finally:
            connection.close()

    def wait(self, what: str, ready: Callable[["Rest"], bool], timeout_s: float) -> None:
        """Returns once `ready` holds; a controller that does not answer is not ready."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                if ready(self):
                    return
            except (OSError, http.client.HTTPException, RestError):
                pass
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {what} within {timeout_s:g} s")
            time.sleep(POLL_S)


def _problem(text: str) -> str:
    try:
        answer = json.loads(text)
    except ValueError:
        return text.strip()
    if isinstance(answer, dict):
        error = answer.get("error", answer.get("detail", answer.get("message", answer)))
        return error if isinstance(error, str) else json.dumps(error)
    return str(answer)
