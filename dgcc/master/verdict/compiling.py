"""Judges one compile command: which compiler it is, what it reads and writes, what it needs outside the project."""

import os
import re
from collections.abc import Sequence

from dgcc.master.verdict.argumentfiles import expand
from dgcc.master.verdict.compilecommand import Compile
from dgcc.master.verdict.compileoptions import read_options
from dgcc.master.verdict.compilerchoice import Choice, choose
from dgcc.master.verdict.compilers import for_x86, is_standard_script, language
from dgcc.master.verdict.gathered import Gathered, Ran
from dgcc.master.verdict.linking import link
from dgcc.master.verdict.needs import Toolchain
from dgcc.master.verdict.optiontables import MULTILIB
from dgcc.master.verdict.places import absolute, normal, under
from dgcc.master.verdict.stayshome import StaysHome, show
from dgcc.master.verdict.tools import Argument

_LARGEST_FILE = 4 << 20
# What the compiler starts, and would find first in a directory of -B.
_PROGRAMS = (b"as", b"ld", b"cc1", b"cc1plus", b"collect2", b"lto1", b"ld.bfd", b"ld.gold", b"ld.lld", b"objcopy")
# Of those, the ones that most compilers have no own of, and take from PATH; clang asks for the long name first.
_IN_PATH = (b"as", b"x86_64-linux-gnu-as", b"objcopy")
_IN_PATH_FOR_LINKS = (b"ld", b"real-ld", b"collect-ld", b"ld.bfd", b"ld.gold", b"ld.lld")
# With these, clang writes its own command line down.
_WRITES_COMMAND = re.compile(rb"-[gf]record-(?:gcc-switches|command-line)|-MJ.*", re.DOTALL)
_SOURCES = frozenset((b".c", b".cc", b".cpp", b".cxx", b".i", b".ii", b".s", b".sx", b".m", b".mm"))


def compile_command(
    words: Sequence[Argument], cwd: bytes, fed: bool, found: Gathered, recorded: Sequence[Argument] = ()
) -> list[bytes]:
    """Judge a compiler's command line; gives the names of what it makes. Raises StaysHome.

    `fed`: its standard input is a pipe or a file. `recorded` is the whole command where `words` are its end.
    """
    name, arguments = words[0], words[1:]
    assert name is not None
    base = os.path.basename(name)
    if not found.toolchains:
        found.label = label(base, arguments)
    if any(word is None for word in arguments):
        raise StaysHome(f"{show(base)} has an argument that only the shell can tell")
    given = [word for word in arguments if word is not None]
    choice = choose(name, cwd, found)
    in_files = any(word[:1] == b"@" for word in given)
    if in_files:
        given = list(expand(given, lambda path: _options_in(path, cwd, found)))
    command = read_options(given)
    _check_sources(command, fed, found)
    _programs_in_path(command, cwd, found)
    products = _files(command, cwd, found)
    chain = Toolchain(choice.path, _steering(command, choice, cwd, found))
    number = found.toolchain(chain)
    if command.links():
        link(command, number, cwd, found)
    found.weighty += 1
    found.compiles += 1
    if is_standard_script(os.path.basename(choice.path)):
        found.toolchain(Toolchain(choose(b"gcc", cwd, found).path, chain.options))
    edits: tuple[tuple[bytes, tuple[bytes, ...]], ...] = ()
    if command.native:
        if in_files and not any(word in given for word in (b"-march=native", b"-mtune=native", b"-mcpu=native")):
            raise StaysHome("a file of options asks for this machine's processor")
        writer = next((word for word in given if _WRITES_COMMAND.fullmatch(word)), None)
        if writer is not None and b"clang" in choice.real:
            raise StaysHome(f"{show(writer)} writes down the options for this machine's processor")
        options = tuple(command.machine)
        answer = found.places.world.native(choice.path, options)
        if answer is None:
            named = show(b" ".join(options))
            raise StaysHome(f"{named} depends on this machine's processor, and nothing else gives the same object")
        edits = answer
    found.ran.append(Ran(tuple(recorded or words), edits))
    return products


