"""Whether a path lies where a slave has the same: under the project's roots, or in the compiler's own directories."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from dgcc.master.stayshome import StaysHome, show
from dgcc.master.world import Found, World

# The compiler's identity, compared between master and slave by content, covers what lies below these.
SYSTEM_INCLUDES = (b"/usr/include", b"/usr/local/include", b"/usr/lib/gcc", b"/usr/lib/gcc-cross")
# Named by -L, which no compile makes use of.
SYSTEM_LIBRARIES = (b"/usr/lib", b"/usr/local/lib", b"/lib", b"/lib64", b"/usr/lib64")
# Their plain Unix tools are taken for equal on all hosts.
SYSTEM_PROGRAMS = (b"/bin", b"/usr/bin", b"/usr/local/bin", b"/sbin", b"/usr/sbin")

_NOWHERE = b"/dev/null"
# Version-control directories are not mirrored.
_UNMIRRORED = (b"/.git/", b"/.hg/", b"/.svn/", b"/.bzr/", b"/CVS/", b"/_darcs/", b"/.jj/")


def under(path: bytes, roots: tuple[bytes, ...]) -> bool:
    """Tell whether the normal absolute `path` is one of `roots` or below one."""
    return any(path == root or path.startswith(root if root[-1:] == b"/" else root + b"/") for root in roots)


@dataclass(slots=True)
class Places:
    """Checks the paths of one recipe; `roots` are absolute, normal, and free of symbolic links."""

    roots: tuple[bytes, ...]
    world: World
    _seen: dict[bytes, Found | None] = field(default_factory=dict)
    _commands: dict[bytes, bytes | None] = field(default_factory=dict)

    def probe(self, path: bytes) -> Found | None:
        """Tell what lies at the absolute `path`; asked once for each recipe."""
        if path not in self._seen:
            self._seen[path] = self.world.probe(path)
        return self._seen[path]

    def lookup(self, name: bytes, cwd: bytes, env: Mapping[bytes, bytes]) -> bytes | None:
        """Find the absolute path of a command's name; asked once for each name and directory."""
        key = cwd + b"\0" + name
        if key not in self._commands:
            self._commands[key] = self.world.lookup(name, cwd, env)
        return self._commands[key]

    def file(self, path: bytes, cwd: bytes, what: str) -> bytes | None:
        """Return the absolute path of a file that the recipe names, or None for /dev/null.

        Raises StaysHome, naming `what` it is, if it lies outside the roots, also where a symbolic link leads there.
        """
        whole = os.path.normpath(os.path.join(cwd, path))
        if whole == _NOWHERE:
            return None
        self._inside(whole, os.path.join(cwd, path), path, what, self.roots)
        return whole

    def directory(self, path: bytes, cwd: bytes, what: str, system: tuple[bytes, ...]) -> None:
        """Check a directory that the recipe searches; it may also lie below one of the `system` directories."""
        whole = os.path.normpath(os.path.join(cwd, path))
        if not under(whole, system):
            self._inside(whole, os.path.join(cwd, path), path, what, (*self.roots, *system))

    def _inside(self, whole: bytes, written: bytes, path: bytes, what: str, places: tuple[bytes, ...]) -> None:
        if not under(whole, self.roots):
            raise StaysHome(f"{what} {show(path)} lies outside the project")
        if any(name in whole + b"/" for name in _UNMIRRORED):
            raise StaysHome(f"{what} {show(path)} is version control's own")
        found = self.probe(written)
        if found is None:  # not there yet: where would it come to lie?
            found = self.probe(os.path.dirname(written) or b"/")
        if found is not None and not under(found.real, places):
            raise StaysHome(f"{what} {show(path)} leads outside the project, to {show(found.real)}")
