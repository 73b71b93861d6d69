"""Starting the build driver (make, ninja, cmake --build) with the hook in it, awaiting it, and ending it."""

import asyncio
import contextlib
import ctypes
import fcntl
import os
import pty
import re
import resource
import shutil
import signal
import subprocess
import sys
import termios
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import psutil  # it takes long to load, and few builds are ended

NATIVE = Path(__file__).resolve().parents[1] / "native" / "bin"
HOOK = NATIVE / "libdgcc-hook.so"
CLIENT = NATIVE / "dgcc-client"

MAKE_NAMES = frozenset({"make", "gmake"})
NINJA_NAMES = frozenset({"ninja", "ninja-build"})
CMAKE_NAMES = frozenset({"cmake", "cmake3"})

# Short options that take an argument, from `make --help` and `ninja --help`; make's -j and -l take one
# that is attached or a number, its -O only an attached one.
_MAKE_WITH_ARGUMENT = "CfIoWE"
_NINJA_WITH_ARGUMENT = "Cfkldtw"


_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None)

# Python sets LC_CTYPE for itself where the locale is C (PEP 538); recipes must not inherit that.
_OWN_LOCALE = any(entry.startswith(b"LC_CTYPE=") for entry in Path("/proc/self/environ").read_bytes().split(b"\0"))


class DriverError(Exception):
    """The driver cannot be started; the message says what, where, and what to do."""


def _names_jobs(arguments: Sequence[str], with_argument: str, rest_attached: str = "") -> bool:
    """Whether short or long options among `arguments` ask for a number of jobs."""
    skip = False
    for argument in arguments:
        if skip:
            skip = False
        elif argument == "--":
            return False
        elif argument.startswith("--"):
            name = argument[2:].split("=")[0]
            # make takes unique beginnings of long options: --j is --jobs or --jobserver-auth.
            if len(name) >= 3 and "jobs".startswith(name) or name.startswith("jobserver"):
                return True
        elif argument.startswith("-") and "=" not in argument[:2]:
            for place, letter in enumerate(argument[1:], 2):
                if letter == "j":
                    return True
                if letter in with_argument:
                    skip = place == len(argument)
                    break
                if letter in rest_attached:
                    break
    return False


def driver_arguments(
    command: Sequence[str], arguments: Sequence[str], environment: Mapping[str, str], jobs: int
) -> list[str]:
    """Return the driver's command line: `command`, the user's `arguments`, and `-j` for make and ninja unless
    the user has set that by an argument or in MAKEFLAGS. Other drivers get nothing but the user's words."""
    name = os.path.basename(command[0])
    given = [*command[1:], *arguments]
    if name in MAKE_NAMES:
        flags = environment.get("MAKEFLAGS", "").split()
        if flags and not flags[0].startswith("-") and "=" not in flags[0]:
            flags[0] = "-" + flags[0]
        if _names_jobs(given, _MAKE_WITH_ARGUMENT, "lO") or _names_jobs(flags, _MAKE_WITH_ARGUMENT, "lO"):
            return [command[0], *given]
        return [command[0], f"-j{jobs}", *given]
    if name in NINJA_NAMES and not _names_jobs(given, _NINJA_WITH_ARGUMENT):
        return [command[0], f"-j{jobs}", *given]
    return [command[0], *given]


def driver_environment(
    command: Sequence[str],
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    socket_path: Path,
    hook: Path,
    client: Path,
    jobs: int,
) -> dict[str, str]:
    """Return `environment` with what the hook needs, in front of the user's own LD_PRELOAD, and for
    `cmake --build` the number of jobs unless the user has set that."""
    preload = environment.get("LD_PRELOAD")
    environment = {name: value for name, value in environment.items() if name != "LC_CTYPE" or _OWN_LOCALE}
    added = {
        "LD_PRELOAD": str(hook) if preload is None else f"{hook}:{preload}",
        "DGCC_SOCKET": str(socket_path),
        "DGCC_CLIENT": str(client),
    }
    if os.path.basename(command[0]) in CMAKE_NAMES and "CMAKE_BUILD_PARALLEL_LEVEL" not in environment:
        given = [*command[1:], *arguments]
        asked = [a for a in given if re.fullmatch(r"-j\d*|--parallel", a)]
        if not asked:
            added["CMAKE_BUILD_PARALLEL_LEVEL"] = str(jobs)
    return {**environment, **added}


class Launched(Struct, frozen=True):
    """A driver that was started. terminal: see `Driver`."""

    process: subprocess.Popen[bytes]
    terminal: int | None


