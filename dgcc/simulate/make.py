"""GNU make with -j, as far as it decides when a recipe is released.

Make walks its graph depth first, and starts what has all its prerequisites. It does not go back: what becomes possible
behind it waits for the next walk, which begins when one more recipe has ended. When no token is free it stops until one
is; under -j1 it stops where its job is until that has ended. The lines of a recipe follow each other without a walk,
with the same token. A make that runs in a recipe walks by itself; its first job at any time has the token of that
recipe, the others take theirs from the common pool.
(Source: GNU make 4.3, remake.c and job.c; its manual on the jobserver; and looking at what it starts.)
"""

import heapq
from collections import deque
from collections.abc import Callable

from dgcc.simulate.graph import Graph


class _Walk:
    """One make."""

    def __init__(self, above: int | None, order: tuple[int, ...]) -> None:
        self.above = above
        self.order = order
        self.at = -1  # how far the walk has come
        self.ahead: list[int] = []  # heaps of places in `order` that can start: in this walk,
        self.behind: list[int] = []  # and in the next
        self.stands: int | None = None  # the job for which it waits for a token
        self.running = 0  # recipes
        self.own_token = True  # that of the recipe above is free
        self.begun = False

    def able(self, place: int) -> None:
        heapq.heappush(self.ahead if place > self.at else self.behind, place)

    def next(self) -> int | None:
        """Walk to the next job that can start; None at the walk's end."""
        if not self.ahead and not self.running:
            self.anew()
        if not self.ahead:
            self.at = len(self.order)
            return None
        self.at = heapq.heappop(self.ahead)
        return self.order[self.at]

    def anew(self) -> None:
        """Begin the next walk."""
        self.at, self.ahead, self.behind = -1, self.behind, []

    @property
    def over(self) -> bool:
        """Whether it waits for a recipe to end before it walks again."""
        return self.at == len(self.order)


class Make:
    """All makes of one build."""

    def __init__(self, graph: Graph, jobs: int, release: Callable[[int], None]) -> None:
        """`jobs`: the -j. `release(job)` is called for each job that is started; `start` begins."""
        self._graph = graph
        self._release = release
        self._one = jobs == 1
        self._pool = jobs - 1  # tokens that are free, beside the first make's own
        self._queue: deque[_Walk] = deque()  # those that wait for one
        self._awaits = [len(needs) for needs in graph.awaited]
        self._below = list(graph.below)  # jobs of makes that each job runs, which have not ended
        self._walks = [_Walk(above, order) for above, order in graph.walks]
        self._where = {job: (walk, place) for walk in self._walks for place, job in enumerate(walk.order)}
        self._under: dict[int, list[_Walk]] = {}
        self._pooled: set[int] = set()  # jobs that hold a token of the pool
        self._lines = set(graph.follows.values())
        self.left = len(graph)
        for walk in self._walks:
            if walk.above is not None:
                self._under.setdefault(walk.above, []).append(walk)

    def start(self) -> None:
        """Begin the build."""
        self._begin([walk for walk in self._walks if walk.above is None])

    def runs_makes(self, job: int) -> bool:
        """Whether the job's recipe runs makes."""
        return job in self._under

    def begin_makes(self, job: int) -> None:
        """A recipe has come to the makes that it runs. It ends with them."""
        self._begin(self._under[job])

    def _begin(self, walks: list[_Walk]) -> None:
        for walk in walks:
            walk.begun = True
            for place, job in enumerate(walk.order):
                if not self._awaits[job] and job not in self._lines:
                    walk.able(place)
        for walk in walks:
            self._go_on(walk)

    def ended(self, job: int) -> list[int]:
        """A job has ended, and what awaits it may follow. Returns the jobs that have ended with it: those above."""
        self.left -= 1
        line = self._graph.follows.get(job)
        walk, _ = self._where[job]
        walk.running -= line is None
        moved = {id(walk): walk}
        for later in self._graph.awaiting[job]:
            self._awaits[later] -= 1
            if not self._awaits[later] and later != line:
                other, place = self._where[later]
                if other.begun:
                    other.able(place)
                    moved[id(other)] = other
        if walk.over and line is None:
            walk.anew()
        if line is not None:
            if job in self._pooled:
                self._pooled.remove(job)
                self._pooled.add(line)
            self._release(line)
        elif job in self._pooled:
            self._pooled.remove(job)
            self._pool += 1
        else:
            walk.own_token = True
        while self._pool and self._queue:
            self._go_on(self._queue.popleft())
        for each in moved.values():
            self._go_on(each)
        above = walk.above
        if above is not None:
            self._below[above] -= 1
            if not self._below[above]:
                return [above]
        return []

    def _go_on(self, walk: _Walk) -> None:
        """Start what this make can start, until it has to wait."""
        while True:
            if walk.stands is None:
                if self._one and not walk.own_token:
                    return
                walk.stands = walk.next()
                if walk.stands is None:
                    return
            job = walk.stands
            if walk.own_token:
                walk.own_token = False
            elif self._pool:
                self._pool -= 1
                self._pooled.add(job)
            else:
                if walk not in self._queue:
                    self._queue.append(walk)
                return
            walk.stands = None
            walk.running += 1
            self._release(job)
