"""What compilers answered, kept between builds: asking one takes dozens of processes.

An answer is one small JSON file in the user's cache. It is believed while all files it names are as they were,
its directories are there, and nothing has appeared where there was nothing.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from dgcc.master.environment.parts import Parts
from dgcc.master.environment.shelf import Shelf
from dgcc.store.digests import stamp_of

log = logging.getLogger(__name__)

_FORMAT = "dgcc-answer-2"


class Answers:
    """Remembered parts, by whatever they depend on besides files. place: the directory, made when needed.

    Anything wrong with it costs time, never a build. clock: seconds since 1970.
    """

    def __init__(self, place: Path, clock: Callable[[], float] = time.time) -> None:
        self._shelf = Shelf(place, ".json", clock)

    def load(self, question: Iterable[bytes]) -> Parts | None:
        """The parts remembered for `question`, if the system is still such that they are right."""
        file = self._shelf.file(question)
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
            self._shelf.used(file)
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
            text = json.dumps([_FORMAT, stamps, *rest], separators=(",", ":"))
            self._shelf.put(self._shelf.file(question), text.encode())
        except OSError as error:
            log.info("an answer cannot be remembered: %s", error)


def _paths(names: Iterable[str]) -> frozenset[bytes]:
    return frozenset(name.encode("latin-1") for name in names)
