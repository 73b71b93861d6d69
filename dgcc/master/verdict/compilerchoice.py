"""Finds which compiler a command name leads to: through links, prefixes such as ccache, and scripts in front."""

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from dgcc.master.verdict.compilers import FRONTS, PREFIXES, is_standard_script, language
from dgcc.master.verdict.gathered import Gathered
from dgcc.master.verdict.places import under
from dgcc.master.verdict.stayshome import StaysHome, show

_LONGEST_SCRIPT = 64 << 10
_SCRIPT = re.compile(rb"#!\s*(?:/usr)?/bin/(?:env\s+)?(?:sh|bash|dash)(?:\s+-[a-z]+)?\s*\n")
# What has a script do more than choose and start a compiler, or choose by what a slave has otherwise: files, the host,
# or the compiler's arguments, which are others when the compiler is asked what it consists of.
_DOES_MORE = re.compile(
    rb"(?:\A|[\s;&|(`])(?:eval|source|\.|git|date|hostname|uname|curl|wget|ssh|ccache|distcc|python[0-9.]*|perl|awk|tee"
    rb"|mktemp|rm|mv|cp|ln|touch|mkdir|chmod|while|until|for|case|shift|read|find|flock|sleep|kill|wait)(?=[\s;&|)`])"
    rb"|>\s*[^&\s]|<|\$RANDOM|\$\$|\$\{?(?:HOSTNAME|PPID|SECONDS|EPOCH)|\$\(|`|(?<!\|)\|(?!\|)"
    rb"|(?<![A-Za-z0-9_])(?:PATH|LD_[A-Z_]+)="
    rb"|(?:\[\[?|\btest)\s(?:[^\]\n]*\s)?(?:-(?![nzao]\s)[a-zA-Z]|-[no]t|-ef)\s"  # tests of files
    rb"|(?:\[\[?|\btest)\s[^\]\n]*\$\{?[@*#]|\$\{?[1-9#](?!\+\"\$@\"\})"
    rb"|(?<!\$)\*|(?<!\$)\?"  # wildcards
)
# Where the script itself lies, it lies on a slave, too.
_OWN_PLACE = re.compile(
    rb"\$\((?:dirname|readlink -f|realpath)\s+(?:--\s+)?\"?(?:\$0|\$\{0\}|@)\"?\)"
    rb"|`(?:dirname|readlink -f|realpath)\s+\"?(?:\$0|\$\{0\})\"?`"
)
_PATH_IN_SCRIPT = re.compile(rb"/[^\s\"';&|()<>$`=]+")
_COMMENT = re.compile(rb"(?m)^\s*#.*$")
_MOST_PREFIXES = 8
_MOST_SCRIPTS = 4
# Another compiler than that of the command line, other paths in its objects, or a program in front that may change it.
_CCACHE_VARIABLES = (b"CCACHE_BASEDIR", b"CCACHE_COMPILER", b"CCACHE_PATH", b"CCACHE_PREFIX", b"CCACHE_PREFIX_CPP")
_CCACHE_SETTING = re.compile(
    rb"(?m)^[ \t]*(base_dir|compiler|path|prefix_command(?:_cpp)?)[ \t]*=[ \t]*([^ \t\n][^\n]*)"
)


class Choice(NamedTuple):
    """A compiler: the absolute `path` by which it is run, and the `real` name of the file behind it."""

    path: bytes
    real: bytes


def choose(name: bytes, cwd: bytes, found: Gathered) -> Choice:
    """Find the compiler behind `name`, a path or a name in PATH; takes note of prefixes on the way.

    Raises StaysHome where it is not there, is made by the build itself, or is nothing that is known to travel.
    """
    shown = show(os.path.basename(name))
    path: bytes | None = os.path.normpath(os.path.join(cwd, name))
    if b"/" not in name:
        path = found.places.lookup(name, cwd, found.env)
    for _ in range(_MOST_PREFIXES):
        there = None if path is None else found.places.probe(path)
        if path is None or there is None or there.directory:
            raise StaysHome(f"{shown} is not found")
        if under(path, found.places.roots) or under(there.real, found.places.roots):
            raise StaysHome(f"the compiler {shown} is built in the tree")
        real = os.path.basename(there.real)
        if real not in FRONTS:
            break
        if real not in PREFIXES:
            raise StaysHome(f"{shown} is {real.decode()}, in front of the compiler")
        left_out(real, found)
        found.programs[path] = None
        path = _behind(os.path.basename(path), path, cwd, found)
    else:
        raise StaysHome(f"{shown} is a compiler behind too many prefixes")
    if not is_standard_script(real) and (language(real) is None or found.places.world.read(there.real, 2) == b"#!"):
        _check_script(there.real, shown, found)
    return Choice(path, real)


