"""Runs one command in a jail, collects its output, and says what went wrong and whose fault it is.

What the job wrote is found by `changes(spec.upper(i), lower)` afterwards; `remove_scratch` clears the rest
away. The jail itself is dgcc-jail, a program in C; native/jail.h describes it.
"""

import contextlib
import errno
import os
import select
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from msgspec import Struct

import dgcc
from dgcc.store import niceness
from dgcc.store.errors import StoreError
from dgcc.store.jailgroup import short_of_memory
from dgcc.store.jaillimits import Limits, size
from dgcc.store.jailspec import NOBODY, BadSpec, Bind, JailSpec, Overlay
from dgcc.store.jailtty import Terminal
from dgcc.store.upper import Change, Ignored, changes, remove_scratch

__all__ = [
    "BINARY", "NOBODY", "BadSpec", "Bind", "Change", "Ignored", "JailCancelled",
    "JailDeadline", "JailError", "JailFailed", "JailLimit", "JailOutputLimit", "JailResult", "JailRun", "JailSpec",
    "Limits", "Overlay", "Terminal", "changes", "probe", "remove_scratch", "run",
]  # fmt: skip

BINARY = Path(dgcc.__file__).parent / "native" / "bin" / "dgcc-jail"

_END_GRACE_S = 10.0  # from asking a jail to end until SIGKILL, and again until it is given up
_CHUNK = 1 << 16


class JailError(StoreError):
    """Base: the jail gave no result of the command."""


class JailFailed(JailError):
    """The host's trouble: the jail could not be set up, or was cut down. The message is one sentence."""


class JailLimit(JailError):
    """The command used more than it was allowed to, and was killed. The message is a sentence that names the limit.

    Another host may have more, so it says nothing about the command.
    """


class JailDeadline(JailLimit):
    """The command ran longer than it was allowed to, and was killed."""


class JailOutputLimit(JailLimit):
    """The command printed more than it was allowed to, and was killed."""


class JailCancelled(JailError):
    """`JailRun.kill` ended the command, or came before it."""


class JailResult(Struct, frozen=True):
    """How the command ended. signal: 0 unless a signal ended it, and then exit_code is 0.

    cpu_s: user and system time of all its processes, seconds. max_rss: of the largest of them, bytes.
    wall_s: seconds. chunks: (1 or 2, bytes) as read; with `merge`, all are 1 and in the order of writing.
    """

    exit_code: int
    signal: int
    cpu_s: float
    max_rss: int
    wall_s: float
    chunks: tuple[tuple[int, bytes], ...]


class JailRun:
    """One command in its jail; `run` once, and `kill` from any thread at any time."""

    def __init__(
        self, spec: JailSpec, *, merge: bool, deadline_s: float, max_output: int, terminal: Terminal | None = None,
        gather_s: float = 0.0,
    ) -> None:  # fmt: skip
        """merge: stdout and stderr are one pipe. deadline_s: seconds. max_output: bytes of both together.

        terminal: streams that are one, instead of a pipe; with `merge`, `out` counts for both. gather_s: seconds that
        output may gather in the pipe, of a command that writes line by line.
        """
        self._spec = spec
        self._merge = merge
        self._terminal = terminal or Terminal(False, False)
        self._deadline_s = deadline_s
        self._max_output = max_output
        self._gather_s = gather_s
        self._lock = threading.Lock()  # guards _wake and _killed
        self._wake: int | None = None  # an eventfd while run() is at work
        self._killed = False

    def kill(self) -> None:
        """Make `run` end the command and all its processes and raise JailCancelled, now or when it starts."""
        with self._lock:
            self._killed = True
            if self._wake is not None:
                os.eventfd_write(self._wake, 1)

    def run(self) -> JailResult:
        """Run the command and return how it ended, when none of its processes is left.

        Raises BadSpec, JailFailed, JailLimit, JailCancelled; no process is left then.
        """
        with contextlib.ExitStack() as stack:
            wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            stack.callback(os.close, wake)
            with self._lock:
                if self._killed:
                    raise JailCancelled("the job was cancelled")
                self._wake = wake
            stack.callback(self._asleep)
            talk = _Conversation(self._spec, self._merge, self._terminal, self._max_output, self._gather_s)
            return talk.hold(wake, self._deadline_s)

    def _asleep(self) -> None:
        with self._lock:
            self._wake = None


def run(spec: JailSpec, *, merge: bool, deadline_s: float, max_output: int) -> JailResult:
    """Run one command in its jail: `JailRun(...).run()` for those who never cancel."""
    return JailRun(spec, merge=merge, deadline_s=deadline_s, max_output=max_output).run()


