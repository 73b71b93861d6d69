"""Judges one command of a recipe: a compile, a plain tool, a program of the project; all else stays home."""

import os
import re
from collections.abc import Mapping, Sequence

from dgcc.master.verdict.compileoptions import Compile, read_options
from dgcc.master.verdict.compilers import BUILDERS, FRONTS, is_standard_script, language
from dgcc.master.verdict.places import SYSTEM_PROGRAMS, Places, absolute, under
from dgcc.master.verdict.stayshome import StaysHome, show
from dgcc.master.verdict.tools import TEXT_ONLY, TOOLS, Argument, tested_files, use_of

_LIBTOOL_ONLY = frozenset((b"-prefer-pic", b"-prefer-non-pic", b"-static", b"-shared", b"-no-suppress"))
_LIBTOOL_DISPLAY = frozenset((b"--silent", b"--quiet", b"--verbose", b"--no-silent"))
_LINK_NAMES = {b"ar": "AR", b"ranlib": "RANLIB", b"ld": "LD", b"strip": "STRIP"}
# A slave has these for certain.
_PLAIN_LOCALES = frozenset((b"", b"C", b"POSIX", b"C.UTF-8", b"C.utf8"))
# What jails have of their host; a compiler elsewhere would not be found.
_IN_JAIL = (b"/usr", b"/bin", b"/sbin", b"/lib", b"/lib64", b"/opt")
# Programs that lie in projects and are known to look at nothing but what they are given.
_PROJECT_PROGRAMS = frozenset((b"fixdep", b"depcomp", b"compile", b"objtool", b"recordmcount", b"sorttable"))
_HIDDEN_PATH = re.compile(rb"(?:-[A-Za-z]|[^\s=]*=)(/\S*)")


