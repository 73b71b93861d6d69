"""The slave's job list: guarded by a semaphore on which the job processes block, fair between masters."""

import threading
from collections import OrderedDict, deque
from collections.abc import Collection
from typing import Any


class JobList:
    """Jobs waiting for a free CPU. Each session's jobs keep their order; sessions take turns, one job each."""

    def __init__(self) -> None:
        self._available = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._queues: OrderedDict[Any, deque[Any]] = OrderedDict()  # session -> its jobs; next turn first
        self._closed = False

    def put(self, session: Any, job: Any) -> None:
        """List a job (a DGCC.Job) for `session`."""
        with self._lock:
            self._queues.setdefault(session, deque()).append(job)
        self._available.release()

    def take(self) -> tuple[Any, Any] | None:
        """Wait for a job and return (session, job), or None once the list is closed."""
        while True:
            self._available.acquire()
            with self._lock:
                if self._closed:
                    return None
                if not self._queues:
                    continue  # what this permit stood for was withdrawn
                session, queue = next(iter(self._queues.items()))
                job = queue.popleft()
                if queue:
                    self._queues.move_to_end(session)
                else:
                    del self._queues[session]
                return session, job

    def withdraw(self, session: Any, ids: Collection[int] | None = None) -> list[int]:
        """Take back the waiting jobs of `session` with these ids (None: all). Returns the ids taken back."""
        with self._lock:
            queue = self._queues.get(session, deque())
            gone = [job for job in queue if ids is None or job.id in ids]
            for job in gone:
                queue.remove(job)
            if not queue:
                self._queues.pop(session, None)
            return [job.id for job in gone]

    def waiting(self, session: Any) -> list[int]:
        """Return the ids of the waiting jobs of `session`."""
        with self._lock:
            return [job.id for job in self._queues.get(session, ())]

    def close(self, takers: int) -> None:
        """Wake up to `takers` blocked job processes for good."""
        with self._lock:
            self._closed = True
        for _ in range(takers):
            self._available.release()

    def __len__(self) -> int:
        with self._lock:
            return sum(len(q) for q in self._queues.values())
