"""Passes a build's output from its pseudo-terminal to the real one, with the status line under it."""

import asyncio
import os
from collections.abc import Callable

from dgcc.master.status import Figures, StatusLine
from dgcc.naming.sender import Sender

_STATUS_S = 0.1
_READ = 1 << 16
# With so many pieces not yet written (a terminal stopped by Ctrl-S), nothing more is read from the build.
_UNWRITTEN = 32


class Terminal:
    """Writes on a thread of its own, so that a terminal that does not take output stops the build, not the master."""

    def __init__(self, source: int, target: int) -> None:
        """`source`: the pseudo-terminal's descriptor, which is closed at the end; `target`: ours."""
        self._loop = asyncio.get_running_loop()
        self._source = source
        self._target = target
        self._writer = Sender("terminal")
        self._unwritten = 0
        self._reading = False
        self._line = StatusLine(self._write)
        os.set_blocking(source, False)
        self._resume()

    async def show(self, figures: Callable[[], Figures]) -> None:
        """Show the figures, again and again, until cancelled."""
        while True:
            await asyncio.sleep(_STATUS_S)
            if self._unwritten < _UNWRITTEN:
                self._line.show(figures())

    async def close(self) -> None:
        """Pass on what is left, take the status line away, and wait until all is written."""
        self._pause()
        while self._copy():
            pass
        self._line.clear()
        os.close(self._source)
        await asyncio.wrap_future(self._writer.submit(lambda: None))
        self._writer.shutdown()

    def _resume(self) -> None:
        if not self._reading:
            self._reading = True
            self._loop.add_reader(self._source, self._readable)

    def _pause(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._source)

    def _readable(self) -> None:
        if not self._copy() or self._unwritten >= _UNWRITTEN:
            self._pause()

    def _copy(self) -> bool:
        """Pass on one piece; False where there is none now, or (EIO) nobody has the other end open any more."""
        try:
            data = os.read(self._source, _READ)
        except OSError:
            data = b""
        if data:
            self._line.output(data)
        return bool(data)

    def _write(self, data: bytes) -> None:
        self._unwritten += 1
        self._writer.submit(self._put, data)

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._target, view) :]
        finally:
            self._loop.call_soon_threadsafe(self._written)

    def _written(self) -> None:
        self._unwritten -= 1
        if self._unwritten < _UNWRITTEN // 2 and not self._source_closed():
            self._resume()

    def _source_closed(self) -> bool:
        try:
            os.fstat(self._source)
        except OSError:
            return True
        return False
