"""Judges one command of a recipe: a compile, a plain tool, a program of the project; all else stays home."""

import os
import re
from collections.abc import Mapping, Sequence

from dgcc.master.verdict.anyprogram import project_program, ruled_program
from dgcc.master.verdict.compilerchoice import left_out
from dgcc.master.verdict.compilers import BUILDERS, FRONTS, PREFIXES, language
from dgcc.master.verdict.compiling import compile_command
from dgcc.master.verdict.gathered import Gathered, Ran
from dgcc.master.verdict.libtool import libtool
from dgcc.master.verdict.places import SYSTEM_PROGRAMS, Places, absolute, normal, under
from dgcc.master.verdict.stayshome import StaysHome, show
from dgcc.master.verdict.tools import TEXT_ONLY, TOOLS, Argument, tested_files, use_of

# A slave has these for certain.
_PLAIN_LOCALES = frozenset((b"", b"C", b"POSIX", b"C.UTF-8", b"C.utf8"))
# Programs that lie in projects and are known to look at nothing but what they are given.
_PROJECT_PROGRAMS = frozenset((b"fixdep", b"objtool", b"recordmcount", b"sorttable"))
# Programs of the toolchain that work on the objects that they are given, beside a compile.
_OBJECT_TOOLS = frozenset((b"objcopy", b"strip", b"nm", b"objdump", b"readelf", b"size", b"strings", b"ranlib"))
_LINK_NAMES = {b"ar": "AR", b"ranlib": "RANLIB", b"ld": "LD", b"strip": "STRIP"}
_MODES = frozenset((b"gcc3", b"gcc", b"none", b"dashmstdout"))
# How automake's own scripts begin to say what they are.
_DEPCOMP = b"# depcomp - compile a program generating dependencies"
_COMPILE = b"# Wrapper for compilers which do not understand '-c -o'."
_HEAD = 256


