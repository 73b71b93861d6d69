"""Runs one job: brings its layers up to date, runs it in its jail, makes its result."""

import itertools
import logging
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from dgcc.corba import CORBA, DGCC
from dgcc.slave.environments import EnvironmentPool
from dgcc.slave.outputs import TooMuch, Written, collect
from dgcc.slave.session import ProtocolTrouble, Running, Session, failed_result
from dgcc.slave.system import shown, write_identity
from dgcc.store.errors import BadDigest, BadPath, BadVersion, StoreError, UnknownLayer
from dgcc.store.errors import shown as shown_path
from dgcc.store.jail import (
    NOBODY,
    Bind,
    JailCancelled,
    JailFailed,
    JailLimit,
    JailResult,
    JailRun,
    JailSpec,
    Limits,
    Overlay,
    Terminal,
    probe,
    remove_scratch,
)
from dgcc.store.jailgroup import Groups
from dgcc.store.jaillimits import fitted
from dgcc.store.jailspec import BadSpec
from dgcc.store.mirror import Mirror
from dgcc.store.scratch import scratch_directory

_MOST_PRINTED = 32 << 20  # bytes
_LEAST_ROOM = 32 << 20  # bytes, for all jobs at once

log = logging.getLogger(__name__)


class Runner:
    """Runs jobs, each in a scratch directory of its own."""

    def __init__(
        self, directory: Path, owner: tuple[int, int] | None, environments: EnvironmentPool, limits: Limits,
        niceness: int = 0,
    ) -> None:  # fmt: skip
        """`directory` is for scratch directories, where memory has no room for them; `owner` as in SlaveOptions.
        `limits`, `niceness`: of each job.

        Raises JailFailed, with a sentence, if this host cannot run jobs; OSError.
        """
        self._owner = owner or (NOBODY, NOBODY)
        self._environments = environments
        self._niceness = niceness
        self._groups = Groups.find()
        self._numbers = itertools.count(1)
        self._directory = scratch_directory(directory, outside=self._owner)
        self._in_memory = self._directory != directory
        self._limits = fitted(limits, self._directory)
        # What is in memory has been tried already.
        missing = None if self._in_memory else probe(directory, outside=self._owner)
        if missing:
            raise JailFailed(f"this host cannot run jobs: {missing}")
        self._clean()

    def _clean(self) -> None:
        for scratch in self._directory.iterdir():
            self.remove(scratch)

    def close(self) -> None:
        """Remove all scratch directories. No job may be running."""
        self._clean()
        if self._in_memory:
            self._directory.rmdir()

    def _check_room(self) -> None:
        """Raise StoreError where jobs have not enough room to write in."""
        found = os.statvfs(self._directory)
        if found.f_bavail * found.f_frsize < _LEAST_ROOM:
            raise StoreError(f"there is no room for what jobs write in {self._directory}")

    def remove(self, scratch: Path) -> None:
        """Remove one scratch directory; trouble with it is logged."""
        try:
            remove_scratch(scratch)
        except OSError as error:
            log.warning("cannot remove %s: %s", scratch, error)

    def run(
        self, session: Session, job: Any, running: Running, lock: threading.Lock
    ) -> tuple[Any, Path | None, dict[int, Path]]:
        """Run a DGCC.Job to its end.

        Returns its DGCC.Result; the scratch directory, for the caller to remove; and the outputs left there for
        the master to fetch, by their index in the result. `lock` guards `running`.
        """
        result = failed_result(job.id, "")
        scratch, how = None, DGCC.HOST_FAILED
        try:
            with self._environments.use(job.environments, session.source) as system:
                result.received += system.received
                mirrors = []
                for need in job.layers:
                    mirror, received = session.sync(need)
                    mirrors.append(mirror)
                    result.received += received
                if running.cancelled:
                    raise JailCancelled("the job was cancelled")
                self._check_room()
                scratch = self._directory / f"{os.getpid()}-{next(self._numbers)}"
                scratch.mkdir(mode=0o755)
                spec = self._spec(job, session.host, scratch, system.trees, mirrors)
                terminal = Terminal(job.out_tty, job.err_tty, job.columns, job.rows)
                if self._groups:
                    spec = replace(spec, group=self._groups.make(self._limits))
                jail = JailRun(
                    spec, merge=job.merge, deadline_s=job.deadline_s, max_output=_MOST_PRINTED, terminal=terminal
                )
                with lock:
                    running.jail = jail
                    if running.cancelled:
                        jail.kill()
                result.started_ns = time.time_ns()
                try:
                    ended = jail.run()
                finally:
                    if self._groups and spec.group:
                        self._groups.remove(spec.group)
            if ended.exit_code:
                self._check_room()  # it may have failed for want of it, which would not be its own fault
            kept = collect(_written(job.layers, mirrors, spec), result.files, self._limits)
            self._fill(result, ended)
            return result, scratch, kept
        except JailCancelled:
            trouble = "the job was cancelled"
        except (ProtocolTrouble, BadDigest, BadPath, BadSpec, BadVersion, UnknownLayer) as error:
            how, trouble = DGCC.PROTOCOL_FAILED, str(error)
        except (JailLimit, TooMuch) as error:
            how, trouble = DGCC.OVER_LIMIT, str(error)
        except StoreError as error:
            trouble = str(error)
        except CORBA.SystemException as error:
            trouble = f"the master does not answer ({type(error).__name__})"
        except OSError as error:
            trouble = f"{error.strerror}: {error.filename!r}" if error.filename else str(error)
        except Exception as error:
            log.exception("a mistake of the slave's over job %d", job.id)
            trouble = f"a mistake of the slave's ({type(error).__name__})"
        return failed_result(job.id, trouble, how), scratch, {}

    def _spec(self, job: Any, host: str, place: Path, system: Sequence[Path], mirrors: list[Mirror]) -> JailSpec:
        layers = tuple(
            Overlay(need.root, (os.fsencode(mirror.tree),), need.writable)
            for need, mirror in zip(job.layers, mirrors, strict=True)
        )
        identity = place / "identity"
        write_identity(identity, job.uid, job.gid, job.env)
        binds, overlays = shown((identity, *system))
        # The jail copies a symlink as such; it is made here because a bind names something on the host.
        links = []
        for number, link in enumerate(job.links):
            if not link.link or b"\0" in link.link:
                raise ProtocolTrouble(f"the link at {shown_path(link.path)} leads nowhere")
            made = place / f"link-{number}"
            os.symlink(link.link, os.fsencode(made))
            links.append(Bind(link.path, os.fsencode(made)))
        scratch = place / "jail"
        scratch.mkdir(mode=0o755)
        return JailSpec(
            scratch=scratch, program=job.program, argv=tuple(job.argv), env=tuple(job.env), cwd=job.cwd,
            umask=job.umask_, inside_uid=job.uid, inside_gid=job.gid, outside_uid=self._owner[0],
            outside_gid=self._owner[1], hostname=host.encode()[:64], binds=(*binds, *links),
            overlays=(*overlays, *layers),  # the later covers the earlier
            limits=self._limits, niceness=self._niceness,
        )  # fmt: skip

    @staticmethod
    def _fill(result: Any, ended: JailResult) -> None:
        result.how = DGCC.ENDED
        result.exit_code, result.signal_ = ended.exit_code, ended.signal
        result.cpu_s, result.wall_s, result.max_rss = ended.cpu_s, ended.wall_s, ended.max_rss
        result.stdio = [DGCC.Chunk(fd, data) for fd, data in ended.chunks]


def _written(needs: Sequence[Any], mirrors: Sequence[Mirror], spec: JailSpec) -> list[Written]:
    """The layers that a job could change."""
    first = len(spec.overlays) - len(needs)
    return [
        Written(need.root, mirror.tree, spec.upper(first + number), mirror.withheld)
        for number, (need, mirror) in enumerate(zip(needs, mirrors, strict=True))
        if need.writable
    ]
