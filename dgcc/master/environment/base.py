"""The plain tools that recipes use beside a compiler, with the data that they need."""

import os

from dgcc.master.environment.locales import add_charsets, add_locales, add_terminals, add_zones
from dgcc.master.environment.parts import Collection
from dgcc.master.environment.prefixes import add_prefixes
from dgcc.master.environment.programs import Programs
from dgcc.master.environment.questions import Questions, is_program
from dgcc.master.environment.trouble import EnvironmentTrouble

_TOOLS = b"""
    sh bash dash
    [ arch b2sum base32 base64 basename basenc cat chgrp chmod chown cksum comm cp csplit cut date dd df dir dircolors
    dirname du echo env expand expr factor false fmt fold groups head hostid id install join link ln logname ls md5sum
    mkdir mkfifo mknod mktemp mv nice nl nohup nproc numfmt od paste pathchk pinky pr printenv printf ptx pwd readlink
    realpath rm rmdir runcon seq sha1sum sha224sum sha256sum sha384sum sha512sum shred shuf sleep sort split stat
    stdbuf stty sum sync tac tail tee test timeout touch tr true truncate tsort tty uname unexpand uniq unlink users
    vdir wc who whoami yes
    sed grep egrep fgrep awk mawk gawk nawk diff cmp diff3 sdiff find xargs make gmake
    tar gzip gunzip zcat bzip2 bunzip2 bzcat xz unxz xzcat
    file libtool getconf getopt hostname which flock setsid
    """.split()
_DATA = (b"/etc/nsswitch.conf", b"/etc/magic", b"/usr/share/misc/magic", b"/usr/share/misc/magic.mgc")
_SHELL = b"/bin/sh"


def collect_base(questions: Questions, programs: Programs, to: Collection) -> None:
    """Add every tool wherever it lies in PATH or the usual directories: which comes first decides what runs.

    Raises EnvironmentTrouble if there is no shell.
    """
    if not is_program(_SHELL):
        raise EnvironmentTrouble(f"there is no {os.fsdecode(_SHELL)}, which runs every recipe")
    found = [_SHELL]
    for directory in questions.tool_directories:
        for name in _TOOLS:
            path = directory.rstrip(b"/") + b"/" + name
            if is_program(path):
                found.append(path)
            elif directory in questions.path:
                to.absent.add(path)
    programs.add_all(found, to)
    add_prefixes(questions, to)
    add_locales(questions.environ, to)
    add_terminals(questions.environ, to)
    add_zones(questions.environ, to)
    libc = [path for path in to.files if os.path.basename(path) == b"libc.so.6"]
    add_charsets(libc, to)
    for path in _DATA:
        if os.path.exists(path):
            to.files.add(path)
    for path in libc:
        # Of glibc before 2.34, which looked users up by a plugin of its own.
        plugin = os.path.dirname(path) + b"/libnss_files.so.2"
        if os.path.isfile(plugin):
            to.files.add(plugin)