class _Conversation:
    """The pipes between this process and one dgcc-jail, read and written by one poll loop."""

    def __init__(self, spec: JailSpec, merge: bool, terminal: Terminal, max_output: int, gather_s: float) -> None:
        self._unsent = memoryview(spec.encode())
        self._merge = merge
        self._terminal = terminal
        self._owner = spec.outside_uid
        self._limits = spec.limits
        self._group = spec.group
        self._niceness = spec.niceness
        self._room = self._most = max_output
        self._gather_s = gather_s
        self._deadline_s = 0.0
        self._chunks: list[tuple[int, bytes]] = []
        self._record = b""
        self._verdict: JailError | None = None  # why we ended it, if we did
        self._poll = select.poll()
        self._streams: dict[int, int] = {}  # our end of a pipe: 1, 2, or 0 for the result

    def hold(self, wake: int, deadline_s: float) -> JailResult:
        """Start the jail, see it to its end, and read its result."""
        self._deadline_s = min(deadline_s, self._limits.seconds) if self._limits else deadline_s
        end = time.monotonic() + self._deadline_s
        with contextlib.ExitStack() as stack:
            jail = self._start(stack)
            assert jail.stdin
            for stream in (*self._streams, wake):
                self._poll.register(stream, select.POLLIN)
            try:
                os.set_blocking(jail.stdin.fileno(), False)
                self._poll.register(jail.stdin.fileno(), select.POLLOUT)
                self._converse(jail, wake, end)
            except BaseException:  # nothing that we know of; but whatever it is, the job must not outlive it
                self._hang_up(jail)
                self._reap(jail)
                raise
            finally:
                with contextlib.suppress(BrokenPipeError):
                    jail.stdin.close()
        return self._result(jail)

    def _start(self, stack: contextlib.ExitStack) -> subprocess.Popen[bytes]:
        """Start the jail. `stack` closes our ends of its output, which are in `_streams` then."""
        with contextlib.ExitStack() as theirs:
            result_w = self._stream(0, stack, theirs)
            out = self._stream(1, stack, theirs)
            err = subprocess.STDOUT if self._merge else self._stream(2, stack, theirs)
            try:
                jail = subprocess.Popen(
                    [BINARY, str(result_w)],
                    bufsize=0,
                    stdin=subprocess.PIPE,
                    stdout=out,
                    stderr=err,
                    pass_fds=(result_w,),
                    cwd="/",
                    env={},
                    start_new_session=True,  # a Ctrl-C at the slave's terminal is the slave's to answer
                )
            except OSError as error:
                raise JailFailed(f"cannot start {BINARY}: {error.strerror}; install the package again") from error
            if self._niceness:
                niceness.lower(jail.pid, self._niceness)  # it waits for its spec, and has started nothing
            return jail

    def _stream(self, number: int, ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> int:
        """A pipe or terminal for stream `number`; returns the jail's end, which `theirs` closes."""
        if number == 0 or not (self._terminal.out, self._terminal.err)[number - 1]:
            read, write = os.pipe()
        else:
            try:
                read, write = self._terminal.open(self._owner)
            except OSError as error:
                text = f"no terminal can be made for a job: {error.strerror}; is a devpts mounted on /dev/pts?"
                raise JailFailed(text) from error
        ours.callback(os.close, read)
        theirs.callback(os.close, write)
        self._streams[read] = number
        return write

    def _converse(self, jail: subprocess.Popen[bytes], wake: int, end: float) -> None:
        """Poll until every pipe is at its end, which is when no process of the jail is left; then reap."""
        stops: list[float] = []  # when we asked it to end, and when we killed it
        while self._streams:
            now = time.monotonic()
            if not stops and (self._verdict or now >= end):
                self._verdict = self._verdict or JailDeadline(f"the job ran for more than {self._deadline_s:g} seconds")
                self._hang_up(jail)
                stops.append(now)
            elif stops and now - stops[-1] >= _END_GRACE_S:
                if len(stops) == 2:
                    raise JailFailed("dgcc-jail: a job cannot be killed; is the disk of this host stuck?")
                jail.kill()
                stops.append(now)
            wait = stops[-1] + _END_GRACE_S - now if stops else end - now
            ready = self._poll.poll(max(0, min(wait, 3600)) * 1000 + 1)
            if self._gather_s and not stops and any(fd in self._streams for fd, _ in ready):
                time.sleep(self._gather_s)
            for fd, _event in ready:
                if fd == wake:
                    os.eventfd_read(wake)
                    self._verdict = self._verdict or JailCancelled("the job was cancelled")
                elif fd in self._streams:
                    self._receive(fd)
                else:
                    self._send(fd)
        self._reap(jail)

    @staticmethod
    def _reap(jail: subprocess.Popen[bytes]) -> None:
        """Wait for a jail that has only its own last steps to go; a stopped process would not take them."""
        try:
            jail.wait(_END_GRACE_S)
        except subprocess.TimeoutExpired:
            jail.kill()
            jail.wait()

    def _hang_up(self, jail: subprocess.Popen[bytes]) -> None:
        """Close the jail's stdin: it kills its first process, the kernel the others; only then it ends."""
        assert jail.stdin
        if not jail.stdin.closed:
            with contextlib.suppress(KeyError):
                self._poll.unregister(jail.stdin.fileno())
            jail.stdin.close()

    def _send(self, fd: int) -> None:
        try:
            self._unsent = self._unsent[os.write(fd, self._unsent) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._unsent = memoryview(b"")
        if not self._unsent:
            self._poll.unregister(fd)

    def _receive(self, fd: int) -> None:
        try:
            data = os.read(fd, _CHUNK)
        except OSError as error:
            if error.errno != errno.EIO:  # how a terminal says that its other end is closed
                raise
            data = b""
        stream = self._streams[fd]
        if not data:
            self._poll.unregister(fd)
            del self._streams[fd]
        elif stream == 0:
            self._record += data
        elif self._verdict is None:
            self._room -= len(data)
            if self._room < 0:
                self._verdict = JailOutputLimit(f"the job printed more than {size(self._most)}")
            elif self._chunks and self._chunks[-1][0] == stream and len(self._chunks[-1][1]) < _CHUNK:
                self._chunks[-1] = (stream, self._chunks[-1][1] + data)
            else:
                self._chunks.append((stream, data))

    def _result(self, jail: subprocess.Popen[bytes]) -> JailResult:
        if self._verdict:
            raise self._verdict
        if self._limits and self._group and short_of_memory(self._group):
            raise JailLimit(self._limits.sentence("memory"))
        kind, _, rest = self._record.partition(b"\0")
        words = rest.split(b"\0")
        if kind == b"failed":
            raise JailFailed(os.fsdecode(words[0]))
        if kind == b"limit" and self._limits:
            raise JailLimit(self._limits.sentence(words[0].decode()))
        if kind != b"ok" or len(words) < 5:
            how = signal.Signals(-jail.returncode).name if jail.returncode < 0 else f"code {jail.returncode}"
            raise JailFailed(f"dgcc-jail ended ({how}) without a result")
        code, number, cpu_us, max_rss, wall_us = (int(word) for word in words[:5])
        return JailResult(code, number, cpu_us / 1e6, max_rss, wall_us / 1e6, tuple(self._chunks))


def probe(directory: Path | None = None, *, outside: tuple[int, int] = (NOBODY, NOBODY)) -> str | None:
    """Try a small jail with an overlay: None, or one sentence that says what this host lacks.

    directory: where scratch directories are to be, as the answer depends on its file system; default: that of
    temporary files. outside: (uid, gid) of jobs if the caller is root.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="dgcc-probe-", dir=directory) as name:
            return _try(Path(name), outside)
    except JailError as error:
        return str(error)
    except OSError as error:
        return f"cannot try a jail in {directory or tempfile.gettempdir()}: {error.strerror}"


def _try(place: Path, outside: tuple[int, int]) -> str | None:
    """Make a file and replace a directory by a new one: that takes all that an upper layer must do."""
    lower, scratch = place / "lower", place / "scratch"
    for path in (scratch, lower, lower / "dir", lower / "dir/old"):
        path.mkdir()
        if os.geteuid() == 0 and path != scratch:
            os.chown(path, *outside)
    spec = JailSpec(
        scratch=scratch,
        program=b"self-test",
        argv=(b"self-test",),
        env=(),
        cwd=b"/probe",
        self_test=True,
        overlays=(Overlay(b"/probe", (os.fsencode(lower),)),),
        outside_uid=outside[0],
        outside_gid=outside[1],
    )
    try:
        result = run(spec, merge=True, deadline_s=30, max_output=1 << 16)
        made = [change.path for change in changes(spec.upper(0), [lower])]
    finally:
        remove_scratch(scratch)
    if result.exit_code or result.signal or made != [b"made", b"dir/old"]:
        printed = b"".join(data for _, data in result.chunks).decode(errors="replace").strip()
        return f"a jail starts here, but its overlay does not work: {printed or 'it loses changes'}"
    return None