def _options_in(path: bytes, cwd: bytes, found: Gathered) -> bytes | None:
    whole = normal(absolute(path, cwd))
    if whole in found.made:
        raise StaysHome(f"its options are in a file that the line itself writes ({show(path)})")
    if found.places.probe(absolute(path, cwd)) is None:
        raise StaysHome(f"its options are in a file that is not there (@{show(path)})")
    found.uses(path, cwd, "the file of options")
    content = found.places.world.read(whole, _LARGEST_FILE)
    if content is not None and b"native" in content and re.search(rb"-m(?:arch|tune|cpu)=native", content):
        raise StaysHome(f"a file of options ({show(path)}) asks for this machine's processor")
    return content


def _check_sources(command: Compile, fed: bool, found: Gathered) -> None:
    if command.unknown == b"-" and command.stage == b"-E":  # the one stage in which the compiler takes it for C
        command.unknown = b""
        command.add_source(b"-", None)
    if command.unknown and command.stage and command.unknown != b"-":
        raise StaysHome(f"'{show(command.unknown)}' is no kind of source that is known")
    if command.unknown == b"-":
        raise StaysHome("it reads its source from standard input, without a language")
    if not command.stage and command.links():
        if not (command.sources or command.linked or command.libraries):
            raise StaysHome("it compiles nothing")
        if not (found.generous or command.sources):
            raise StaysHome("it links (neither -c nor -S)")
    elif not command.sources:
        raise StaysHome("it names no source")
    if b"-" in command.sources and not fed:
        raise StaysHome("it reads its source from standard input")


def _files(command: Compile, cwd: bytes, found: Gathered) -> list[bytes]:
    products = command.products()
    for path in command.sources:
        if path != b"-":
            found.uses(path, cwd, "the source")
    for path in command.linked:
        found.uses(path, cwd, "the source" if command.stage else "the object")
    for option, path in command.files:
        _named_file(option, path, command, cwd, found)
    for option, value in command.values:
        if found.exists(value, cwd):
            found.uses(value, cwd, show(option))
    for option, path in command.directories:
        if path[:1] == b"=" or path.startswith(b"$SYSROOT"):
            if command.sysroot is None:
                raise StaysHome(f"{show(option)}{show(path)} depends on the compiler's own system root")
            path = command.sysroot + path.removeprefix(b"=").removeprefix(b"$SYSROOT")
        found.searches(path, cwd, show(option))
    for path in command.specs:
        if b"/" in path or found.exists(path, cwd):
            found.uses(path, cwd, "-specs")
    for path in command.program_directories:
        _programs_in(path, cwd, found)
    for option, value in command.profiles:
        _profile(option, value, command, cwd, found)
    for path in command.side_files():
        found.writes(path, cwd)
    for path in products:
        whole = found.writes(path, cwd)
        if whole is not None:
            found.outputs[whole] = None
            found.made.add(whole)
    return products


def _named_file(option: bytes, path: bytes, command: Compile, cwd: bytes, found: Gathered) -> None:
    found.uses(path, cwd, show(option))
    if option in (b"-include", b"-include-pch"):
        # A precompiled header is taken in the place of its header, which is looked for like any other.
        for place in (b"", *(place for _, place in command.directories)):
            for suffix in (b".gch", b".pch"):
                beside = os.path.join(place, path) + suffix
                there = found.places.probe(absolute(beside, cwd))
                if there is not None and there.directory:
                    for name in found.places.world.below(normal(absolute(beside, cwd)), _ANY):
                        found.uses(beside + b"/" + name, cwd, "the precompiled header")
                elif there is not None:
                    found.uses(beside, cwd, "the precompiled header")


# Of these, the value is always a path.
_PATH_OPTIONS = (b"--sysroot", b"-isysroot", b"--gcc-toolchain", b"--gcc-install-dir", b"-resource-dir")
_ANY = re.compile(rb"[^/]+")


def _programs_in(path: bytes, cwd: bytes, found: Gathered) -> None:
    whole = normal(absolute(path, cwd))
    if not under(whole, found.places.roots):
        found.searches(path, cwd, "-B")
        return
    for program in _PROGRAMS:
        for written in (os.path.join(path, program), path + program):
            if found.exists(written, cwd):
                raise StaysHome(f"-B{show(path)} has the compiler run {show(written)}, which is built in the tree")
    found.searches(path, cwd, "-B")


