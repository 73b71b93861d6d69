"""Brings what waiting jobs need while others run, so that there is little left to bring when they are taken up.

It does nothing that a job would not do itself: a job still has its layers brought up to date when it is taken up, finds
little or nothing then, and hears of trouble. Each session has one thread for it, whose calls to a dead master end by
their deadline, as a job's do. Where a master is near, asking twice would cost more than it brings, and nothing is done.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from dgcc.corba import CORBA
from dgcc.slave.environments import EnvironmentPool
from dgcc.slave.session import ProtocolTrouble, Session
from dgcc.store.errors import StoreError

_NEAR_S = 0.005  # if the last time took no longer, the next job can as well do it itself

log = logging.getLogger(__name__)


class Stager:
    """Of all sessions."""

    def __init__(
        self,
        environments: EnvironmentPool,
        waits: Callable[[Session, int], bool],
        enter: Callable[[Session], bool],
        leave: Callable[[Session], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`waits`: whether a job still waits on the job list. `enter` and `leave`: a thread uses what the session has
        on disk, unless that is over; it is not taken away in between. `clock`: seconds.
        """
        self._environments = environments
        self._waits, self._enter, self._leave = waits, enter, leave
        self._clock = clock

    def offer(self, session: Session, job: Any) -> None:
        """A job (a DGCC.Job) waits, and no slot is free for it. Returns at once."""
        if session.way_s > _NEAR_S and self._needed(session, job):
            session.stager.submit(self._stage, session, job)

    def _needed(self, session: Session, job: Any) -> bool:
        keys = {bytes(need.key) for need in job.environments}
        return not keys <= set(self._environments.complete()) or not all(map(session.has, job.layers))

    def _stage(self, session: Session, job: Any) -> None:
        if not self._waits(session, job.id) or not self._enter(session):
            return
        began, received = self._clock(), 0
        try:
            with self._environments.use(job.environments, session.source) as system:
                received += system.received
            for need in job.layers:
                if session.ended or not self._waits(session, job.id):
                    break
                if not session.has(need):
                    received += session.sync(need)[1]
        except (ProtocolTrouble, StoreError, CORBA.Exception, OSError) as error:
            log.info("job %d will have to see for itself: %s", job.id, error)
        except Exception:
            log.exception("a mistake of the slave's over the content for job %d", job.id)
        finally:
            session.staged(job.id, received)
            self._leave(session)
        log.debug("%d bytes for job %d while it waited, in %.2f s", received, job.id, self._clock() - began)
