"""Commands of a benchmark, each with a deadline and the CPU of its whole process tree counted."""

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from msgspec import Struct

from dgcc.bench.setting import BenchFailed

_LAUNCHER = Path(__file__).with_name("launcher.py")
_ANSWER_S = 60.0  # a launcher answers at once; when it ends it gives its command 20 s


class Ended(Struct, frozen=True):
    """A finished command. code: its exit status, negative for a signal. left: names of what it left running."""

    code: int
    cpu_s: float
    wall_s: float
    left: tuple[str, ...] = ()


class Tree:
    """A command that runs, with all its descendants; a context manager that ends it.

    Everything that it says goes to the file `log`. `seconds` is its deadline. Raises BenchFailed if it cannot be run.
    """

    def __init__(
        self, command: Sequence[str], log: Path, seconds: float, *,
        cwd: Path | None = None, env: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.command, self.log, self._seconds = list(command), log, seconds
        self._until = time.monotonic() + seconds + _ANSWER_S
        try:
            self._launcher = subprocess.Popen(
                [sys.executable, "-I", str(_LAUNCHER), str(log), str(seconds), *command],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd, env=env,
                start_new_session=True,  # the terminal's Ctrl-C is ours to handle
            )  # fmt: skip
        except OSError as error:
            raise BenchFailed(f"{self._what()} cannot be started: {error}") from error
        self._rest = b""
        self._final: dict[str, Any] | None = None

    def cpu_s(self) -> float:
        """Seconds of CPU that the tree has used so far. Raises BenchFailed if the command has ended."""
        assert self._launcher.stdin is not None
        if not self.ended():
            with contextlib.suppress(BrokenPipeError):  # its last word says why
                self._launcher.stdin.write(b"cpu\n")
                self._launcher.stdin.flush()
            answer = self._answer(_ANSWER_S)
            if "code" not in answer:
                return float(answer["cpu_s"])
            self._final = answer
        raise BenchFailed(f"{self._what()} has ended; {self.last_words()}")

    def ended(self) -> bool:
        """Whether the command has ended by itself."""
        assert self._launcher.stdout is not None
        if self._final is None and (self._rest or select.select([self._launcher.stdout], [], [], 0)[0]):
            self._final = self._answer(_ANSWER_S)
        return self._final is not None

    def wait(self) -> Ended:
        """Wait for the command. Raises BenchFailed if it took too long or could not be started."""
        final = self._final = self._final or self._answer(self._until - time.monotonic())
        self._launcher.wait(_ANSWER_S)
        if final["late"]:
            raise BenchFailed(f"{self._what()} had not ended after {self._seconds:.0f} s")
        if final.get("error"):
            raise BenchFailed(f"{self._what()} cannot be started: {final['error']}")
        return Ended(final["code"], final["cpu_s"], final["wall_s"], tuple(final["left"]))

    def close(self) -> None:
        """End the command and all that came of it. Safe to call twice."""
        if self._launcher.poll() is None:
            assert self._launcher.stdin is not None
            self._launcher.stdin.close()
            try:
                self._launcher.wait(_ANSWER_S)
            except subprocess.TimeoutExpired:
                self._launcher.kill()
                self._launcher.wait()
        for pipe in (self._launcher.stdin, self._launcher.stdout):
            if pipe is not None:
                pipe.close()

    def last_words(self) -> str:
        """The last line that the command has said."""
        try:
            lines = self.log.read_text(errors="replace").split("\n")
        except OSError:
            lines = []
        said = [line.strip() for line in lines if line.strip()]
        return f"it said: {said[-1][:300]}" if said else "it said nothing"

    def _what(self) -> str:
        return " ".join(self.command)[:120]

    def _answer(self, seconds: float) -> dict[str, Any]:
        """The launcher's next line. Raises BenchFailed if none comes."""
        assert self._launcher.stdout is not None
        until = time.monotonic() + seconds
        while b"\n" not in self._rest:
            if not select.select([self._launcher.stdout], [], [], max(until - time.monotonic(), 0))[0]:
                raise BenchFailed(f"{self._what()}: no answer after {seconds:.0f} s")
            data = os.read(self._launcher.stdout.fileno(), 4096)
            if not data:
                raise BenchFailed(f"{self._what()} was lost")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return dict(json.loads(line))

    def __enter__(self) -> "Tree":
        return self

    def __exit__(self, _t: type[BaseException] | None, _e: BaseException | None, _b: TracebackType | None) -> None:
        self.close()


def run(
    command: Sequence[str], log: Path, seconds: float, *,
    cwd: Path | None = None, env: Mapping[str, str] | None = None,
) -> Ended:  # fmt: skip
    """Run a command to its end. Raises BenchFailed if it fails, takes too long, or cannot be started."""
    with Tree(command, log, seconds, cwd=cwd, env=env) as tree:
        ended = tree.wait()
    if ended.code:
        raise BenchFailed(f"{' '.join(command)[:120]} failed ({ended.code}); {tree.last_words()}")
    return ended
