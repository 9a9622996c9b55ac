"""The guard's door: the one thing that others than the control may ask of it, over HTTP on loopback.

    POST /stop {"name": "canary-1"}    Authorization: Bearer <token>
    200 {"stopped": true}              once the process has ended; also when it had ended before
    400 401 403 404 405 408 413 431 500, each with {"error": why}

It is there for a rollout controller that removes the canary: the controller knows no pids and signals nobody, and the
guard ends a process only by a name that the control has allowed before. The token is made for the trial and given to
the controller alone.

It lives in the guard's one selector and needs no thread, because the kernel ties the parent-death signal of the
children to the thread that forked them. So nothing here waits: a process on its way out is looked at on every turn of
the loop, and who asked is answered when it has ended. Requests are small, few and short-lived, and each has a limit.

Not covered: TLS, keep-alive, starting anything.
"""

from __future__ import annotations

import hmac
import json
import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import h11

from harness import clock
from harness.drive.guard.processes import Ending
from harness.errors import GuardError

HOST: Final = "127.0.0.1"
REQUEST_BYTES_MAX: Final = 4096  # a name takes a hundred
REQUEST_S_MAX: Final = 5.0  # a client on loopback sends its request in one piece
VISITORS_MAX: Final = 8  # one controller asks for one instance after the other; more are hung up on


