"""Programs that stand in front of a compiler, such as ccache. On a slave a script of ours stands in their place."""

import os
from pathlib import Path

from dgcc.master.environment.parts import Collection
from dgcc.master.environment.questions import Questions, is_program
from dgcc.master.verdict.compilers import PREFIXES

NAMES = PREFIXES
"""What they are called: those that the verdict lets travel. The script prefix.sh knows them, too."""

SHIM = Path(__file__).with_name("prefix.sh")
"""What stands in their place: runs the command that follows, or the next compiler in PATH."""

_MASQUERADES = (
    b"/usr/lib/ccache",
    b"/usr/lib64/ccache",
    b"/usr/lib/ccache/bin",
    b"/usr/lib/distcc",
    b"/usr/lib/distcc/bin",
    b"/usr/lib/icecc/bin",
    b"/usr/libexec/icecc/bin",
    b"/usr/local/libexec/ccache",
)


def is_prefix(path: bytes) -> bool:
    """Whether `path`, or what it leads to, is such a program."""
    return os.path.basename(path) in NAMES or os.path.basename(os.path.realpath(path)) in NAMES


def add_prefixes(questions: Questions, to: Collection) -> None:
    """Those that are installed, and their links under compilers' names."""
    for directory in questions.tool_directories:
        for name in sorted(NAMES):
            path = directory.rstrip(b"/") + b"/" + name
            if is_program(path):
                to.files.add(path)
                to.replaced.add(path)
    for directory in dict.fromkeys((*_MASQUERADES, *questions.path)):
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            continue
        for name in names:
            path = directory.rstrip(b"/") + b"/" + name
            # Of the links in a large /usr/bin, those to ccache are found by what they say.
            if os.path.islink(path) and os.path.basename(os.readlink(path)) in NAMES and is_program(path):
                to.files.add(path)
                to.replaced.add(path)
