"""The client: calls go into a buffer on disk, and a thread brings them to the platform."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal
from weakref import WeakSet

from rapport_sdk import event
from rapport_sdk.bound import Bound
from rapport_sdk.buffer import BATCH_EVENTS, Buffer
from rapport_sdk.calls import Calls
from rapport_sdk.defaults import NONE, Defaults, Id, defaults
from rapport_sdk.problems import QueueFull, Rejection, Undelivered, log
from rapport_sdk.sender import Sender
from rapport_sdk.transport import Transport

MB = 1024 * 1024


class Client(Calls):
    """Sends touchpoints with the write key of a source. One for a program; every thread and task may use it
    (not a signal handler).

    A call returns when its event is in the buffer, a folder on disk (`buffer`, else ~/.local/state/rapport-sdk). It
    then survives kill -9 of the program; the next program with the same folder, host and write key sends it. The
    events of one process are sent in their order.

    When `buffer_bytes` or `buffer_events` wait, a call waits up to `block` seconds for room, and then raises
    QueueFull; with on_full="drop" it gives the event to `on_error` instead. `on_error` hears of every event that
    the platform refuses, in the sender's thread (`buffer_full`: in the caller's); without it they are logged.

    A batch goes out when `batch_events` wait, or `interval` seconds after the first. An answer may take `timeout`
    seconds. The client is closed at the end of the program, see `close`.
    """

    def __init__(
        self,
        write_key: str,
        host: str = "http://127.0.0.1:8080",
        *,
        buffer: str | Path | None = None,
        buffer_bytes: int = 100 * MB,
        buffer_events: int = 1_000_000,
        block: float = 5.0,
        on_full: Literal["raise", "drop"] = "raise",
        on_error: Callable[[Rejection], None] | None = None,
        batch_events: int = 500,
        interval: float = 0.5,
        timeout: float = 15.0,
    ):
        if not isinstance(write_key, str) or not write_key or not write_key.isascii() or ":" in write_key:
            raise ValueError("write_key must be the key of a source, as in the platform's config/sources.yaml")
        if not 0 < batch_events <= BATCH_EVENTS:
            raise ValueError(f"batch_events is {batch_events}: it must be 1 to {BATCH_EVENTS}")
        if buffer_bytes < MB or buffer_events < 1:
            raise ValueError(f"buffer_bytes must be at least {MB} and buffer_events at least 1")
        if on_full not in ("raise", "drop"):
            raise ValueError(f"on_full is {on_full!r}: it must be 'raise' or 'drop'")
        Transport(host, write_key, timeout)  # raises ValueError for a wrong host
        self._host, self._write_key, self._timeout = host, write_key, timeout
        self._folder = _folder(Path(buffer) if buffer else _state(), f"{host.rstrip('/')} {write_key}")
        self._most = buffer_bytes, buffer_events
        self._block, self._drop, self._on_error = block, on_full == "drop", on_error or _logged
        self._batch_events, self._interval = batch_events, interval
        self._scope: ContextVar[Defaults] = ContextVar("rapport_sdk", default=NONE)
        self._begin()
        self._buffer.adopt()
        self._start()
        _clients.add(self)
        atexit.register(self.close)

    def bind(self, *, user_id: Id | None = None, anonymous_id: Id | None = None, **context: Any) -> Bound:
        """The same calls with defaults: `ann = client.bind(user_id="ann", campaign={"source": "letter"})`."""
        return Bound(self, defaults(user_id, anonymous_id, context))

    @contextmanager
    def context(self, *, user_id: Id | None = None, anonymous_id: Id | None = None, **context: Any) -> Iterator[None]:
        """Within this block, in this thread or task and in tasks begun there, calls have these defaults.

        Other names go into the event's context, camel-cased: `ip=…`, `campaign={…}`, `user_agent=…` (userAgent).
        A block inside another adds to it. What a call says itself counts more.
        """
        token = self._scope.set(defaults(user_id, anonymous_id, context).over(self._scope.get()))
        try:
            yield
        finally:
            self._scope.reset(token)

    def flush(self, timeout: float = 30.0) -> None:
        """Return when everything kept until now is answered for. Raises Undelivered when that takes too long."""
        self._start()
        left = self._buffer.wait_until_settled(timeout)
        if left:
            why = self._sender.trouble or "the platform has not answered yet"
            raise Undelivered(f"events still waiting in {self._folder} after {timeout:g} s: {left}. {why}")

    def close(self, timeout: float = 5.0) -> None:
        """Send what is left, for at most `timeout` seconds; the rest stays on disk for the next program.

        Called at the end of the program, and of a `with` block. Afterwards calls raise QueueFull.
        """
        if self not in _clients:
            return
        _clients.discard(self)
        atexit.unregister(self.close)
        self._buffer.wait_until_settled(timeout if self._started else 0.0)
        self._sender.stop()
        left = self._buffer.close()
        if left:
            why = self._sender.trouble or "there was no time to send them"
            log.warning("events that stay in %s for the next start: %d. %s", self._folder, left, why)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _defaults(self) -> Defaults:
        return self._scope.get()

    def _keep(self, made: dict[str, Any]) -> None:
        line = event.line(made)
        if not self._started:
            self._start()
        try:
            self._buffer.put(line, self._block)
        except QueueFull as full:
            if not self._drop:
                raise
            self._on_error(Rejection(made, "buffer_full", str(full)))

    def _begin(self) -> None:
        """A buffer and a sender of this process."""
        self._buffer = Buffer(self._folder, *self._most)
        self._transport = Transport(self._host, self._write_key, self._timeout)
        self._sender = Sender(self._buffer, self._transport, self._batch_events, self._interval, self._on_error)
        self._starting, self._started = threading.Lock(), False

    def _start(self) -> None:
        """Let the thread run. In a forked child it begins with the first call, for many never make one."""
        with self._starting:
            if not self._started:
                self._started = True
                self._sender.start()

    def _after_fork(self) -> None:
        """In the child: what waits is the parent's, and so are its files, its connection and its thread."""
        self._buffer.forget()
        self._transport.close()
        self._begin()


def _state() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "rapport-sdk"


def _folder(buffer: Path, target: str) -> Path:
    """The folder of one target within the buffer; only its owner may look inside, for it holds personal data."""
    folder = buffer / sha256(target.encode()).hexdigest()[:16]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise ValueError(f"{folder} cannot be made: give `buffer` a folder on a local disk ({error})") from error
    return folder


def _logged(rejection: Rejection) -> None:
    hint = f" ({rejection.hint})" if rejection.hint else ""
    log.warning("event %s was refused: %s%s", rejection.message_id, rejection.reason, hint)


_clients: WeakSet[Client] = WeakSet()


def _after_fork() -> None:
    for client in list(_clients):
        client._after_fork()


os.register_at_fork(after_in_child=_after_fork)