class _RefusedError(GuardError):
    """A request that gets an error for an answer."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(slots=True, eq=False)
class _Visitor:
    """One connection: a request comes in, one answer goes out. `waits_for` is the process it asked to be stopped."""

    socket: socket.socket
    late_ns: int  # when its request must be whole
    http: h11.Connection = field(
        default_factory=lambda: h11.Connection(h11.SERVER, max_incomplete_event_size=REQUEST_BYTES_MAX)
    )
    request: h11.Request | None = None
    body: bytearray = field(default_factory=bytearray)
    waits_for: str = ""


class Door:
    """Listens on one port; `end` begins to end a process by its name and raises GuardError where it may not."""

    def __init__(
        self,
        port: int,
        token: str,
        selector: selectors.BaseSelector,
        end: Callable[[str], Ending],
        request_s_max: float = REQUEST_S_MAX,
    ) -> None:
        """GuardError when the port cannot be had, or without a token: then anybody could ask."""
        if not token:
            raise GuardError("the guard's door needs a token, and none was given")
        self._token = token.encode()
        self._selector = selector
        self._end = end
        self._request_s_max = request_s_max
        self._visitors: set[_Visitor] = set()
        self._endings: dict[str, Ending] = {}
        try:
            self._listener = socket.create_server((HOST, port), backlog=VISITORS_MAX)
        except OSError as error:
            raise GuardError(f"the guard's door cannot listen on {HOST}:{port}: {error.strerror}") from error
        self._listener.setblocking(False)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def advance(self) -> None:
        """Look at every process on its way out and at every visitor that is late; never waits."""
        for name, ending in list(self._endings.items()):
            answer: tuple[int, dict[str, Any]] | None = None
            try:
                if ending.has_ended():
                    answer = 200, {"stopped": True}
            except GuardError as error:
                answer = 500, {"error": str(error)}
            if answer is not None:
                del self._endings[name]
                for visitor in [one for one in self._visitors if one.waits_for == name]:
                    self._answer(visitor, *answer)
        now_ns = clock.monotonic_ns()
        for visitor in [one for one in self._visitors if not one.waits_for and one.late_ns < now_ns]:
            self._refuse(visitor, _RefusedError(408, f"the request was not whole within {self._request_s_max:g} s"))

    def close(self) -> None:
        """Hang up on everybody and give the port back. Processes on their way out are the guard's again."""
        for visitor in list(self._visitors):
            self._hang_up(visitor)
        self._endings.clear()
        self._selector.unregister(self._listener)
        self._listener.close()

    # -- connections ----------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        if self._listener.fileno() < 0:
            return  # shut by what the same turn of the loop did before
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # it hung up before it was let in
        if len(self._visitors) == VISITORS_MAX:
            connection.close()
            return
        connection.setblocking(False)
        late_ns = clock.monotonic_ns() + int(self._request_s_max * clock.NS_PER_S)
        visitor = _Visitor(socket=connection, late_ns=late_ns)
        self._visitors.add(visitor)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._read(visitor))

    def _read(self, visitor: _Visitor) -> None:
        if visitor not in self._visitors:
            return  # hung up on by what the same turn of the loop did before
        try:
            received = visitor.socket.recv(REQUEST_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:  # it hung up; a stop that it asked for goes on
            self._hang_up(visitor)
            return
        try:
            visitor.http.receive_data(received)
            if not visitor.waits_for and self._is_whole(visitor):
                self._serve(visitor)
        except _RefusedError as refused:
            self._refuse(visitor, refused)
        except h11.RemoteProtocolError as error:
            self._refuse(visitor, _RefusedError(error.error_status_hint, f"not HTTP: {error}"))

    def _is_whole(self, visitor: _Visitor) -> bool:
        """Take in what has come; whether that is the whole request."""
        for event in iter(visitor.http.next_event, h11.NEED_DATA):
            if isinstance(event, h11.Request):
                visitor.request = event
            elif isinstance(event, h11.Data):
                visitor.body += event.data
                if len(visitor.body) > REQUEST_BYTES_MAX:
                    raise _RefusedError(413, f"the body is over {REQUEST_BYTES_MAX} bytes")
            else:
                return True
        return False

    def _hang_up(self, visitor: _Visitor) -> None:
        self._visitors.discard(visitor)
        self._selector.unregister(visitor.socket)
        visitor.socket.close()

    # -- requests and answers ---------------------------------------------------------------------------------------

    def _serve(self, visitor: _Visitor) -> None:
        """Begin what a whole request asks for; _RefusedError says why not."""
        assert visitor.request is not None, "a message begins with its request"
        name = self._name_asked_for(visitor.request, bytes(visitor.body))
        if name not in self._endings:
            try:
                self._endings[name] = self._end(name)
            except GuardError as error:
                raise _RefusedError(403, str(error)) from error
        visitor.waits_for = name

    def _name_asked_for(self, request: h11.Request, body: bytes) -> str:
        given = dict(request.headers).get(b"authorization", b"")
        if not hmac.compare_digest(given, b"Bearer " + self._token):
            raise _RefusedError(401, "the bearer token is not the one of this trial")
        if request.target != b"/stop":
            raise _RefusedError(404, f"{request.target.decode(errors='replace')}: the only path is /stop")
        if request.method != b"POST":
            raise _RefusedError(405, f"{request.method.decode()} /stop: must be POST")
        try:
            asked = json.loads(body)
        except ValueError as error:
            raise _RefusedError(400, f"the body is not JSON: {error}") from error
        name = asked.get("name") if isinstance(asked, dict) else None
        if not isinstance(name, str) or not name:
            raise _RefusedError(400, f'the body is {asked!r}, must be {{"name": "<process>"}}')
        return name

    def _refuse(self, visitor: _Visitor, refused: _RefusedError) -> None:
        self._answer(visitor, refused.status, {"error": str(refused)})

    def _answer(self, visitor: _Visitor, status: int, fields: dict[str, Any]) -> None:
        """Send one answer and hang up. It fits a socket's buffer, so a client that does not read holds up nobody."""
        body = json.dumps(fields).encode()
        headers = [("content-type", "application/json"), ("content-length", str(len(body))), ("connection", "close")]
        try:
            head = visitor.http.send(h11.Response(status_code=status, headers=headers)) or b""
            visitor.socket.send(head + body)
            visitor.socket.recv(1 << 16)  # closing over what was not read would reset the connection, answer and all
        except (h11.LocalProtocolError, OSError):
            pass  # nothing was left to read; or it is past being answered, since it hung up
        self._hang_up(visitor)
