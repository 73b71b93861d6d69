"""The status line of a running build on a terminal, kept below make's own output."""

import shutil
from collections.abc import Callable

from msgspec import Struct


class Figures(Struct, frozen=True):
    """What the line shows."""

    done: int
    total: int
    remote: int
    local: int
    slaves: int
    fetching: int = 0  # slaves that have jobs, and no toolchain yet to run them with
    percent: float | None = None  # of the build's time, that is over; None: not known
    left_s: float = 0.0  # seconds until its end, where that is known


def status_text(figures: Figures, columns: int) -> str:
    """The line's text, cut to `columns`."""
    far = "" if figures.percent is None else f" ({figures.percent:.0f} %, {duration(figures.left_s)} left)"
    text = (
        f"dgcc: {figures.done}/{figures.total} done{far}, {figures.remote} remote, {figures.local} local, "
        f"{figures.slaves} slave{'' if figures.slaves == 1 else 's'}"
    )
    if figures.fetching:
        text += f", {figures.fetching} fetching the toolchain"
    return text[: max(columns - 1, 0)]


def duration(seconds: float) -> str:
    """A duration for people: "8 s", "2 min 5 s", "1 h 7 min"."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class StatusLine:
    """Writes make's output to a terminal with one status line under it.

    The line is wiped before output is written and drawn again only while the cursor stands at a line's start, so
    that a prompt or a half-written line of the build is never overwritten.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        """`write` puts bytes on the terminal."""
        self._write = write
        self._shown = ""
        self._line_start = True

    def output(self, data: bytes) -> None:
        """Pass on output of the build."""
        wipe = b"\r\x1b[K" if self._shown else b""
        shown, self._shown = self._shown, ""
        self._line_start = data.endswith(b"\n")
        self._write(wipe + data)
        if self._line_start and shown:
            self._draw(shown)

    def show(self, figures: Figures) -> None:
        """Show new figures."""
        text = status_text(figures, shutil.get_terminal_size().columns)
        if self._line_start and text != self._shown:
            self._draw(text)

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            self._shown = ""
            self._write(b"\r\x1b[K")

    def _draw(self, text: str) -> None:
        self._shown = text
        self._write(b"\r" + text.encode() + b"\x1b[K")
