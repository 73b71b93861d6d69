"""A thread of one's own for calls that may hang: what it is stuck in holds up nobody else, nor the process's end."""

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

log = logging.getLogger(__name__)


class Sender(Executor):
    """Runs what is submitted one after the other, on a daemon thread that starts with the first.

    Unlike the threads of a ThreadPoolExecutor, the thread is not waited for when the interpreter ends.
    """

    stuck = 0  # senders that were shut down in the middle of a call which has not returned since

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: queue.SimpleQueue[tuple[Future[Any] | None, Callable[[], Any]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._busy = self._closed = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Queue a call. After `shutdown` it is cancelled at once."""
        future: Future[Any] = Future()
        if not self._put(future, lambda: fn(*args, **kwargs)):
            future.cancel()
        return future

    def post(self, call: Callable[[], None]) -> None:
        """Queue a call that raises nothing and that nobody waits for: much cheaper. After `shutdown` it is dropped."""
        self._put(None, call)

    def _put(self, future: Future[Any] | None, call: Callable[[], Any]) -> bool:
        with self._lock:
            if self._closed:
                return False
            self._work.put((future, call))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            return True

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = True) -> None:
        """Begin no further call, and do not wait for the one under way."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._busy:
                Sender.stuck += 1
            self._work.put(None)

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            future, call = item
            with self._lock:
                if self._closed or (future is not None and not future.set_running_or_notify_cancel()):
                    if future is not None:
                        future.cancel()
                    continue
                self._busy = True
            try:
                value = call()
                if future is not None:
                    future.set_result(value)
            except BaseException as error:
                if future is None:
                    log.exception("a mistake in a call of %s", self._name)
                else:
                    future.set_exception(error)
            with self._lock:
                self._busy = False
                if self._closed:
                    Sender.stuck -= 1
