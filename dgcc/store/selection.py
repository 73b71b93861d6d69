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


@dataclass(frozen=True, slots=True)
class Selection:
    """The rules by which files become part of a layer unasked.

    max_size: the largest file mirrored, in bytes. skipped_directories: names of directories that are left out
    with all that is in them.
    """

    max_size: int = MAX_SIZE
    skipped_directories: frozenset[bytes] = VERSION_CONTROL

    def enters(self, name: bytes) -> bool:
        """Whether a directory of this name is mirrored and looked into."""
        return name not in self.skipped_directories and not name.startswith(TEMP_PREFIX)

    def takes_file(self, path: bytes, status: os.stat_result) -> bool:
        """Whether the regular file at the absolute `path` is mirrored unasked; opens executables."""
        name = path.rpartition(b"/")[2]
        if status.st_size > self.max_size or name.startswith(TEMP_PREFIX) or _PRODUCT.search(name):
            return False
        return not (status.st_mode & 0o111 and is_elf(path))

    def hides(self, path: bytes) -> bool:
        """Whether a relative path is or lies in a directory that is left out, or is one of our own files."""
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