class Steps:
    """Judges commands one by one; `found` has what they were found to use."""

    def __init__(self, env: Mapping[bytes, bytes], places: Places, generous: bool = False) -> None:
        """`generous`: a rule says that the recipe travels, so its commands need not be known."""
        self.found = Gathered(env, places, generous)
        self._env = env
        self._places = places

    def run(
        self, argv: Sequence[Argument], cwd: bytes, fed: bool, settings: Mapping[bytes, bytes | None] = {},
        recorded: Sequence[Argument] = (),
    ) -> None:  # fmt: skip
        """Judge one command; `fed`: its standard input is a pipe or a file. Raises StaysHome.

        `settings` are the variables before the command; `recorded` is the whole command where `argv` is its end.
        """
        name = argv[0]
        if name is None:
            raise StaysHome("the shell line has a command whose name the shell computes")
        base = os.path.basename(name)
        self.found.names.add(base)
        arguments = argv[1:]
        own = b"/" in name and under(normal(absolute(name, cwd)), self._places.roots)
        if language(base) is not None:
            compile_command(argv, cwd, fed, self.found, recorded)
        elif base in FRONTS:
            self._front(argv, cwd, fed, settings, recorded or argv)
        elif name == base and (base in TEXT_ONLY or base in (b"test", b"[")):
            self._text(base, arguments)
            if base in (b"test", b"["):
                for path in tested_files(arguments):
                    self._tests(path, cwd)
            self.found.ran.append(Ran(tuple(argv)))
        elif base in TOOLS and (name == base or os.path.dirname(name) in SYSTEM_PROGRAMS):
            self.system_program(name, cwd)
            self._tool(base, arguments, cwd, fed)
            self.found.ran.append(Ran(tuple(argv)))
        elif base in (b"env", b"nice", b"command") and (name == base or os.path.dirname(name) in SYSTEM_PROGRAMS):
            self._runs_another(base, argv, cwd, fed, settings, recorded or argv)
        elif base in BUILDERS:
            self.found.name(show(base, 20))
            raise StaysHome(f"it runs another build ({show(base, 20)})")
        elif base.endswith(b"libtool"):
            if not own:
                self.system_program(name, cwd)
            libtool(name, arguments, cwd, own, self.found)
        elif own and base in (b"depcomp", b"compile") and self._automake(base, name, cwd):
            self._behind_script(base, argv, cwd, fed, settings, recorded or argv)
        elif own:
            if base not in _PROJECT_PROGRAMS and not self.found.generous:
                self.found.stranger = show(base, 40)
            project_program(argv, cwd, self.found)
        elif self.found.generous or _is_object_tool(base):
            ruled_program(argv, cwd, self.found)
        else:
            self.found.name(_LINK_NAMES.get(base) or show(base, 30))
            raise StaysHome(f"{show(base, 40) or 'an empty name'} is not a command that travels")

    def system_program(self, name: bytes, cwd: bytes) -> None:
        """Check that a plain tool or shell is the system's own, and take note of one from elsewhere than /usr/bin."""
        path = name if b"/" in name else self._places.shadowed(name, cwd, self._env)
        if path is None:
            return
        directory = os.path.dirname(path)
        if directory not in SYSTEM_PROGRAMS:
            raise StaysHome(f"{show(os.path.basename(name))} is {show(path)}, not the system's")
        if directory not in (b"/bin", b"/usr/bin"):
            self.found.programs[path] = None

    def _front(
        self, argv: Sequence[Argument], cwd: bytes, fed: bool, settings: Mapping[bytes, bytes | None],
        recorded: Sequence[Argument],
    ) -> None:  # fmt: skip
        """Judge the compiler behind ccache and its like; on a slave, something in its place just runs the rest."""
        name = argv[0]
        assert name is not None
        base = os.path.basename(name)
        self.found.name(base.decode())
        if base not in PREFIXES:
            raise StaysHome(f"{base.decode()} is in front of the compiler")
        path = absolute(name, cwd) if b"/" in name else self._places.lookup(name, cwd, self._env)
        there = None if path is None else self._places.probe(path)
        if path is None or there is None or under(there.real, self._places.roots):
            raise StaysHome(f"{base.decode()} is not found, or built in the tree")
        behind = os.path.basename(argv[1] or b"") if len(argv) > 1 else b""
        if language(behind) is None and behind not in PREFIXES:
            raise StaysHome(f"{base.decode()} is understood only in front of a compiler")
        left_out(base, self.found)
        self.found.programs[normal(path)] = None
        label = self.found.label
        self.found.label = "" if label == base.decode() else label
        self.run(argv[1:], cwd, fed, settings, recorded)

    def _runs_another(
        self, base: bytes, argv: Sequence[Argument], cwd: bytes, fed: bool, settings: Mapping[bytes, bytes | None],
        recorded: Sequence[Argument],
    ) -> None:  # fmt: skip
        """Judge the command behind env, nice or command, where nothing that counts is changed for it."""
        self.system_program(argv[0] or b"", cwd)
        place = 1
        while place < len(argv):
            word = argv[place]
            if word is None:
                raise StaysHome(f"{base.decode()} has an argument that only the shell can tell")
            if base == b"env" and re.match(rb"[A-Za-z_][A-Za-z0-9_]*=", word):
                variable, _, value = word.partition(b"=")
                check_setting(variable, value, self._env, "env")
            elif base == b"nice" and (word == b"-n" or re.fullmatch(rb"-n?[0-9]+|--adjustment=[0-9]+", word)):
                place += word == b"-n"
            elif word[:1] == b"-":
                raise StaysHome(f"{base.decode()} {show(word)} is not understood")
            else:
                break
            place += 1
        if place >= len(argv):
            raise StaysHome(f"{base.decode()} runs nothing")
        self.run(argv[place:], cwd, fed, settings, recorded)

    def _automake(self, base: bytes, name: bytes, cwd: bytes) -> bool:
        head = self._places.world.read(normal(absolute(name, cwd)), _HEAD)
        return head is not None and (_DEPCOMP if base == b"depcomp" else _COMPILE) in head

    def _behind_script(
        self, base: bytes, argv: Sequence[Argument], cwd: bytes, fed: bool, settings: Mapping[bytes, bytes | None],
        recorded: Sequence[Argument],
    ) -> None:  # fmt: skip
        """Judge the compile behind automake's depcomp or compile, which come along."""
        self.found.uses(argv[0] or b"", cwd, "the program")
        if base == b"depcomp":
            mode = settings.get(b"depmode", self._env.get(b"depmode"))
            if mode not in _MODES:
                raise StaysHome(f"depcomp's way to find dependencies is not understood ({show(mode or b'', 20)})")
            for variable in (b"depfile", b"tmpdepfile"):
                path = settings.get(variable)
                if path:
                    self.found.writes(path, cwd)
            if mode == b"gcc3" and not settings.get(b"depfile"):
                self._default_depfile(settings, cwd)
        if len(argv) < 2:
            raise StaysHome(f"{base.decode()} has no command")
        behind = os.path.basename(argv[1] or b"")
        if language(behind) is None and behind not in PREFIXES and not behind.endswith((b"libtool", b"compile", b"sh")):
            raise StaysHome(f"{base.decode()} runs {show(behind, 40)}, which is no compiler that travels")
        rest = argv[1:]
        if os.path.basename(rest[0] or b"") in (b"sh", b"bash", b"dash") and len(rest) > 1:
            self.system_program(rest[0] or b"", cwd)
            rest = rest[1:]
        self.run(rest, cwd, fed, settings, recorded)

    def _default_depfile(self, settings: Mapping[bytes, bytes | None], cwd: bytes) -> None:
        target = settings.get(b"object")
        if target:
            directory, name = os.path.split(target)
            stem = os.path.splitext(name)[0]
            depdir = settings.get(b"DEPDIR", self._env.get(b"DEPDIR")) or b".deps"
            self.found.writes(os.path.join(directory, depdir, stem + b".Po"), cwd)

    def _text(self, base: bytes, arguments: Sequence[Argument]) -> None:
        for word in arguments:
            if word is not None and b"/dev/" in word and base in (b"test", b"["):
                raise StaysHome(f"test looks at {show(word)}")

    def _tests(self, path: bytes, cwd: bytes) -> None:
        """What lies outside may be on a slave or not, so a test of it has no answer that counts."""
        whole = normal(absolute(path, cwd))
        if not under(whole, self._places.roots):
            raise StaysHome(f"the tested file {show(path)} lies outside the project")
        self.found.uses(path, cwd, "the tested file")

    def _collation(self) -> bytes:
        for variable in (b"LC_ALL", b"LC_COLLATE", b"LANG"):
            if self._env.get(variable):
                return self._env[variable]
        return b""

    def _tool(self, base: bytes, arguments: Sequence[Argument], cwd: bytes, fed: bool) -> None:
        if base == b"sort" and self._collation() not in _PLAIN_LOCALES:
            raise StaysHome("sort depends on the locale")
        use = use_of(base, arguments)
        if use.reads_input and not fed:
            raise StaysHome(f"{base.decode()} reads standard input")
        writes = base in _WRITING
        for place, path in enumerate(use.files):
            what = f"{base.decode()}'s file"
            if writes and not (base in (b"cp", b"ln") and place < len(use.files) - 1):
                self._places.written(path, cwd, what)
            whole = self.found.uses(path, cwd, what)
            if base in (b"mv", b"rm"):
                self.found.passing.add(normal(absolute(path, cwd)))
            # A mirrored directory may lack files of kinds that are left out; whoever moves it would tell.
            if whole is not None and base in (b"mv", b"cp", b"rm", b"ln") and path is use.files[0]:
                there = self._places.probe(absolute(path, cwd))
                if there is not None and there.directory:
                    raise StaysHome(f"{base.decode()} works on a whole directory ({show(path)})")
        if base in (b"mv", b"cp") and len(use.files) == 2:
            target = normal(absolute(use.files[1], cwd))
            there = self._places.probe(target)
            if there is None or not there.directory:
                self.found.made.add(target)


