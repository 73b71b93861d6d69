"""Asking the master's own programs what they consist of, in an environment that does not mislead them."""

import os
import subprocess
from collections.abc import Mapping

from msgspec import Struct

from dgcc.master.environment.trouble import EnvironmentTrouble
from dgcc.store.errors import shown

_TIMEOUT_S = 60
# Variables that lead a compiler or the loader to other programs, libraries or headers than its own.
_MISLEADING = frozenset(
    b"""
    CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH OBJC_INCLUDE_PATH OBJCPLUS_INCLUDE_PATH GCC_EXEC_PREFIX COMPILER_PATH
    LIBRARY_PATH LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT LD_RUN_PATH DEPENDENCIES_OUTPUT SUNPRO_DEPENDENCIES
    GCC_COMPARE_DEBUG GCC_SPECS GCC_EXTRA_DIAGNOSTIC_OUTPUT LANGUAGE LANG POSIXLY_CORRECT
    CCC_OVERRIDE_OPTIONS CC_PRINT_OPTIONS CC_PRINT_HEADERS CLANG_CONFIG_FILE_SYSTEM_DIR
    """.split()
)
# Where a shell looks that was given no PATH, and where tools lie that are called by their full name.
_STANDARD_PATH = (b"/usr/local/bin", b"/usr/bin", b"/bin", b"/usr/sbin", b"/sbin")


class Answer(Struct, frozen=True):
    """What a program said; `ok` if it exited with 0."""

    ok: bool
    out: bytes
    err: bytes


class Questions:
    """Runs programs and looks names up in PATH, as the master's user would, from the directory "/".

    environ: the user's environment variables, as bytes.
    """

    def __init__(self, environ: Mapping[bytes, bytes]) -> None:
        self.environ = environ
        self._env = {name: value for name, value in environ.items() if name not in _MISLEADING}
        self._env = {name: value for name, value in self._env.items() if not name.startswith(b"LC_")}
        self._env[b"LC_ALL"] = b"C"
        named = environ.get(b"PATH", b"").split(b":")
        self.path = tuple(dict.fromkeys(place for place in named if place.startswith(b"/"))) or _STANDARD_PATH

    @property
    def tool_directories(self) -> tuple[bytes, ...]:
        """The directories of PATH, and the standard ones that it lacks."""
        return tuple(dict.fromkeys(self.path + _STANDARD_PATH))

    def run(self, *argv: bytes) -> Answer:
        """Run a program, by its absolute path. Raises EnvironmentTrouble if it cannot be run or does not end."""
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=self._env,
                cwd="/",
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise EnvironmentTrouble(
                f"'{shown(argv[0])}' did not answer within {_TIMEOUT_S} s when asked what it consists of"
            ) from error
        except OSError as error:
            raise EnvironmentTrouble(f"'{shown(argv[0])}' cannot be run: {error.strerror}") from error
        return Answer(done.returncode == 0, done.stdout, done.stderr)

    def which(self, name: bytes) -> bytes:
        """The absolute path of the program that a shell would run for `name`; empty if there is none."""
        if b"/" in name:
            return name if name.startswith(b"/") and is_program(name) else b""
        return next((found for found in self._candidates(name) if is_program(found)), b"")

    def before(self, found: bytes) -> tuple[bytes, ...]:
        """The places that come before `found` in PATH: a program put there later would be run instead."""
        earlier = []
        for candidate in self._candidates(os.path.basename(found)):
            if candidate == found:
                break
            earlier.append(candidate)
        return tuple(earlier)

    def _candidates(self, name: bytes) -> list[bytes]:
        return [directory.rstrip(b"/") + b"/" + name for directory in self.path]


def is_program(path: bytes) -> bool:
    """Whether a regular file that may be executed lies at `path`, behind symlinks too."""
    return os.path.isfile(path) and os.access(path, os.X_OK)
