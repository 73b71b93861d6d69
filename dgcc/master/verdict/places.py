"""Whether a path lies where a slave has the same: under the roots, or in the compiler's own directories."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from dgcc.master.verdict.stayshome import StaysHome, show
from dgcc.master.verdict.world import Found, Kind, World

# The compiler's identity, compared between master and slave by content, covers what lies below these.
SYSTEM_INCLUDES = (b"/usr/include", b"/usr/local/include", b"/usr/lib/gcc", b"/usr/lib/gcc-cross")
# Named by -L, which no compile makes use of.
SYSTEM_LIBRARIES = (b"/usr/lib", b"/usr/local/lib", b"/lib", b"/lib64", b"/usr/lib64")
# Their plain Unix tools are taken for equal on all hosts.
SYSTEM_PROGRAMS = (b"/bin", b"/usr/bin", b"/usr/local/bin", b"/sbin", b"/usr/sbin")

_NOWHERE = b"/dev/null"
# Version-control directories are not mirrored.
_UNMIRRORED = re.compile(rb"/(?:\.(?:git|hg|svn|bzr|jj)|CVS|_darcs)(?:/|\Z)")


def under(path: bytes, roots: tuple[bytes, ...]) -> bool:
    """Tell whether the normal absolute `path` is one of `roots` or below one."""
    for root in roots:
        if path.startswith(root) and (path[len(root):len(root) + 1] in (b"", b"/") or root[-1:] == b"/"):
            return True
    return False


def absolute(path: bytes, cwd: bytes) -> bytes:
    """Return `path` from `cwd` on as it is written, with "..", which may lead through a link."""
    return path if path[:1] == b"/" else cwd + b"/" + path


def normal(path: bytes) -> bytes:
    """Return the absolute `path` without ".", ".." and doubled slashes; quick where there are none."""
    if b"/." in path or b"//" in path or path[-1:] == b"/":
        return os.path.normpath(path)
    return path


@lru_cache(maxsize=64)
def _before_system(path: bytes) -> bytes:
    """Return the entries of a PATH that are searched before the system's, without SYSTEM_PROGRAMS."""
    entries = path.split(b":")
    ends = [place for place, entry in enumerate(entries) if entry in (b"/bin", b"/usr/bin")]
    before = entries[:ends[0]] if ends else entries
    return b":".join(entry for entry in before if entry not in SYSTEM_PROGRAMS)


@dataclass(slots=True)
class Places:
    """Checks the paths of one recipe; `roots` are absolute, normal, and free of symbolic links."""

    roots: tuple[bytes, ...]
    world: World
    includes: tuple[bytes, ...] = SYSTEM_INCLUDES
    _seen: dict[bytes, Found | None] = field(default_factory=dict)
    _commands: dict[tuple[bytes, bytes, bytes | None], bytes | None] = field(default_factory=dict)

    def probe(self, path: bytes) -> Found | None:
        """Tell what lies at the absolute `path`; asked once for each recipe."""
        if path not in self._seen:
            directory, _, name = path.rpartition(b"/")
            # Most paths share few directories and are no links: then one question is enough for each.
            parent = self._directory(directory or b"/") if name not in (b"", b".", b"..") else None
            kind = self.world.kind(path) if parent is not None else Kind.LINK
            if parent is None or kind is Kind.LINK:
                self._seen[path] = self.world.probe(path)
            elif kind is None:
                self._seen[path] = None
            else:
                self._seen[path] = Found(parent.real.rstrip(b"/") + b"/" + name, kind is Kind.DIRECTORY)
        return self._seen[path]

    def _directory(self, path: bytes) -> Found | None:
        if path not in self._seen:
            self._seen[path] = self.world.probe(path)
        return self._seen[path]

    def shadowed(self, name: bytes, cwd: bytes, env: Mapping[bytes, bytes]) -> bytes | None:
        """Return what PATH gives for the plain tool `name` before the system's own directories, or None."""
        odd = _before_system(env.get(b"PATH", b""))
        return self.lookup(name, cwd, {b"PATH": odd}) if odd else None

    def lookup(self, name: bytes, cwd: bytes, env: Mapping[bytes, bytes]) -> bytes | None:
        """Find the absolute path of a command's name; asked once for each name and directory."""
        key = (name, cwd, env.get(b"PATH"))
        if key not in self._commands:
            self._commands[key] = self.world.lookup(name, cwd, env)
        return self._commands[key]

    def file(self, path: bytes, cwd: bytes, what: str) -> bytes | None:
        """Return the absolute path of a file that the recipe names, or None for /dev/null.

        Raises StaysHome, naming `what` it is, if it lies outside the roots, or a symbolic link leads outside.
        """
        written = absolute(path, cwd)
        whole = normal(written)
        if whole == _NOWHERE:
            return None
        self._inside(whole, written, path, what, self.roots)
        return whole

    def directory(self, path: bytes, cwd: bytes, what: str, libraries: bool = False) -> None:
        """Check a directory that is searched, for `libraries` or headers; it may be the system's, too."""
        system = SYSTEM_LIBRARIES if libraries else self.includes
        written = absolute(path, cwd)
        whole = normal(written)
        if not under(whole, system) or b"/plugin" in whole:
            self._inside(whole, written, path, what, (*self.roots, *system))

    def _inside(
        self, whole: bytes, written: bytes, path: bytes, what: str, places: tuple[bytes, ...]
    ) -> None:
        if not under(whole, self.roots):
            raise StaysHome(f"{what} {show(path)} lies outside the project")
        if _UNMIRRORED.search(whole):
            raise StaysHome(f"{what} {show(path)} is version control's own")
        found = self.probe(written)
        if found is None:  # not there yet: where would it come to lie?
            found = self._directory(written.rpartition(b"/")[0] or b"/")
        if found is not None and not under(found.real, places):
            raise StaysHome(f"{what} {show(path)} leads outside the project, to {show(found.real)}")
