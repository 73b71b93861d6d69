"""What of a tree is part of its layer, and what of that comes with its content before any job asks.

Version control, linked products and what is ignored are no part of it. A tree of ordinary size comes whole; of a
large one only what compilers find by searching: the rest is listed without content (withheld) until a job names it.
Products stay absent even then, and are no placeholders: a job's own outputs would meet those in their place.
"""

import os
import re
import stat
from functools import cached_property

from msgspec import Struct

from dgcc.store.entry import WITHHELD_MARK
from dgcc.store.ignore import Ignores, compiled

TEMP_PREFIX = b".dgcc-tmp-"
"""Our own unfinished files begin so; nobody mirrors or reports them."""

VERSION_CONTROL = frozenset({b".git", b".hg", b".svn", b".bzr", b"CVS", b"_darcs"})
MAX_SIZE = 64 << 20
WHOLE_FILES = 10_000
WHOLE_BYTES = 64 << 20

_PRODUCT = re.compile(rb"\.(?:o|a|so|lo|la|obj|ko|exe|so\.[0-9][0-9.]*)\Z")
_ELF = b"\x7fELF"

SOURCE_NAME = re.compile(rb"\.(h|hh|hpp|hxx|h\+\+|inc|inl|ipp|tcc|txx|def|c|cc|cpp|cxx|s|S|i|ii)\Z")
"""The end of a name that a compiler may be led to by an #include or on its command line."""

# What a compiler finds by searching, or takes without being told (x.h.gch for x.h, profiles). An #include of a header
# that cannot be read is an error, of gcc and clang alike; but for the others the next in the search, or none, would be
# taken without a word. (So would another file of the name for an assembler's .incbin with -I.)
_SEARCHED = re.compile(
    rb"(?:\.(?:h|H|hh|hpp|hxx|h\+\+|hp|inc|inl|inline|ipp|ixx|tcc|tpp|txx|def|tbl|cuh|modulemap|gch|pch|gcda|profdata)"
    rb"\Z|\.gch/)"
)
_COMPILED = re.compile(rb"\.(?:c|cc|cp|cpp|cxx|c\+\+|C|CPP|m|mm|s|S|sx|i|ii|cu|f|F|f90|F90|d|go|rs)\Z")
_SMALL = 4 << 10
_SMALL_BARE = 64 << 10  # of names without a dot, as C++ headers have (Eigen/Dense)


class Selection(Struct, frozen=True, dict=True):
    """The rules by which files become part of a layer unasked, with or without content.

    max_size: the largest file whose content comes unasked, in bytes. skipped: names of what is left out wherever
    it lies, with all that is in it. ignored: patterns as in `ignore.compiled`, relative to the root; what matches
    is not even looked at, nor does naming it help. excluded: absolute directories that are left out, for roots
    within this one. everything: linked products are part of the layer, for a tree where nothing is built; they and
    all programs come with their content, because linkers and compilers pass over what they cannot read.
    whole_files, whole_bytes: a tree with more files, or more bytes in those up to max_size, is a large one.

    Raises BadPattern.
    """

    max_size: int = MAX_SIZE
    skipped: frozenset[bytes] = VERSION_CONTROL
    ignored: tuple[bytes, ...] = ()
    excluded: tuple[bytes, ...] = ()
    everything: bool = False
    whole_files: int = WHOLE_FILES
    whole_bytes: int = WHOLE_BYTES

    def __post_init__(self) -> None:
        _ = self._ignores  # a pattern that makes no sense is told at once

    @cached_property
    def _ignores(self) -> Ignores | None:
        return compiled(self.ignored)

    def enters(self, name: bytes) -> bool:
        """Whether something of this name is mirrored, and looked into if it is a directory."""
        return name not in self.skipped and not name.startswith(TEMP_PREFIX)

    def ignores(self, path: bytes, directory: bool) -> bool:
        """Whether a pattern matches a relative path, or a directory that it lies in."""
        return self._ignores is not None and self._ignores(path, directory)

    def hides(self, path: bytes, directory: bool = False) -> bool:
        """Whether a relative path is left out by its name, or that of a directory that it lies in."""
        return not all(self.enters(part) for part in path.split(b"/")) or self.ignores(path, directory)

    def lists_file(self, path: bytes, status: os.stat_result) -> bool:
        """Whether the regular file at the absolute `path`, not hidden, is listed unasked; opens executables."""
        if self.everything:
            return True
        return not _PRODUCT.search(path) and not (status.st_mode & 0o111 and is_elf(path))

    def offers(self, path: bytes, size: int, mode: int, large: bool) -> bool:
        """Whether a listed file of `size` bytes comes with its content, unasked. large: so is its tree."""
        if size < len(WITHHELD_MARK):
            return True
        if size > self.max_size:
            return False
        if not large or _SEARCHED.search(path):
            return True
        if self.everything and (mode & 0o111 or _PRODUCT.search(path)):
            return True
        if b"." not in path.rpartition(b"/")[2]:
            return size <= _SMALL_BARE
        return size <= _SMALL and not _COMPILED.search(path)


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