class Steps:
    """Judges commands one by one and keeps what they were found to use.

    `compilers`, `inputs` and `outputs` are sets in order of appearance (absolute paths), `names` those of all
    commands, `label` says for display what the recipe does, `weighty` counts the commands
    that make something: compiles, and programs of the project.
    """

    def __init__(self, env: Mapping[bytes, bytes], places: Places) -> None:
        self._env = env
        self._places = places
        self.compilers: dict[bytes, None] = {}
        self.inputs: dict[bytes, None] = {}
        self.outputs: dict[bytes, None] = {}
        self.names: set[bytes] = set()
        self.label = ""
        self.weighty = 0
        # A program of the project that may ask for anything: git, the host's name, files that are not mirrored.
        self.stranger = ""

    def run(self, argv: Sequence[Argument], cwd: bytes, fed: bool) -> None:
        """Judge one command; `fed`: its standard input is a pipe or a file. Raises StaysHome."""
        name = argv[0]
        if name is None:
            raise StaysHome("the shell line has a command whose name the shell computes")
        base = os.path.basename(name)
        self.names.add(base)
        arguments = argv[1:]
        if language(base) is not None:
            self._compile(name, arguments, cwd)
        elif base in FRONTS:
            self._name(base.decode())
            raise StaysHome(f"{base.decode()} is in front of the compiler")
        elif name == base and (base in TEXT_ONLY or base in (b"test", b"[")):
            self._text(base, arguments)
            if base in (b"test", b"["):
                for path in tested_files(arguments):
                    self.uses(path, cwd, "the tested file")
        elif base in TOOLS and (name == base or os.path.dirname(name) in SYSTEM_PROGRAMS):
            self.system_program(name, cwd)
            self._tool(base, arguments, cwd, fed)
        elif base in BUILDERS:
            self._name(show(base, 20))
            raise StaysHome(f"it runs another build ({show(base, 20)})")
        elif base.endswith(b"libtool"):
            self.libtool(name, arguments, cwd)
        elif b"/" in name and under(os.path.normpath(os.path.join(cwd, name)), self._places.roots):
            self._project_program(name, arguments, cwd)
        else:
            self._name(_LINK_NAMES.get(base) or show(base, 30))
            raise StaysHome(f"{show(base, 40) or 'an empty name'} is not a command that travels")

    def uses(self, path: bytes, cwd: bytes, what: str) -> bytes | None:
        """Check a file that a command names, and make it an input if it exists; gives its absolute path."""
        whole = self._places.file(path, cwd, what)
        if whole is not None:
            found = self._places.probe(absolute(path, cwd))
            if found is not None and not found.directory:
                self.inputs[whole] = None
        return whole

    def system_program(self, name: bytes, cwd: bytes) -> None:
        """Check that a plain tool or shell is the system's own, which all hosts are taken to have."""
        path = name if b"/" in name else self._places.shadowed(name, cwd, self._env)
        if path is not None and os.path.dirname(path) not in SYSTEM_PROGRAMS:
            raise StaysHome(f"{show(os.path.basename(name))} is {show(path)}, not the system's")

    def libtool(self, script: bytes, arguments: Sequence[Argument], cwd: bytes) -> None:
        """Judge the compile that libtool, the project's own script or the system's, is asked for."""
        self._name("libtool")
        own = b"/" in script and under(os.path.normpath(os.path.join(cwd, script)), self._places.roots)
        if not own:
            self.system_program(script, cwd)
        mode = b""
        place = 0
        while place < len(arguments):
            word = arguments[place]
            if word is None or word[:1] != b"-":
                break
            if word == b"--tag":
                place += 1
            elif word.startswith(b"--mode="):
                mode = word[7:]
            elif not (word.startswith(b"--tag=") or word in _LIBTOOL_DISPLAY):
                raise StaysHome(f"libtool {show(word)} is not understood")
            place += 1
        if mode != b"compile":
            raise StaysHome(f"libtool does not compile (mode {show(mode, 20) or 'unknown'})")
        if place == len(arguments) or arguments[place] is None:
            raise StaysHome("libtool has no command")
        compiler = arguments[place]
        assert compiler is not None
        if language(os.path.basename(compiler)) is None:
            raise StaysHome(f"libtool runs {show(compiler, 40)}, which is no compiler that travels")
        if own:
            self.uses(script, cwd, "the program")
        options: list[Argument] = []
        for word in arguments[place + 1:]:
            if word is not None and (word.startswith(b"-Wc,") or word == b"-Xcompiler"):
                raise StaysHome(f"libtool {show(word)} is not understood")
            if word not in _LIBTOOL_ONLY:
                options.append(word)
        for output in self._compile(compiler, options, cwd):
            # libtool removes the old objects of both kinds first, so the slave must have them.
            directory, name = os.path.split(output)
            stem = os.path.splitext(name)[0] + b".o"
            for old in (output, os.path.join(directory, stem), os.path.join(directory, b".libs", stem)):
                self.uses(old, cwd, "the object")

    def _name(self, label: str) -> None:
        if not self.label:
            self.label = label

    def _text(self, base: bytes, arguments: Sequence[Argument]) -> None:
        for word in arguments:
            if word is not None and b"/dev/" in word and base in (b"test", b"["):
                raise StaysHome(f"test looks at {show(word)}")

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
        for path in use.files:
            whole = self.uses(path, cwd, f"{base.decode()}'s file")
            # A mirrored directory may lack files of kinds that are left out; whoever moves it would tell.
            if whole is not None and base in (b"mv", b"cp", b"rm", b"ln") and path is use.files[0]:
                found = self._places.probe(os.path.join(cwd, path))
                if found is not None and found.directory:
                    raise StaysHome(f"{base.decode()} works on a whole directory ({show(path)})")

    def _project_program(self, name: bytes, arguments: Sequence[Argument], cwd: bytes) -> None:
        base = show(os.path.basename(name), 40)
        if os.path.basename(name) not in _PROJECT_PROGRAMS:
            self.stranger = base
        self._name(base)
        self.weighty += 1
        self.uses(name, cwd, "the program")
        for word in arguments:
            if word is None:
                raise StaysHome(f"{base} has an argument that only the shell can tell")
            hidden = _HIDDEN_PATH.fullmatch(word)
            if hidden is not None:
                self.uses(hidden[1], cwd, f"{base}'s file")
            elif word[:1] == b"/" or not (word[:1] in (b"-", b"") or re.search(rb"\s", word)):
                self.uses(word, cwd, f"{base}'s file")
                found = self._places.probe(os.path.join(cwd, word))
                if found is not None and found.directory:
                    raise StaysHome(f"{base} is given a whole directory ({show(word)})")

    def _compile(self, name: bytes, arguments: Sequence[Argument], cwd: bytes) -> list[bytes]:
        base = os.path.basename(name)
        if not self.compilers:
            self.label = _label(base, arguments)
        words = [word for word in arguments if word is not None]
        if len(words) != len(arguments):
            raise StaysHome(f"{show(base)} has an argument that only the shell can tell")
        compiler = self._compiler(name, cwd)
        found = read_options(words)
        if not found.stage:
            links = bool(found.sources or found.linked or found.unknown)
            raise StaysHome("it links (neither -c nor -S)" if links else "it compiles nothing")
        if found.unknown:
            raise StaysHome(f"'{show(found.unknown)}' is no kind of source that is known")
        if not found.sources:
            raise StaysHome("it names no source")
        self._compiled_files(found, cwd)
        self.compilers[compiler] = None
        self.weighty += 1
        if is_standard_script(os.path.basename(compiler)):
            self.compilers[self._compiler(b"gcc", cwd)] = None
        return found.products()

    def _compiled_files(self, found: Compile, cwd: bytes) -> None:
        for path in (*found.sources, *found.linked):
            self.uses(path, cwd, "the source")
        for option, path in found.files:
            self.uses(path, cwd, show(option))
        for option, path in found.directories:
            self._places.directory(path, cwd, show(option), libraries=option == b"-L")
        for path in found.written:
            self._places.file(path, cwd, "the output")
        for path in found.products():
            whole = self._places.file(path, cwd, "the output")
            if whole is not None:
                self.outputs[whole] = None

    def _compiler(self, name: bytes, cwd: bytes) -> bytes:
        """Find which file the compiler is, and that it is a compiler and no wrapper under its name."""
        shown = show(os.path.basename(name))
        path: bytes | None = os.path.normpath(os.path.join(cwd, name))
        if b"/" not in name:
            path = self._places.lookup(name, cwd, self._env)
        found = None if path is None else self._places.probe(path)
        if path is None or found is None:
            raise StaysHome(f"{shown} is not found")
        if under(path, self._places.roots) or under(found.real, self._places.roots):
            raise StaysHome(f"the compiler {shown} is built in the tree")
        real = os.path.basename(found.real)
        if real in FRONTS:
            raise StaysHome(f"{shown} is {real.decode()}, in front of the compiler")
        if not under(found.real, _IN_JAIL):
            raise StaysHome(f"the compiler {shown} is not among the system's ({show(found.real)})")
        if language(real) is None and not is_standard_script(real):
            raise StaysHome(f"{shown} is really {show(found.real)}, which is no compiler that travels")
        return path


def _label(compiler: bytes, arguments: Sequence[Argument]) -> str:
    """Name what a compiler command makes, before its options are read."""
    output: Argument = None
    source: Argument = None
    for place, word in enumerate(arguments):
        if word == b"-o" and place + 1 < len(arguments):
            output = arguments[place + 1]
        elif source is None and word is not None and word[:1] != b"-":
            source = word if os.path.splitext(word)[1].lower() in _SOURCES else None
    suffix = os.path.splitext(source or b"")[1]
    kind = language(compiler) or "CC"
    if suffix in (b".s", b".S", b".sx"):
        kind = "AS"
    elif suffix in (b".cc", b".cpp", b".cxx", b".C"):
        kind = "CXX"
    if not any(word in (b"-c", b"-S", b"-E", b"-M", b"-MM") for word in arguments):
        kind = "LD"
    return f"{kind} {show(output or source or b'', 60)}".rstrip()


_SOURCES = frozenset((b".c", b".cc", b".cpp", b".cxx", b".i", b".ii", b".s", b".sx", b".m", b".mm"))
