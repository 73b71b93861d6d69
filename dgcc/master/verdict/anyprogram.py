"""Judges a command of which nothing is known but its words: a program of the project, or one that a rule lets go."""

import os
import re
from collections.abc import Sequence

from dgcc.master.verdict.gathered import Gathered, Ran
from dgcc.master.verdict.linking import check_archive
from dgcc.master.verdict.places import absolute, normal, under
from dgcc.master.verdict.stayshome import StaysHome, show
from dgcc.master.verdict.tools import Argument

# What no slave can do for its user: it asks, it is privileged, or it works on more than files.
_NEVER = frozenset(
    b"""
    sudo su doas pkexec runuser setpriv ssh scp sftp rsync docker podman vi vim nvim nano emacs ed less more top man
    mount umount systemctl service kill killall pkill git hg svn bzr curl wget crontab at dialog whiptail read
    gdb screen tmux xdg-open reboot shutdown chroot unshare nsenter
    """.split()
)
_HIDDEN_PATH = re.compile(rb"(?:-[A-Za-z]|@|[^\s=]*=)(?P<path>\S+)")
_INTERPRETER = re.compile(rb"#![ \t]*(?P<program>/\S+)(?:[ \t]+(?P<argument>[^\s-]\S*))?")
_LONGEST_FIRST_LINE = 512
_EVERYWHERE = (b"sh", b"bash", b"dash", b"env")  # what every slave has anyway


def project_program(argv: Sequence[Argument], cwd: bytes, found: Gathered) -> None:
    """Judge a program that lies in the project, and whatever its words name. Raises StaysHome."""
    name = argv[0]
    assert name is not None
    found.name(show(os.path.basename(name), 40))
    found.weighty += 1
    found.uses(name, cwd, "the program")
    interpreter(name, cwd, found)
    named_words(argv, cwd, found)
    found.ran.append(Ran(tuple(argv)))


def ruled_program(argv: Sequence[Argument], cwd: bytes, found: Gathered) -> None:
    """Judge a program of the system that a rule sends away, and whatever its words name. Raises StaysHome."""
    name = argv[0]
    assert name is not None
    base = os.path.basename(name)
    shown = show(base, 40) or "an empty name"
    found.name({b"ar": "AR", b"ranlib": "RANLIB", b"ld": "LD"}.get(base, shown))
    if base in _NEVER:
        raise StaysHome(f"{shown} is nothing that a slave could do, rule or no rule")
    path = os.path.normpath(os.path.join(cwd, name)) if b"/" in name else found.places.lookup(name, cwd, found.env)
    if path is None or not found.exists(path, cwd):
        raise StaysHome(f"{shown} is not found")
    if under(path, found.places.roots):
        project_program((path, *argv[1:]), cwd, found)
        return
    found.weighty += 1
    found.programs[path] = None
    interpreter(path, cwd, found)
    named_words(argv, cwd, found)
    found.links = found.links or base in (b"ld", b"gold")
    found.ran.append(Ran(tuple(argv)))


def interpreter(path: bytes, cwd: bytes, found: Gathered) -> None:
    """Take note of the program that reads the script at `path`, if it is a script."""
    head = found.places.world.read(normal(absolute(path, cwd)), _LONGEST_FIRST_LINE)
    line = _INTERPRETER.match(head or b"")
    if line is None:
        return
    program = line["program"]
    if under(program, found.places.roots):
        found.uses(program, cwd, "the interpreter")
    elif not (os.path.dirname(program) in (b"/bin", b"/usr/bin") and os.path.basename(program) in _EVERYWHERE):
        found.programs[program] = None
    if os.path.basename(program) == b"env" and line["argument"]:
        behind = found.places.lookup(line["argument"], cwd, found.env)
        if behind is not None and not under(behind, found.places.roots):
            found.programs[behind] = None


def named_words(argv: Sequence[Argument], cwd: bytes, found: Gathered) -> None:
    """Make what exists by the name of a word, or behind an option's letter or =, an input. Raises StaysHome."""
    base = show(os.path.basename(argv[0] or b""), 40)
    for word in argv[1:]:
        if word is None:
            raise StaysHome(f"{base} has an argument that only the shell can tell")
        if word == b"" or word == b"/dev/null":
            continue
        _named(word, word[:1] == b"/" or word[:3] == b"../", cwd, base, found)
        hidden = _HIDDEN_PATH.fullmatch(word)
        if hidden is not None:
            _named(hidden["path"], hidden["path"][:1] == b"/" or hidden["path"][:3] == b"../", cwd, base, found)


def _named(path: bytes, surely: bool, cwd: bytes, base: str, found: Gathered) -> None:
    whole = normal(absolute(path, cwd))
    inside = under(whole, found.places.roots)
    there = found.places.probe(absolute(path, cwd))
    if there is None:
        if surely and not inside:
            raise StaysHome(f"{base} is given {show(path)}, which is outside the project and not there")
        return
    if not (surely or inside):
        return
    if there.directory:
        if not found.generous:
            raise StaysHome(f"{base} is given a whole directory ({show(path)})")
        found.searches(path, cwd, f"{base}'s directory")
        return
    found.uses(path, cwd, f"{base}'s file")
    check_archive(path, cwd, found)
