"""Events that wait to be sent."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
import time
import weakref
from collections import deque
from itertools import islice
from types import FrameType
from typing import Callable, Deque, Optional

from ._collector import Collector
from ._errors import DeliveryError, HeadcountError, InvalidEventsError, QueueFullError
from ._events import Prepared, as_event

#: Events that are taken from the queue at once, at most.
MAX_BATCH = 1_000


class Queue:
    """Events that wait, and the thread that sends them.

    One leaves the queue only when the collector has accepted or rejected it: after a failure, events stay and are tried
    again.
    """

    def __init__(
        self,
        collector: Collector,
        flush_at: int,
        flush_interval: float,
        max_size: int,
        retry_for: float,
        exit_timeout: float,
        on_error: Callable[[HeadcountError], None],
    ) -> None:
        self._collector = collector
        self._flush_at = flush_at
        self._flush_interval = flush_interval
        self._max_size = max_size
        self._retry_for = retry_for
        self._exit_timeout = exit_timeout
        self._on_error = on_error
        self._reset()
        _queues.add(self)

    def _reset(self) -> None:
        self._waiting: Deque[Prepared] = deque()
        #: Events that ever left the queue.
        self._gone = 0
        #: When the thread sends next (of `time.monotonic`), however few there are.
        self._due = 0.0
        #: After a failure, only time or a flush tries again.
        self._is_resting = False
        self._changed = threading.Condition()
        #: Held by whoever sends.
        self._sending = threading.Lock()
        self._thread: Optional[threading.Thread] = None

    def add(self, event: Prepared) -> None:
        """Adds an event and never waits."""
        with self._changed:
            if len(self._waiting) >= self._max_size:
                raise QueueFullError(len(self._waiting))
            if not self._waiting:
                self._due = time.monotonic() + self._flush_interval
            self._waiting.append(event)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="headcount", daemon=True)
                self._thread.start()
            # The thread knows of the others already.
            if len(self._waiting) == 1 or self._is_due():
                self._changed.notify()

    def flush(self, patience: float) -> None:
        """Sends what is queued now, on the calling thread: at the end of a process no other one may start."""
        deadline = time.monotonic() + patience
        errors: list[InvalidEventsError] = []
        with self._changed:
            until = self._gone + len(self._waiting)
        while self._gone < until:
            if not self._sending.acquire(timeout=max(deadline - time.monotonic(), 0)):
                with self._changed:
                    raise DeliveryError("the time is over", [as_event(event) for event in self._waiting])
            try:
                if self._gone < until:
                    self._send_batch(deadline)
            except InvalidEventsError as error:
                errors.append(error)
            finally:
                self._sending.release()
        if errors:
            rejected = [one for error in errors for one in error.rejected]
            raise InvalidEventsError(rejected, [one for error in errors for one in error.accepted])

    def at_exit(self) -> None:
        """Sends what is queued when the process ends."""
        try:
            self.flush(self._exit_timeout)
        except HeadcountError as error:
            self._report(error)

    def _report(self, error: HeadcountError) -> None:
        try:
            self._on_error(error)
        except Exception:
            logging.getLogger("headcount").exception("on_error raised")

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._is_due():
                    wait = self._due - time.monotonic() if self._waiting else None
                    self._changed.wait(wait)
            try:
                with self._sending:
                    self._send_batch(time.monotonic() + self._retry_for)
            except HeadcountError as error:
                self._report(error)

    def _is_due(self) -> bool:
        if not self._waiting:
            return False
        is_enough = len(self._waiting) >= self._flush_at and not self._is_resting
        return is_enough or time.monotonic() >= self._due

    def _send_batch(self, deadline: float) -> None:
        """Sends what waits longest; raises where not all of it is accepted. Needs `_sending`."""
        with self._changed:
            batch = list(islice(self._waiting, MAX_BATCH))
        if not batch:
            return
        outcome = self._collector.deliver(batch, deadline)
        with self._changed:
            for _ in batch:
                self._waiting.popleft()
            self._waiting.extendleft(reversed(outcome.left))
            self._gone += len(batch) - len(outcome.left)
            self._is_resting = bool(outcome.left)
            self._due = time.monotonic() + self._flush_interval
        outcome.raise_unless_accepted(batch)


_queues: weakref.WeakSet[Queue] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    """The parent sends what it queued; its thread and its locks are not the child's."""
    for queue in list(_queues):
        queue._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def flush_at_exit(queue: Queue) -> None:
    """Lets the queue be flushed when the process ends, also by SIGTERM if nothing else handles that."""
    atexit.register(queue.at_exit)
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit)


def _exit(number: int, _frame: Optional[FrameType]) -> None:
    """Ends the process as an unhandled Ctrl-C does, with what is registered at exit."""
    sys.exit(128 + number)