def launch(
    command: Sequence[str],
    arguments: Sequence[str],
    socket_path: Path,
    jobs: int,
    tty: bool,
    files: tuple[int, int] | None = None,
    mask: Iterable[int] = (),
) -> Launched:
    """Start a driver in the working directory, the process group and with the stdin of this process.

    `command` is the driver (`["make"]`, `["cmake", "--build", "b"]`), `arguments` are the user's own. With
    `tty` its stdout and stderr are a pseudo-terminal as wide as ours, read from Driver.terminal; else ours.
    `files`: its soft and hard limit of open files, where they are not to be ours. `mask`: signals that it blocks.
    Raises DriverError where it cannot be started.
    """
    for needed in (HOOK, CLIENT):
        if not needed.exists():
            raise DriverError(f"{needed} is missing: it was not compiled; run 'pip install .' again")
    hook = HOOK
    if re.search(r"[\s:]", str(hook)):
        # LD_PRELOAD knows no quoting; the socket's directory has a plain name.
        hook = socket_path.parent / HOOK.name
        with contextlib.suppress(FileExistsError):
            hook.symlink_to(HOOK)
    environment = driver_environment(
        command, arguments, os.environ, socket_path=socket_path, hook=hook, client=CLIENT, jobs=jobs
    )
    line = driver_arguments(command, arguments, os.environ, jobs)
    ours, theirs = _open_terminal() if tty else (None, None)
    master = os.getpid()
    try:
        process = subprocess.Popen(
            line,
            env=environment,
            stdout=theirs,
            stderr=theirs,
            preexec_fn=lambda: _prepare(master, files, mask),
        )
    except OSError as error:
        if ours is not None:
            os.close(ours)
        raise DriverError(_why_not(line[0], error)) from None
    finally:
        if theirs is not None:
            os.close(theirs)
    return Launched(process, ours)


def _prepare(parent: int, files: tuple[int, int] | None, mask: Iterable[int]) -> None:
    """In the new process: end with the master, or a killed one would leave make to run everything at home."""
    if files:
        resource.setrlimit(resource.RLIMIT_NOFILE, files)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


def _why_not(program: str, error: OSError) -> str:
    if "/" not in program and shutil.which(program) is None:
        return f"the driver '{program}' is not in PATH; install it, or name another with --driver"
    if isinstance(error, FileNotFoundError):
        return f"the driver '{program}' does not exist; name another with --driver"
    return f"the driver '{program}' cannot be started: {error.strerror}; name another with --driver"


def _open_terminal() -> tuple[int, int]:
    """Open a pseudo-terminal that passes bytes on unchanged: the real terminal behind it does the rest."""
    ours, theirs = pty.openpty()
    attributes = termios.tcgetattr(theirs)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    return ours, theirs


class Driver:
    """A running driver. `pid` is its process; `terminal` is the descriptor to read its output from, or None
    where it writes to our stdout and stderr; the owner closes it after having read to its end (EIO)."""

    def __init__(self, launched: Launched) -> None:
        """Call it on the running loop."""
        self.pid = launched.process.pid
        self.terminal = terminal = launched.terminal
        self._process = launched.process
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._pidfd = os.pidfd_open(self.pid)
        self._loop.add_reader(self._pidfd, self._reap)
        if terminal is not None:
            self.fit_window()
            self._loop.add_signal_handler(signal.SIGWINCH, self.fit_window)

    async def wait(self) -> int:
        """Return the driver's exit code once it has ended, or, negated, the signal that ended it."""
        return await asyncio.shield(self._ended)

    def window(self) -> tuple[int, int]:
        """The columns and rows of the pseudo-terminal that recipes write to; (0, 0) where there is none."""
        if self.terminal is None:
            return 0, 0
        try:
            size = os.get_terminal_size(self.terminal)
        except OSError:
            return 0, 0
        return size.columns, size.lines

    def fit_window(self) -> None:
        """Give the pseudo-terminal the size of ours. Called on SIGWINCH; who takes that signal calls it."""
        if self.terminal is None:
            return
        for fd in (sys.__stdout__, sys.__stderr__, sys.__stdin__):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                size = fcntl.ioctl(fd.fileno(), termios.TIOCGWINSZ, b"\0" * 8)  # type: ignore[union-attr]
                fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, size)
                return

    async def terminate(self, number: int = signal.SIGTERM, grace_s: float = 2.0) -> int:
        """End the driver and all below it: `number` to the driver, which ends its children, and after
        `grace_s` seconds SIGKILL to what is left. Returns as wait() does."""
        if not self._ended.done():
            family = self._family()
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wait(), grace_s)
            _kill({*family, *self._family()})
        return await self.wait()

    def _family(self) -> "set[psutil.Process]":
        """The driver, unless reaped, and all below it; psutil tells a reused pid from the old one."""
        if self._ended.done():
            return set()
        import psutil

        try:
            driver = psutil.Process(self.pid)
            return {driver, *driver.children(recursive=True)}
        except psutil.Error:
            return set()

    def _reap(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        if self.terminal is not None:
            self._loop.remove_signal_handler(signal.SIGWINCH)
        self._ended.set_result(self._process.wait())


def _kill(family: "set[psutil.Process]") -> None:
    """Kill processes and all below them. They are stopped first, or a shell would start the next of its commands
    when its present one is killed."""
    import psutil

    stopped: set[psutil.Process] = set()
    while fresh := family - stopped:
        for process in fresh:
            stopped.add(process)
            with contextlib.suppress(psutil.Error):
                process.suspend()
                family |= set(process.children(recursive=True))
    for process in stopped:
        with contextlib.suppress(psutil.Error):
            process.kill()
