"""An imagined machine for the verdict's tests, and one call that judges a shell line on it."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from dgcc.master.verdict.decide import Verdict, decide
from dgcc.master.verdict.native import Edits
from dgcc.master.verdict.rules import Rules
from dgcc.master.verdict.world import Found, Kind, World

ROOT = b"/project"
SYSTEM = {
    b"/usr/bin/gcc": b"/usr/bin/x86_64-linux-gnu-gcc-12",
    b"/usr/bin/g++": b"/usr/bin/x86_64-linux-gnu-g++-12",
    b"/usr/bin/cc": b"/usr/bin/x86_64-linux-gnu-gcc-12",
    b"/usr/bin/c++": b"/usr/bin/x86_64-linux-gnu-g++-12",
    b"/usr/bin/clang": b"/usr/lib/llvm-14/bin/clang",
    b"/usr/bin/clang++": b"/usr/lib/llvm-14/bin/clang",
    b"/usr/bin/c99": b"/usr/bin/c99-gcc",
    b"/usr/bin/c89": b"/usr/bin/c89-gcc",
    b"/usr/bin/gcc-12": b"/usr/bin/x86_64-linux-gnu-gcc-12",
    b"/usr/bin/musl-gcc": b"/usr/bin/musl-gcc",
    b"/usr/bin/x86_64-linux-musl-gcc": b"/usr/bin/musl-gcc",
    b"/usr/bin/g++-11": b"/usr/bin/g++-11",
    b"/usr/bin/aarch64-linux-gnu-gcc": b"/usr/bin/aarch64-linux-gnu-gcc-12",
    b"/usr/bin/arm-none-eabi-gcc": b"/usr/bin/arm-none-eabi-gcc",
    b"/usr/bin/x86_64-linux-gnu-gcc-12": b"/usr/bin/x86_64-linux-gnu-gcc-12",
    b"/usr/lib/ccache/gcc": b"/usr/bin/ccache",
    b"/usr/bin/ccache": b"/usr/bin/ccache",
    b"/usr/bin/distcc": b"/usr/bin/distcc",
    b"/usr/bin/strip": b"/usr/bin/x86_64-linux-gnu-strip",
    b"/usr/bin/objcopy": b"/usr/bin/x86_64-linux-gnu-objcopy",
    b"/usr/bin/ranlib": b"/usr/bin/x86_64-linux-gnu-ranlib",
    b"/usr/bin/ar": b"/usr/bin/x86_64-linux-gnu-ar",
    b"/usr/bin/python3": b"/usr/bin/python3.11",
    b"/usr/bin/protoc": b"/usr/bin/protoc",
    b"/opt/odd/bin/gcc": b"/opt/odd/bin/gcc-wrapper.py",
    b"/opt/new/bin/gcc": b"/opt/new/bin/gcc",
    b"/opt/odd/bin/rm": b"/opt/odd/bin/rm",
}


@dataclass
class Machine:
    """What lies where: `files`, `directories` and `links` are absolute paths."""

    files: set[bytes] = field(default_factory=set)
    directories: set[bytes] = field(default_factory=set)
    links: dict[bytes, bytes] = field(default_factory=dict)
    texts: dict[bytes, bytes] = field(default_factory=dict)
    natives: dict[tuple[bytes, ...], Edits] = field(default_factory=dict)

    def world(self) -> World:
        """Give the machine as the verdict asks it."""
        return World(self._lookup, self._probe, self._kind, self._read, self._below, self._native)

    def _read(self, path: bytes, most: int) -> bytes | None:
        known = path in self.texts or path in SYSTEM or path in self.files
        return self.texts.get(path, b"")[:most] if known else None

    def _below(self, directory: bytes, fits: re.Pattern[bytes]) -> tuple[bytes, ...]:
        below = directory.rstrip(b"/") + b"/"
        names = (path[len(below) :] for path in self.files if path.startswith(below))
        return tuple(sorted(name for name in names if fits.fullmatch(name)))

    def _native(self, driver: bytes, options: tuple[bytes, ...]) -> Edits | None:
        return self.natives.get(options)

    def _lookup(self, name: bytes, cwd: bytes, env: Mapping[bytes, bytes]) -> bytes | None:
        for entry in env.get(b"PATH", b"/usr/bin").split(b":"):
            path = os.path.join(cwd, entry, name)
            if path in SYSTEM or path in self.files:
                return path
        return None

    def _probe(self, path: bytes) -> Found | None:
        path = os.path.normpath(path)
        for link, target in self.links.items():
            if path == link or path.startswith(link + b"/"):
                path = target + path[len(link) :]
        if path in SYSTEM:
            return Found(SYSTEM[path], False)
        if path in self.files:
            return Found(path, False)
        above = path.rstrip(b"/") + b"/"
        known = path in self.directories or any(p.startswith(above) for p in (*self.files, *self.directories))
        return Found(path, True) if known or path in (ROOT, b"/") else None

    def _kind(self, path: bytes) -> Kind | None:
        if path in self.links:
            return Kind.LINK
        found = self._probe(path)
        return None if found is None else Kind.DIRECTORY if found.directory else Kind.OTHER


TREE = Machine(
    {
        ROOT + b"/" + name
        for name in (
            b"foo.c",
            b"bar.c",
            b"src/foo.c",
            b"src/deep/x.c",
            b"lib.a",
            b"old.o",
            b"old.lo",
            b".libs/old.o",
            b"libtool",
            b"scripts/fixdep",
            b"scripts/gen.sh",
            b"include/config.h",
            b"bin/gcc",
            b"tools/rm",
            b"build/CMakeCache.txt",
            b"sub/libtool",
            b"data/table.txt",
            b".git/HEAD",
        )
    },
    {ROOT + b"/empty", b"/usr/include", b"/outside/include", b"/usr/include/x"},
    {ROOT + b"/away": b"/outside", ROOT + b"/inward": ROOT + b"/include"},
)


def judge(
    line: str | bytes,
    *,
    cwd: bytes = ROOT,
    env: Mapping[bytes, bytes] | None = None,
    shell: tuple[bytes, ...] = (b"/bin/sh", b"-c"),
    machine: Machine = TREE,
    roots: tuple[bytes, ...] = (ROOT,),
    rules: Rules = Rules(),  # noqa: B008 (a frozen value)
    target: bytes = b"",
) -> Verdict:
    """Judge a shell line as make would run it."""
    text = line if isinstance(line, bytes) else line.encode()
    return decide(
        shell[0],
        (*shell, text),
        cwd,
        {b"PATH": b"/usr/bin:/bin", **(env or {})},
        roots,
        rules,
        target,
        world=machine.world(),
    )


def judge_argv(
    *argv: str, cwd: bytes = ROOT, env: Mapping[bytes, bytes] | None = None, machine: Machine = TREE
) -> Verdict:
    """Judge a command that make runs without a shell."""
    words = tuple(word.encode() for word in argv)
    program = words[0] if words else b""
    return decide(
        program, words, cwd, {b"PATH": b"/usr/bin:/bin", **(env or {})}, (ROOT,), world=machine.world()
    )
