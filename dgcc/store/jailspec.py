"""What a jail is to be: the job, what it sees of the host, and as whom it runs."""

import os
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from dgcc.store.errors import StoreError
from dgcc.store.jaillimits import Limits

NOBODY = 65534
"""Debian's ids of `nobody` and `nogroup`: what a job becomes on the host where root runs the slave."""


class BadSpec(StoreError):
    """This is no command that any system could run."""


class Bind(Struct, frozen=True):
    """The host's file, directory (with all beneath) or symlink at `host`, read-only at `inside`.

    optional: skip it where the host has no such path.
    """

    inside: bytes
    host: bytes
    optional: bool = False


class Overlay(Struct, frozen=True):
    """Host directories `lower`, topmost first, merged at `path`; with an upper directory if `writable`.

    The lower directories are never written to. What a job may change in them must belong to its outside ids.
    """

    path: bytes
    lower: tuple[bytes, ...]
    writable: bool = True


class JailSpec(Struct, frozen=True, kw_only=True):
    """All that makes up one job in its jail. Paths are absolute and normalised, as bytes.

    scratch: an empty directory of the caller, on a disk (not itself on an overlay). program: a path, or a
    name for PATH. env: the exact environment, as KEY=VALUE. inside_*: ids the job sees as its own. outside_*:
    ids it has on the host if the caller is root; otherwise it has the caller's. tmpfs: empty, private,
    writable directories, besides /tmp, /var/tmp and /dev/shm. rlimits: (name, number), with the names of
    setrlimit in lower case; the core limit of one byte is the one at which the kernel hands no dump to a program of
    the host. limits: what ends the job; None: nothing. group: its control group. niceness: of
    all its processes, at least. host_root: the host's whole root
    read-only, `binds` on top, its network, and no filter of system calls; only then a job of root stays root, so this
    is for the caller's own commands, never for those of others. self_test: instead of the program, the jail itself
    makes the file `made` in cwd and a new directory in place of `dir`, in which there is an empty one, `old`.
    """

    scratch: Path
    program: bytes
    argv: tuple[bytes, ...]
    env: tuple[bytes, ...]
    cwd: bytes
    umask: int = 0o022
    inside_uid: int = 1000
    inside_gid: int = 1000
    outside_uid: int = NOBODY
    outside_gid: int = NOBODY
    hostname: bytes = b""
    binds: tuple[Bind, ...] = ()
    overlays: tuple[Overlay, ...] = ()
    tmpfs: tuple[bytes, ...] = ()
    rlimits: tuple[tuple[str, int], ...] = (("core", 1),)
    limits: Limits | None = None
    group: Path | None = None
    niceness: int = 0
    host_root: bool = False
    self_test: bool = False

    def upper(self, index: int) -> Path:
        """The upper directory of `overlays[index]`."""
        return self.scratch / f"upper-{index}"

    def encode(self) -> bytes:
        """The spec as dgcc-jail reads it. Raises BadSpec if a string holds a NUL."""
        words = [word for record in self._records() for word in record]
        for word in words:
            if b"\0" in word:
                raise BadSpec(f"no command can have a NUL in its words: {word[:60]!r}")
        return b"".join(word + b"\0" for word in words)

    def _records(self) -> Iterator[tuple[bytes, bytes]]:
        yield b"scratch", os.fsencode(self.scratch)
        yield b"mode", b"host-root" if self.host_root else b"jail"
        for name in ("inside_uid", "inside_gid", "outside_uid", "outside_gid"):
            yield name.encode(), b"%d" % getattr(self, name)
        yield b"hostname", self.hostname
        yield b"cwd", self.cwd
        yield b"umask", b"%o" % self.umask
        yield b"program", self.program
        yield b"self-test", b"1" if self.self_test else b"0"
        for bind in self.binds:
            yield b"bind", bind.inside
            yield b"from", bind.host
            yield b"optional", b"1" if bind.optional else b"0"
        for path in self.tmpfs:
            yield b"tmpfs", path
        for overlay in self.overlays:
            yield b"overlay", overlay.path
            for lower in overlay.lower:
                yield b"lower", lower
            yield b"readonly", b"0" if overlay.writable else b"1"
        for limit, value in self.rlimits:
            yield b"rlimit", f"{limit}={value}".encode()
        if self.group is not None:
            yield b"cgroup", os.fsencode(self.group)
        if self.limits is not None:
            yield from self.limits.records()
        for word in self.argv:
            yield b"arg", word
        for word in self.env:
            yield b"env", word
        yield b"end", b""
