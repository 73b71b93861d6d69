"""The slave's job list: guarded by a semaphore on which the job processes block, fair between masters.

Masters share the slots, however many jobs each has listed: the next free slot goes to the one with the fewest jobs
under way, of two with as many to the one that has had less of the slots' time, so that long jobs get no more of it than
short ones. What one leaves idle the others may use; it cannot save it up. While the host's owner is using it no job
begins, except that one which has waited for long does all the same: its master has left it here.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from typing import Any

PATIENCE_S = 10.0
"""For so long a job that is listed waits for the host's owner, and its master may take it elsewhere."""

_REMEMBERED_S = 2.0  # what a master used so recently counts as still wanted: between two of its jobs is a pause
_LOOK_S = 0.5


class _Queue:
    """What one session has here."""

    def __init__(self, spent: float, turn: int, now: float) -> None:
        self.jobs: deque[tuple[Any, float]] = deque()  # waiting, and since when
        self.began: dict[int, float] = {}  # the jobs under way, by a number of ours
        self.spent = spent  # seconds of slots that it has used, those of jobs under way not included
        self.turn = turn  # the last one that it had
        self.peak = 0  # the most slots that it wanted of late
        self.peak_at = now

    def used(self, now: float) -> float:
        """Seconds of slots that it has used."""
        return self.spent + sum(now - began for began in self.began.values())

    def wanted(self, now: float) -> int:
        """Slots that it could fill now, or could a moment ago."""
        wanted = len(self.jobs) + len(self.began)
        if wanted >= self.peak or now - self.peak_at > _REMEMBERED_S:
            self.peak, self.peak_at = wanted, now
        return self.peak


class JobList:
    """Jobs waiting for a free CPU, and which of them have one. Each session's jobs keep their order."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._available = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._queues: dict[Any, _Queue] = {}  # by session; of those alone that have jobs, or had lately
        self._turn = 0
        self._closed = False
        self._go = threading.Event()  # clear while the host's owner is using it
        self._go.set()

    def put(self, session: Any, job: Any) -> None:
        """List a job (a DGCC.Job) for `session`."""
        with self._lock:
            now = self._clock()
            queue = self._queues.get(session)
            if queue is None:
                queue = self._queues[session] = _Queue(0.0, self._turn, now)
            if not queue.jobs and not queue.began:
                # It was idle, and others had its share: that is not made up for.
                others = [q.used(now) for q in self._queues.values() if q is not queue and (q.jobs or q.began)]
                queue.spent = max(queue.spent, min(others, default=0.0))
            queue.jobs.append((job, now))
            queue.wanted(now)
        self._available.release()

    def take(self) -> tuple[Any, Any] | None:
        """Wait for a job and return (session, job), for `done` to be told; or None once the list is closed."""
        while True:
            self._available.acquire()
            with self._lock:
                if self._closed:
                    return None
                now = self._clock()
                waiting = [(session, queue) for session, queue in self._queues.items() if queue.jobs]
                ready = [each for each in waiting if self._go.is_set() or now - each[1].jobs[0][1] > PATIENCE_S]
                if ready:
                    session, queue = min(ready, key=lambda each: _rank(each[1], now))
                    job, _ = queue.jobs.popleft()
                    self._turn = queue.turn = self._turn + 1
                    queue.began[id(job)] = now
                    return session, job
            if waiting:  # else what this permit stood for was withdrawn
                self._available.release()
                self._go.wait(_LOOK_S)

    def done(self, session: Any, job: Any) -> None:
        """A job that was taken has ended, or will never begin."""
        with self._lock:
            queue = self._queues.get(session)
            began = queue.began.pop(id(job), None) if queue else None
            if queue is not None and began is not None:
                queue.spent += self._clock() - began

    def forget(self, session: Any) -> None:
        """A session has ended: nothing of it waits, nor will."""
        with self._lock:
            self._queues.pop(session, None)

    def pause(self, paused: bool) -> None:
        """Begin no job from here on, but for those that have waited for long; or begin them again."""
        if paused:
            self._go.clear()
        else:
            self._go.set()

    @property
    def paused(self) -> bool:
        """Whether the host's owner is using it."""
        return not self._go.is_set()

    def share(self, session: Any, slots: int) -> int:
        """How many of `slots` a session may count on now, what others leave idle included."""
        if self.paused:
            return 0
        with self._lock:
            now = self._clock()
            rest, among = slots, 1
            others = sorted(queue.wanted(now) for other, queue in self._queues.items() if other is not session)
            others = [wanted for wanted in others if wanted]
            among += len(others)
            for wanted in others:  # the most modest first: what it wants, at most an equal part of what is left
                part = min(wanted, rest // among)
                rest, among = rest - part, among - 1
            return max(1, rest)

    def upcoming(self, most: int) -> list[tuple[Any, Any]]:
        """The (session, job) that will be taken next, as far as one can tell, in order."""
        with self._lock:
            now = self._clock()
            queues = sorted(self._queues.items(), key=lambda each: _rank(each[1], now))
            rounds = [[(session, job) for job, _ in queue.jobs] for session, queue in queues if queue.jobs]
        found: list[tuple[Any, Any]] = []
        while rounds and len(found) < most:
            found += [jobs.pop(0) for jobs in rounds]
            rounds = [jobs for jobs in rounds if jobs]
        return found[:most]

    def withdraw(self, session: Any, ids: Collection[int] | None = None) -> list[int]:
        """Take back the waiting jobs of `session` with these ids (None: all). Returns the ids taken back."""
        with self._lock:
            queue = self._queues.get(session)
            if queue is None:
                return []
            gone = [job.id for job, _ in queue.jobs if ids is None or job.id in ids]
            queue.jobs = deque(each for each in queue.jobs if each[0].id not in gone)
            return gone

    def waiting(self, session: Any) -> list[int]:
        """Return the ids of the waiting jobs of `session`."""
        with self._lock:
            queue = self._queues.get(session)
            return [job.id for job, _ in queue.jobs] if queue else []

    def close(self, takers: int) -> None:
        """Wake up to `takers` blocked job processes for good."""
        with self._lock:
            self._closed = True
        self._go.set()
        for _ in range(takers):
            self._available.release()

    def __len__(self) -> int:
        with self._lock:
            return sum(len(queue.jobs) for queue in self._queues.values())


def _rank(queue: _Queue, now: float) -> tuple[int, float, int]:
    return len(queue.began), queue.used(now), queue.turn
