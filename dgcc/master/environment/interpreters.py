"""What an interpreter loads beside its own program: the modules of Python and Perl, by their own answer."""

import os
import re
from collections.abc import Callable

from dgcc.master.environment.questions import Questions

_PYTHON = re.compile(rb"python[0-9.]*\Z")
_PERL = re.compile(rb"perl[0-9.]*\Z")
_ASK_PYTHON = (
    b"-c",
    b"import os, sys, sysconfig\n"
    b"own = [sysconfig.get_path(name) for name in ('stdlib', 'platstdlib')]\n"
    b"sys.stdout.buffer.write(b'\\0'.join(map(os.fsencode, [*own, *sys.path])))",
)
_ASK_PERL = (b"-e", b'print join("\\0", @INC)')
_LIBRARY = re.compile(rb"\.so(?:\.[0-9.]+)?\Z")


def modules(program: bytes, questions: Questions) -> tuple[set[bytes], set[bytes]]:
    """Directories of modules, with all below, and single files that the interpreter at `program` reads.

    Both are empty if it is neither Python nor Perl. Raises EnvironmentTrouble if it cannot be run.
    """
    name = os.path.basename(os.path.realpath(program))
    if _PYTHON.match(name):
        answer = questions.run(program, *_ASK_PYTHON)
        places = {place for place in answer.out.split(b"\0") if place.startswith(b"/")}
        # A virtual environment's Python finds its modules by this file.
        around = os.path.dirname(os.path.dirname(program)) + b"/pyvenv.cfg"
        files = {around} if os.path.isfile(around) else set()
        return {place for place in places if os.path.isdir(place)}, files
    if _PERL.match(name):
        answer = questions.run(program, *_ASK_PERL)
        return {place for place in answer.out.split(b"\0") if place.startswith(b"/") and os.path.isdir(place)}, set()
    return set(), set()


def libraries_in(directory: bytes, is_elf: Callable[[bytes], bool]) -> list[bytes]:
    """The shared libraries below a directory of modules, which have libraries of their own."""
    found = []
    for place, _, names in os.walk(directory):
        found += [place + b"/" + name for name in names if _LIBRARY.search(name) and is_elf(place + b"/" + name)]
    return sorted(found)
