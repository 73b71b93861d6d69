"""Files in the user's cache, one for the answer to each question; those that nobody asks for are forgotten."""

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from dgcc.store.cache import KEEP_S

_DAY_S = 24 * 3600


class Shelf:
    """One directory of them, made when needed. clock: seconds since 1970."""

    def __init__(self, place: Path, suffix: str, clock: Callable[[], float] = time.time) -> None:
        """`suffix`: of the files' names."""
        self._place = place
        self._suffix = suffix
        self._clock = clock

    def file(self, question: Iterable[bytes]) -> Path:
        """Where the answer to a question is, or will be."""
        state = hashlib.sha256()
        for field in question:
            state.update(b"%d:" % len(field) + field)
        return self._place / f"{state.hexdigest()[:32]}{self._suffix}"

    def used(self, file: Path) -> None:
        """It was asked for: it is not to be forgotten. Raises OSError."""
        if self._clock() - file.stat().st_mtime > _DAY_S:
            os.utime(file)

    def put(self, file: Path, content: bytes) -> None:
        """Write one whole, or not at all; forget what was not asked for in two months. Raises OSError."""
        self._place.mkdir(parents=True, exist_ok=True)
        temp = file.with_name(f"{file.name}.{os.getpid()}")
        temp.write_bytes(content)
        os.replace(temp, file)
        for old in self._place.iterdir():
            with suppress(OSError):
                if self._clock() - old.stat().st_mtime > KEEP_S:
                    old.unlink()
