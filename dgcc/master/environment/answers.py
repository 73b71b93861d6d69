"""What compilers answered, kept between builds: asking one takes dozens of processes.

An answer is one small JSON file in the user's cache. It is believed while all files it names are as they were,
its directories are there, and nothing has appeared where there was nothing.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from dgcc.master.environment.parts import Parts
from dgcc.store.cache import KEEP_S
from dgcc.store.digests import stamp_of

log = logging.getLogger(__name__)

_FORMAT = "dgcc-answer-2"
_DAY_S = 24 * 3600


class Answers:
    """Remembered parts, by whatever they depend on besides files. place: the directory, made when needed.

    Anything wrong with it costs time, never a build. clock: seconds since 1970.
    """

    def __init__(self, place: Path, clock: Callable[[], float] = time.time) -> None:
        self._place = place
        self._clock = clock

    def load(self, question: Iterable[bytes]) -> Parts | None:
        """The parts remembered for `question`, if the system is still such that they are right."""
        file = self._file(question)
        try:
            form, stamps, trees, absent, replaced = json.loads(file.read_bytes())
            if form != _FORMAT:
                return None
            for name, stamp in stamps.items():
                if list(stamp_of(os.stat(name.encode("latin-1")))) != stamp:
                    return None
            parts = Parts(_paths(stamps), _paths(trees), _paths(absent), _paths(replaced))
            if not all(map(os.path.isdir, parts.trees)) or any(map(os.path.lexists, parts.absent)):
                return None
            if self._clock() - file.stat().st_mtime > _DAY_S:
                os.utime(file)
            return parts
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, AttributeError) as error:
            log.info("remembered answer %s is not used: %s", file, error)
            return None

    def save(self, question: Iterable[bytes], parts: Parts) -> None:
        """Remember `parts`; those that were not asked for in two months are forgotten."""
        try:
            # latin-1 gives every byte a character, so any path survives JSON.
            stamps = {path.decode("latin-1"): stamp_of(os.stat(path)) for path in parts.files}
            rest = [[path.decode("latin-1") for path in sorted(s)] for s in (parts.trees, parts.absent, parts.replaced)]
            self._place.mkdir(parents=True, exist_ok=True)
            file = self._file(question)
            temp = file.with_name(f"{file.name}.{os.getpid()}")
            temp.write_text(json.dumps([_FORMAT, stamps, *rest], separators=(",", ":")))
            os.replace(temp, file)
            for old in self._place.iterdir():
                with suppress(OSError):
                    if self._clock() - old.stat().st_mtime > KEEP_S:
                        old.unlink()
        except OSError as error:
            log.info("an answer cannot be remembered in %s: %s", self._place, error)

    def _file(self, question: Iterable[bytes]) -> Path:
        state = hashlib.sha256()
        for field in question:
            state.update(b"%d:" % len(field) + field)
        return self._place / f"{state.hexdigest()[:32]}.json"


def _paths(names: Iterable[str]) -> frozenset[bytes]:
    return frozenset(name.encode("latin-1") for name in names)
