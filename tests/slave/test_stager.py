"""Content of waiting jobs comes while others run: before they are taken up, and without anybody waiting for it."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from farmkit import wait_for
from slave.systemkit import OWNER, Given, Need, entries_of

from dgcc.corba import CORBA
from dgcc.slave.environments import EnvironmentPool
from dgcc.slave.mirrors import MirrorPool
from dgcc.slave.session import Session
from dgcc.slave.stager import Stager
from dgcc.store.blobs import BlobStore
from dgcc.store.entry import Blob, Page


class Far(Given):
    """A master far away, with one environment and one layer, the first root's. `gate`: open while it answers."""

    def __init__(self, *roots: Path) -> None:
        super().__init__(*roots, page=1000)
        self.listed["layer"] = entries_of(roots[0])
        self.gate = threading.Event()
        self.gate.set()
        self.calls = 0
        self.dead = False

    def _reach(self) -> None:
        self.calls += 1
        assert self.gate.wait(20)
        if self.dead:
            raise CORBA.TRANSIENT(0, CORBA.COMPLETED_NO)

    def changes(self, layer: str, since: int) -> Page:
        self._reach()
        return super().changes(layer, since)

    def blobs(self, wanted: Any) -> list[Blob]:
        self._reach()
        return super().blobs(wanted)


@dataclass
class Layer:
    layer: str = "layer"
    root: bytes = b"/project"
    version: int = 1
    writable: bool = True


@dataclass
class Job:
    id: int
    environments: list[Need]
    layers: list[Layer] = field(default_factory=lambda: [Layer()])


class Place:
    """A session with its stager, as a slave has them; all slots are taken."""

    def __init__(self, top: Path, far: Far) -> None:
        self.far = far
        self._blobs = BlobStore(top / "blobs", 1 << 30)
        self.pool = EnvironmentPool(top / "environments", OWNER, 1 << 30, host=os.fsencode(top / "none"))
        self.session = Session("far:1:1", _Parts(), MirrorPool(top / "mirrors", self._blobs, OWNER, 1 << 30))
        self.session.source = far  # type: ignore[assignment]
        self.waiting = {1, 2, 3}
        self.inside = 0
        self.stager = Stager(self.pool, lambda session, job: job in self.waiting, self._enter, self._leave)

    def _enter(self, session: Session) -> bool:
        if session.ended:
            return False
        self.inside += 1
        return True

    def _leave(self, session: Session) -> None:
        self.inside -= 1

    def job(self, number: int, **changed: Any) -> Job:
        return Job(number, [Need(self.far.keys[0])], **changed)

    def rest(self) -> None:
        """Wait until what was offered has been dealt with."""
        self.session.stager.submit(lambda: None).result(20)


class _Parts:
    registry = job_overseer = store = None


@pytest.fixture
def place(top: Path, system: Path) -> Iterator[Place]:
    far = Far(system)
    made = Place(top, far)
    yield made
    far.gate.set()
    made.session.forget()


def test_content_is_there_before_the_job_is_taken_up(place: Place):
    job = place.job(1)
    place.stager.offer(place.session, job)
    place.rest()
    asked, calls = list(place.far.asked), place.far.calls
    assert asked and place.session.has(job.layers[0]) and place.far.keys[0] in place.pool.complete()
    with place.pool.use(job.environments, place.far) as system:  # as a job process does
        mirror, received = place.session.sync(job.layers[0])
    assert system.received == received == 0 and place.far.asked == asked, "nothing was left to be brought"
    assert place.far.calls == calls + 1, "it asks what is new all the same"
    assert (mirror.tree / "usr").is_dir()
    assert place.session.take_staged(1) > 0 and place.session.take_staged(1) == 0


def test_nothing_is_asked_twice(place: Place):
    for number in (1, 2, 3):
        place.stager.offer(place.session, place.job(number))
    place.rest()
    calls = place.far.calls
    place.session.way_s = 1.0
    place.stager.offer(place.session, place.job(3))
    place.rest()
    assert place.far.calls == calls
    place.session.way_s = 0.0
    place.stager.offer(place.session, place.job(3, layers=[Layer(version=10**6)]))
    place.rest()
    assert place.far.calls == calls, "a near master is asked by the job itself, once"


def test_what_was_withdrawn_or_is_over_is_not_brought(place: Place):
    place.waiting.clear()
    place.stager.offer(place.session, place.job(1))
    place.rest()
    place.waiting.add(1)
    place.session.ended = True
    place.stager.offer(place.session, place.job(1))
    place.rest()
    assert place.far.calls == place.inside == 0


def test_an_offer_waits_for_nobody_and_an_end_in_the_middle_is_seen(place: Place):
    place.far.gate.clear()
    place.stager.offer(place.session, place.job(1))
    wait_for(lambda: place.far.calls == 1, "it asks the master, who does not answer")
    assert place.inside == 1, "so what it uses is not taken away"
    place.session.ended = True
    place.waiting.clear()
    place.far.dead = True
    place.far.gate.set()
    place.rest()
    assert place.inside == 0 and place.far.calls <= 2 and not place.session.has(Layer())


def test_trouble_is_left_for_the_job_to_find(place: Place):
    place.far.dead = True
    place.stager.offer(place.session, place.job(1))
    place.rest()
    assert place.inside == 0
    place.far.dead = False
    with place.pool.use(place.job(1).environments, place.far):
        assert place.session.sync(Layer())[1] > 0