def left_out(prefix: bytes, found: Gathered) -> None:
    """Have it said that a prefix is left out. Raises StaysHome where it is set up to change what is compiled."""
    if prefix == b"ccache":
        for variable in _CCACHE_VARIABLES:
            value = found.env.get(variable, b"")
            if value and not (variable == b"CCACHE_PREFIX" and _only_prefixes(value)):
                raise StaysHome(f"{variable.decode()} has ccache change what is compiled")
        for path in _ccache_files(found.env):
            for setting in _CCACHE_SETTING.finditer(found.places.world.read(path, _LONGEST_SCRIPT) or b""):
                if setting[1] == b"prefix_command" and _only_prefixes(setting[2]):
                    continue
                raise StaysHome(f"'{setting[1].decode()}' in {show(path)} has ccache change what is compiled")
    found.notes[f"{prefix.decode()} is left out of remote compiles"] = None


def _only_prefixes(commands: bytes) -> bool:
    return all(os.path.basename(command) in PREFIXES for command in commands.split())


def _ccache_files(env: Mapping[bytes, bytes]) -> list[bytes]:
    """Return where ccache looks for its settings."""
    if env.get(b"CCACHE_CONFIGPATH"):
        return [env[b"CCACHE_CONFIGPATH"]]
    home = env.get(b"HOME", b"")
    user = env.get(b"CCACHE_DIR") or home + b"/.ccache"
    config = (env.get(b"XDG_CONFIG_HOME") or home + b"/.config") + b"/ccache"
    return [b"/etc/ccache.conf", user + b"/ccache.conf", config + b"/ccache.conf"]


def _behind(name: bytes, front: bytes, cwd: bytes, found: Gathered) -> bytes | None:
    """Find the next `name` in PATH that does not lead to what is behind `front`, as the prefixes themselves do."""
    before = found.places.probe(front)
    entries = found.env.get(b"PATH", b"/bin:/usr/bin").split(b":")
    own = os.path.dirname(front)
    if own in entries:  # what stands in its place on a slave looks behind its own directory
        entries = entries[len(entries) - entries[::-1].index(own):]
    for entry in entries:
        path = found.places.lookup(name, cwd, {b"PATH": entry})
        there = None if path is None else found.places.probe(path)
        if path is not None and there is not None and before is not None and there.real != before.real:
            return path
    return None


def _check_script(real: bytes, shown: str, found: Gathered, depth: int = 0) -> None:
    """Check that what has a compiler's name and is none is a plain script that starts one, as are scripts it names."""
    text = found.places.world.read(real, _LONGEST_SCRIPT)
    if text is None or not _SCRIPT.match(text) or depth == _MOST_SCRIPTS:
        raise StaysHome(f"{shown} is really {show(real)}, which is no compiler that travels")
    body = _COMMENT.sub(b"", text)
    rest = _OWN_PLACE.sub(b"@", _OWN_PLACE.sub(b"@", body))
    more = _DOES_MORE.search(rest)
    if more is not None or not re.search(rb"\"?\$@\"?|\$\{1\+\"\$@\"\}|\$\*", body) or len(text) == _LONGEST_SCRIPT:
        what = show(more[0].strip(), 20) if more else "what it does with its arguments"
        raise StaysHome(f"{shown} is a script ({show(real)}) that does more than to start a compiler ({what})")
    for path in dict.fromkeys(_PATH_IN_SCRIPT.findall(body)):
        there = found.places.probe(path)
        if there is None or there.directory or there.real == real:
            continue
        if found.places.world.read(there.real, 2) == b"#!" and not is_standard_script(os.path.basename(there.real)):
            _check_script(there.real, show(os.path.basename(path)), found, depth + 1)