def _is_object_tool(name: bytes) -> bool:
    prefix, _, tool = name.rpartition(b"-")
    return tool in _OBJECT_TOOLS and (prefix in (b"", b"llvm") or language(prefix + b"-gcc") is not None)


_WRITING = frozenset((b"rm", b"mv", b"cp", b"ln", b"touch", b"mkdir", b"chmod", b"tee", b"rmdir"))

# Set for a command, these change what it runs or reads in ways that the line does not show.
STEERING = re.compile(
    rb"PATH|CDPATH|IFS|ENV|PWD|SHELLOPTS|(?:LD|GCC|BASH|CCC|COLLECT)_.*|BASH.*|.*_INCLUDE_PATH|CPATH"
    rb"|COMPILER_PATH|LIBRARY_PATH|.*DEPENDENCIES.*|POSIXLY_CORRECT|GREP_OPTIONS"
)
_LOCALE = frozenset((b"LANG", b"LC_ALL", b"LC_COLLATE", b"LC_CTYPE", b"LC_MESSAGES", b"LANGUAGE"))


_ZONES = b"/usr/share/zoneinfo/"


def check_zone(name: bytes, value: Argument, who: str) -> None:
    """Check that TZ leads to a time zone that slaves have: __TIMESTAMP__ is written in it. Raises StaysHome."""
    zone = (value or b"").removeprefix(b":")
    outside = zone[:1] == b"/" and not zone.startswith(_ZONES)
    if value is None or outside or b".." in zone.split(b"/") or (name == b"TZDIR" and value):
        raise StaysHome(f"{who} has a time zone of its own ({show(name)})")


def check_setting(name: bytes, value: Argument, env: Mapping[bytes, bytes], who: str) -> None:
    """Check that a variable may be set in a recipe, to `value` if that is known. Raises StaysHome."""
    if STEERING.fullmatch(name):
        raise StaysHome(f"{who} sets {show(name)}")
    # Slaves have the locale that the build has, and these.
    if name in (b"TZ", b"TZDIR"):
        check_zone(name, value, who)
    if name in _LOCALE and value not in _PLAIN_LOCALES and (value is None or value != env.get(name)):
        raise StaysHome(f"{who} sets another locale ({show(name)})")
