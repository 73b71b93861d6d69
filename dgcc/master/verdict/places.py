"""Whether a path is one that a slave can have: under the roots, or outside where it is only read."""

import os
import re
from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct, field

from dgcc.master.verdict.stayshome import StaysHome, show
from dgcc.master.verdict.world import Found, Kind, World

# Searched for libraries by every linker; what of them a link needs is asked for by the libraries' names.
SYSTEM_LIBRARIES = (b"/usr/lib", b"/usr/local/lib", b"/lib", b"/lib64", b"/usr/lib64")
# Where the plain Unix tools lie.
SYSTEM_PROGRAMS = (b"/bin", b"/usr/bin", b"/usr/local/bin", b"/sbin", b"/usr/sbin")

_NOWHERE = b"/dev/null"
# Version-control directories are not mirrored.
_UNMIRRORED = re.compile(rb"/(?:\.(?:git|hg|svn|bzr|jj)|CVS|_darcs)(?:/|\Z)")
# The kernel's view of this machine and its devices, which is another one on every host.
_HOSTS_OWN = (
    b"/proc", b"/sys", b"/dev", b"/run", b"/var/run", b"/etc/passwd", b"/etc/group", b"/etc/shadow", b"/etc/hosts",
    b"/etc/hostname", b"/etc/machine-id", b"/etc/mtab", b"/etc/resolv.conf",
)  # fmt: skip
# Whole directories that hold far more than a recipe's files, or that everybody writes to.
_TOO_WIDE = frozenset(
    b"""
    / /bin /boot /etc /home /lib /lib32 /lib64 /media /mnt /opt /root /sbin /srv /tmp /usr /usr/bin /usr/lib
    /usr/local /usr/sbin /usr/share /var /var/lib /var/tmp
    """.split()
)
_HOME = re.compile(rb"/home/[^/]+\Z|/root\Z")
# Of these, single files are no reason to take along what else is there.
_SHARED = (b"/", b"/tmp", b"/var/tmp", b"/home")


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
    """Return the entries of a PATH that are searched before /usr/bin and /bin."""
    entries = path.split(b":")
    ends = [place for place, entry in enumerate(entries) if entry in (b"/bin", b"/usr/bin")]
    return b":".join(entries[:ends[0]] if ends else entries)


class Places(Struct):
    """Checks the paths of one recipe; `roots` are absolute, normal, and free of symbolic links.

    `outside` gathers, in order of appearance, the paths outside the roots that are read and exist, absolute and
    normal, links on the way as written, and also what links in the roots lead to. `home` is the user's home.
    """

    roots: tuple[bytes, ...]
    world: World
    home: bytes = b""
    outside: dict[bytes, None] = field(default_factory=dict)
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
        """Return what PATH gives for the plain tool `name` before /usr/bin and /bin, or None."""
        odd = _before_system(env.get(b"PATH", b""))
        return self.lookup(name, cwd, {b"PATH": odd}) if odd else None

    def lookup(self, name: bytes, cwd: bytes, env: Mapping[bytes, bytes]) -> bytes | None:
        """Find the absolute path of a command's name; asked once for each name and directory."""
        key = (name, cwd, env.get(b"PATH"))
        if key not in self._commands:
            self._commands[key] = self.world.lookup(name, cwd, env)
        return self._commands[key]

    def read(self, path: bytes, cwd: bytes, what: str, directory: bool = False) -> bytes | None:
        """Return the absolute path of a file that is read, or of a `directory` that is searched; None: /dev/null.

        Raises StaysHome, naming `what` it is, if it lies where it cannot be taken from. What lies outside the
        roots and exists is added to `outside`.
        """
        written = absolute(path, cwd)
        whole = normal(written)
        if whole == _NOWHERE:
            return None
        if _UNMIRRORED.search(whole):
            raise StaysHome(f"{what} {show(path)} is version control's own")
        inside = under(whole, self.roots)
        found = self.probe(written)
        if found is None:
            # Not there yet, or never: here as little as on a slave, except where this host differs by nature.
            if not inside:
                self._check_host(whole, path, what)
            return whole
        if not inside:
            self._take(whole, path, what, found.directory)
        if found.real != whole and not under(found.real, self.roots):
            self._take(found.real, path, what, found.directory)
        return whole

    def written(self, path: bytes, cwd: bytes, what: str) -> bytes | None:
        """Return the absolute path of a file that is written, or None for /dev/null.

        Raises StaysHome, naming `what` it is, unless it comes to lie in the roots: nothing else goes back.
        """
        written = absolute(path, cwd)
        whole = normal(written)
        if whole == _NOWHERE:
            return None
        if not under(whole, self.roots):
            raise StaysHome(f"{what} {show(path)} lies outside the project")
        if _UNMIRRORED.search(whole):
            raise StaysHome(f"{what} {show(path)} is version control's own")
        found = self.probe(written)
        if found is None:  # not there yet: where would it come to lie?
            found = self._directory(written.rpartition(b"/")[0] or b"/")
        if found is not None and not under(found.real, self.roots):
            raise StaysHome(f"{what} {show(path)} leads outside the project, to {show(found.real)}")
        return whole

    def _take(self, whole: bytes, path: bytes, what: str, directory: bool) -> None:
        if whole in self.outside:
            return
        self._check_host(whole, path, what)
        if _UNMIRRORED.search(whole):
            raise StaysHome(f"{what} {show(path)} is version control's own")
        top = whole if directory else whole.rpartition(b"/")[0] or b"/"
        wide = top in _TOO_WIDE if directory else top in _SHARED
        if wide or top == self.home or _HOME.match(top):
            which = show(path) if path == whole else f"{show(path)} ({show(whole)})"
            if directory:
                raise StaysHome(f"{what} {which} is too much to take along: name a directory below it")
            raise StaysHome(f"{what} {which} lies in {show(top)} itself: move it to a directory of its own")
        self.outside[whole] = None

    def _check_host(self, whole: bytes, path: bytes, what: str) -> None:
        if under(whole, _HOSTS_OWN):
            raise StaysHome(f"{what} {show(path)} is this machine's own")
