"""What a link reads: libraries in the project and outside, and the files that options of the linker name."""

import os
import re

from dgcc.master.verdict.compilecommand import Compile
from dgcc.master.verdict.gathered import Gathered
from dgcc.master.verdict.places import SYSTEM_LIBRARIES, absolute, normal, under
from dgcc.master.verdict.stayshome import StaysHome, show

_THIN = b"!<thin>\n"
# The word behind these is text for the output or a path of the machine where the program will run.
_TEXT_BEHIND = frozenset(
    b"""
    -rpath --rpath -rpath-link -soname -h --soname -dynamic-linker --dynamic-linker -z -e --entry -u -m --defsym
    """.split()
)
_FILE_OPTIONS = re.compile(
    rb"(?:-T|--?(?:version-script|dynamic-list|retain-symbols-file|just-symbols|script|symbol-ordering-file"
    rb"|default-script|version-exports-section|R))(?:=(?P<file>.+))?\Z"
)
_WRITTEN = re.compile(rb"--?(?:Map|print-map-file|dependency-file|out-implib)(?:=(?P<file>.+))?\Z")


def link(command: Compile, number: int, cwd: bytes, found: Gathered) -> None:
    """Take note of what a link with the toolchain `number` reads. Raises StaysHome."""
    found.links = True
    for path in command.linked:
        check_archive(path, cwd, found)
    searched: list[bytes] = []
    for path in command.library_directories:
        whole = normal(absolute(path, cwd))
        if path[:1] == b"=":
            raise StaysHome(f"-L{show(path)} depends on the compiler's own system root")
        if not under(whole, SYSTEM_LIBRARIES) or under(whole, found.places.roots):
            found.searches(path, cwd, "-L")
            searched.append(path)
    for name in command.libraries:
        found.libraries[number, name] = None
        project_library(name, searched, cwd, found)
    _linker_words(command.linker, number, searched, cwd, found)


def project_library(name: bytes, searched: list[bytes], cwd: bytes, found: Gathered) -> None:
    """Make the files in the project that -l`name` may stand for inputs, since products are not mirrored unasked."""
    for directory in searched:
        files = (name[1:],) if name[:1] == b":" else (b"lib%b.so" % name, b"lib%b.a" % name)
        for file in files:
            path = os.path.join(directory, file)
            if found.exists(path, cwd):
                found.uses(path, cwd, "the library")
                check_archive(path, cwd, found)


def check_archive(path: bytes, cwd: bytes, found: Gathered) -> None:
    """Refuse an archive that only names its members, which are then not known."""
    if path[-2:] == b".a" and found.places.world.read(normal(absolute(path, cwd)), len(_THIN)) == _THIN:
        raise StaysHome(f"{show(path)} is a thin archive, whose members lie elsewhere")


def _linker_words(words: list[bytes], number: int, searched: list[bytes], cwd: bytes, found: Gathered) -> None:
    rest = iter(words)
    for word in rest:
        if word in _TEXT_BEHIND:
            next(rest, None)
            continue
        if word[:1] == b"@":
            raise StaysHome(f"the linker's options are in a file ({show(word)})")
        reads, writes = _FILE_OPTIONS.match(word), _WRITTEN.match(word)
        if reads is not None:
            path = reads["file"] or next(rest, b"")
            if b"/" in path or found.exists(path, cwd):
                found.uses(path, cwd, show(word.partition(b"=")[0]))
        elif writes is not None:
            found.writes(writes["file"] or next(rest, b""), cwd, show(word.partition(b"=")[0]))
        elif word[:2] == b"-l" and len(word) > 2:
            found.libraries[number, word[2:]] = None
            project_library(word[2:], searched, cwd, found)
        elif word[:2] == b"-L" and len(word) > 2:
            found.searches(word[2:], cwd, "-L")
            searched.append(word[2:])
        elif word[:1] != b"-" and found.exists(word, cwd):
            found.uses(word, cwd, "the linker's file")
            check_archive(word, cwd, found)
