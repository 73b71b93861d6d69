"""What of a tree is mirrored: sources and their like, not version control, linked products or huge files."""

import os
import re
import stat
from dataclasses import dataclass

TEMP_PREFIX = b".dgcc-tmp-"
"""Our own unfinished files begin so; nobody mirrors or reports them."""

VERSION_CONTROL = frozenset({b".git", b".hg", b".svn", b".bzr", b"CVS", b"_darcs"})
MAX_SIZE = 64 << 20

_PRODUCT = re.compile(rb"\.(?:o|a|so|lo|la|obj|ko|exe|so\.[0-9][0-9.]*)\Z")
_ELF = b"\x7fELF"

SOURCE_NAME = re.compile(rb"\.(h|hh|hpp|hxx|h\+\+|inc|inl|ipp|tcc|txx|def|c|cc|cpp|cxx|s|S|i|ii)\Z")
"""The end of a name that a compiler may be led to by an #include or on its command line."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The rules by which files become part of a layer unasked.

    max_size: the largest file mirrored, in bytes. skipped: names of what is left out wherever it lies, with
    all that is in it.
    """

    max_size: int = MAX_SIZE
    skipped: frozenset[bytes] = VERSION_CONTROL

    def enters(self, name: bytes) -> bool:
        """Whether something of this name is mirrored, and looked into if it is a directory."""
        return name not in self.skipped and not name.startswith(TEMP_PREFIX)

    def takes_file(self, path: bytes, status: os.stat_result) -> bool:
        """Whether the regular file at the absolute `path` is mirrored unasked; opens executables."""
        name = path.rpartition(b"/")[2]
        if status.st_size > self.max_size or not self.enters(name) or _PRODUCT.search(name):
            return False
        return not (status.st_mode & 0o111 and is_elf(path))

    def hides(self, path: bytes) -> bool:
        """Whether a relative path is left out by its name, or that of a directory that it lies in."""
        return not all(self.enters(part) for part in path.split(b"/"))


def is_elf(path: bytes) -> bool:
    """Whether the file at `path` is an ELF object; False if it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return stat.S_ISREG(os.fstat(fd).st_mode) and os.read(fd, 4) == _ELF
    finally:
        os.close(fd)
