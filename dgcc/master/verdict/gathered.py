"""What has been found about a recipe so far: all that its verdict will be made of."""

import os
import re
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from dgcc.master.verdict.needs import Needs, Toolchain
from dgcc.master.verdict.places import Places, absolute, under
from dgcc.master.verdict.tools import Argument

# Made by linkers and archivers, which remove what was there before they write.
_PRODUCT = re.compile(rb"\.(?:o|a|so|lo|la|obj|ko|so\.[0-9.]+)\Z")


class Ran(Struct):
    """One command as it would be run: its words, and the edits that stand in for what asks for this machine."""

    words: tuple[Argument, ...]
    edits: tuple[tuple[bytes, tuple[bytes, ...]], ...] = ()


class Gathered(Struct):
    """The findings; dicts without values are sets in order of appearance, paths are absolute and normal.

    `names` are those of all commands, `label` says for display what the recipe does, `weighty` counts the
    commands that make something, `compiles` those of them that compile; `stranger` is the name of a program of
    the project that may ask for anything: git, the host's name, files that are not mirrored.
    """

    env: Mapping[bytes, bytes]
    places: Places
    generous: bool = False  # a rule says that it travels, so commands need not be known
    toolchains: dict[Toolchain, None] = field(default_factory=dict)
    programs: dict[bytes, None] = field(default_factory=dict)
    libraries: dict[tuple[int, bytes], None] = field(default_factory=dict)
    links: bool = False
    inputs: dict[bytes, None] = field(default_factory=dict)
    outputs: dict[bytes, None] = field(default_factory=dict)
    made: set[bytes] = field(default_factory=set)  # what the line itself surely writes before it goes on
    passing: set[bytes] = field(default_factory=set)  # outputs that may not be there in the end
    notes: dict[str, None] = field(default_factory=dict)
    ran: list[Ran] = field(default_factory=list)
    names: set[bytes] = field(default_factory=set)
    label: str = ""
    weighty: int = 0
    compiles: int = 0
    stranger: str = ""

    def name(self, label: str) -> None:
        """Name the recipe, if nothing before has."""
        self.label = self.label or label

    def uses(self, path: bytes, cwd: bytes, what: str) -> bytes | None:
        """Check a file that a command reads, and make it an input if it exists; gives its absolute path."""
        whole = self.places.read(path, cwd, what)
        if whole is not None and under(whole, self.places.roots):
            self._take(whole, absolute(path, cwd))
        return whole

    def searches(self, path: bytes, cwd: bytes, what: str) -> bytes | None:
        """Check a directory that a command searches."""
        return self.places.read(path, cwd, what, directory=True)

    def writes(self, path: bytes, cwd: bytes, what: str = "the output") -> bytes | None:
        """Check a file that a command writes; one that exists is an input, as it may be written over in place."""
        whole = self.places.written(path, cwd, what)
        if whole is not None and not _PRODUCT.search(whole):
            self._take(whole, absolute(path, cwd))
        return whole

    def _take(self, whole: bytes, written: bytes) -> None:
        found = self.places.probe(written)
        if found is not None and not found.directory and under(found.real, self.places.roots):
            self.inputs[whole] = None
            self.inputs[found.real] = None

    def exists(self, path: bytes, cwd: bytes) -> bool:
        """Tell whether a file, no directory, is at `path`."""
        found = self.places.probe(absolute(path, cwd))
        return found is not None and not found.directory

    def toolchain(self, chain: Toolchain) -> int:
        """Take note of a compiler; gives its number."""
        self.toolchains.setdefault(chain)
        return list(self.toolchains).index(chain)

    def needs(self) -> Needs:
        """Return what the recipe needs outside the roots."""
        return Needs(
            tuple(self.toolchains), tuple(self.programs), tuple(self.places.outside), tuple(self.libraries), self.links
        )


def base_name(words: Sequence[Argument]) -> bytes:
    """Return the name, without directory, of the command that `words` are; empty where it is not known."""
    return os.path.basename(words[0] or b"") if words else b""