def _programs_in_path(command: Compile, cwd: bytes, found: Gathered) -> None:
    """Take along what PATH has the compiler run in the place of the system's assembler or linker."""
    if command.stage not in (b"", b"-c"):
        return
    for program in (*_IN_PATH, *(() if command.stage else _IN_PATH_FOR_LINKS)):
        path = found.places.shadowed(program, cwd, found.env)
        there = None if path is None else found.places.probe(path)
        if path is None or there is None:
            continue
        path = normal(path)
        built = under(path, found.places.roots) or under(there.real, found.places.roots)
        if built or found.places.world.read(there.real, 2) == b"#!":
            what = "built in the tree" if built else "a script"
            raise StaysHome(f"PATH has the compiler run {show(path)}, which is {what}")
        found.programs[path] = None


def _profile(option: bytes, value: bytes, command: Compile, cwd: bytes, found: Gathered) -> None:
    """Name the profiles that a compile may read: by the names of its sources and its output, wherever mangled."""
    what = show(option)
    if option in (b"-fauto-profile", b"-fprofile-instr-use"):
        defaults = {b"-fauto-profile": b"fbdata.afdo", b"-fprofile-instr-use": b"default.profdata"}
        value = value or defaults[option]
    if command.plain & {b"-dumpbase", b"-dumpdir", b"-dumpbase-ext"}:
        raise StaysHome(f"it uses a profile whose name is not understood ({what} with -dumpbase or -dumpdir)")
    given, value = value, value or command.profile_directory
    at = found.places.probe(absolute(value, cwd)) if value else None
    if at is None and value and not given:
        return
    if value and (at is None or not at.directory):
        if at is None:
            raise StaysHome(f"it uses a profile that is not there ({what}={show(value)})")
        found.uses(value, cwd, what)
        return
    names = {os.path.basename(stem) for stem in command.stems()}
    names |= {os.path.splitext(os.path.basename(source))[0] for source in command.sources}
    if not value:
        for directory in {b"", *(os.path.dirname(stem) for stem in command.stems())}:
            for name in sorted(names):
                found.uses(os.path.join(directory, name + b".gcda"), cwd, "the profile")
        return
    found.searches(value, cwd, what)
    # The compiler may put the path into the name, with # or directories for its slashes.
    either = b"|".join(re.escape(name) for name in sorted(names))
    fits = re.compile(rb"(?:.*[/#])?(?:" + either + rb")\.gcda|default\.profdata")
    for name in found.places.world.below(normal(absolute(value, cwd)), fits):
        found.uses(os.path.join(value, name), cwd, "the profile")


def _steering(command: Compile, choice: Choice, cwd: bytes, found: Gathered) -> tuple[bytes, ...]:
    """Return the options by which the compiler finds other programs, headers or libraries, their paths absolute."""
    options: list[bytes] = []
    for word in command.steering:
        if options and options[-1] in _PATH_OPTIONS:
            word = normal(absolute(word, cwd))
        option, equals, value = word.partition(b"=")
        if equals and value[:1] not in (b"/", b"") and (
            option in _PATH_OPTIONS or b"/" in value or (option == b"-specs" and found.exists(value, cwd))
        ):
            word = option + b"=" + normal(absolute(value, cwd))
        options.append(word)
    options += [b"-B" + normal(absolute(path, cwd)) + (b"/" if path[-1:] == b"/" else b"")
              for path in command.program_directories]  # fmt: skip
    if for_x86(choice.real) and not any(b"target" in word for word in command.steering):
        options += [word for word in command.machine if MULTILIB.match(word)]
    else:
        options += [word for word in command.machine if not word.endswith(b"=native")]
    return tuple(options)


def label(compiler: bytes, arguments: Sequence[Argument]) -> str:
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
    if not any(word in (b"-c", b"-S", b"-E", b"-M", b"-MM", b"-fsyntax-only") for word in arguments):
        kind = "LD"
    return f"{kind} {show(output or source or b'', 60)}".rstrip()
