"""Reads the options of a gcc or clang command: what it compiles, reads and writes, and what keeps it at home.

Every option must be known, at least by family, for the command to travel: an unknown one could name a file,
take the next word as its argument, or depend on the machine.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dgcc.master.verdict.stayshome import StaysHome, show

_CXX = frozenset((b".cc", b".cp", b".cxx", b".cpp", b".CPP", b".c++", b".C", b".ii", b".mm", b".M", b".tcc"))
_C = frozenset((b".c", b".i", b".m", b".mi"))
_ASSEMBLER = frozenset((b".s", b".S", b".sx"))
_HEADER = frozenset((b".h", b".H", b".hh", b".hpp", b".hxx", b".hp", b".h++", b".HPP", b".tcc"))
_LINKED = frozenset((b".o", b".a", b".so", b".lo", b".la", b".obj", b".lib"))
_LANGUAGES = {
    b"c": "CC", b"cpp-output": "CC", b"c++": "CXX", b"c++-cpp-output": "CXX", b"objective-c": "CC",
    b"objective-c++": "CXX", b"assembler": "AS", b"assembler-with-cpp": "AS",
}

# Options whose argument may be joined or be the next word, and for what the argument is.
_DIRECTORY = (b"-isystem", b"-iquote", b"-idirafter", b"-isysroot", b"-I", b"-L", b"--sysroot")
_INCLUDED = (b"-include", b"-imacros")
_NO_FILE = frozenset(
    b"""
    -D -U -MT -MQ -A -l -T -u -z -e -R -Xlinker --param -arch -target -h
    """.split()
)
_WRITTEN = frozenset((b"-o", b"-MF", b"-MJ", b"-aux-info"))

_PLAIN = frozenset(
    b"""
    -v -w -p -pg -P -C -CC -H -Q -s -r -n -undef -remap -trigraphs -traditional -traditional-cpp
    -ansi -pedantic -pedantic-errors -pipe -pthread -pthreads -nostdinc -nostdinc++ -nostdlib
    -nodefaultlibs -nostartfiles -static -shared -rdynamic -pie -no-pie -static-pie -symbolic
    -static-libgcc -static-libstdc++ -shared-libgcc --coverage -coverage -save-temps --save-temps
    -save-temps=cwd -save-temps=obj -time -MD -MMD -MP -MG -c -S -Qunused-arguments
    -no-canonical-prefixes -pass-exit-codes -no-integrated-cpp -integrated-as -no-integrated-as -dA
    -dp -dP
    """.split()
)
_REASONS = {
    b"-E": "it only preprocesses (-E)",
    b"-M": "it only preprocesses (-M)",
    b"-MM": "it only preprocesses (-MM)",
    b"-": "it reads its source from standard input",
    b"-wrapper": "-wrapper runs another program",
    b"-I-": "-I- is not understood",
    b"-fsyntax-only": "it only checks the syntax",
    b"-###": "it only shows commands",
    b"-Xclang": "-Xclang passes options that are not understood",
}
_FAMILIES = (b"-W", b"-f", b"-m", b"-O", b"-g", b"-std=", b"--std=", b"--param=", b"--target=", b"-x")
_PROFILE = re.compile(
    rb"-f(?:cs-)?(?:profile(?:-instr|-sample)?-use|auto-profile|branch-probabilities|memory-profile-use"
    rb"|profile-remapping-file)(?:=|\Z)"
)
_FORBIDDEN = (
    (b"-fmodule", "it uses modules"),
    (b"-fprebuilt-module", "it uses modules"),
    (b"-fimplicit-module", "it uses modules"),
    (b"-fplugin", "it loads a compiler plugin"),
    (b"-fpass-plugin", "it loads a compiler plugin"),
    (b"-fpch", "it uses a precompiled header by name"),
    (b"-specs", "-specs changes what the compiler runs"),
    (b"--specs", "-specs changes what the compiler runs"),
    (b"-B", "-B changes which programs the compiler runs"),
    (b"--prefix", "-B changes which programs the compiler runs"),
    (b"-mllvm", "-mllvm passes options that are not understood"),
)
# The argument is a string for the object file, not a file that is opened.
_STRINGS = re.compile(
    rb"-f(?:debug|file|macro|profile|coverage)-prefix-map=|-fdebug-compilation-dir=|-fprofile-dir="
    rb"|-fprofile-generate=|-fprofile-exclude-files=|-fprofile-filter-files=|-frandom-seed="
    rb"|-f(?:sanitize|no-sanitize|message-length|visibility|stack-limit-symbol|constant-string-class)="
)

_PREPROCESSOR_PLAIN = frozenset((b"-MP", b"-MG", b"-P", b"-C", b"-w", b"-undef"))
_ASSEMBLER_OPTION = re.compile(rb"(?:-(?!.*native)[^/]*)?", re.DOTALL)
# Arguments of the assembler that look like files and are none.
_ASSEMBLER_TEXT = re.compile(rb"--debug-prefix-map|--defsym|[0-9A-Za-z_]+=[0-9A-Fa-fx]+\Z")


# The greater part of all options: about warnings, code and macros, without a file or a value that matters.
_ORDINARY = re.compile(
    rb"-(?:[DU].+|W(?![pal],)[^/]*|O[a-z0-9]?|g(?:[0-3]|gdb[0-3]?)?|std=[a-z0-9+:]+"
    rb"|f(?!module|prebuilt|implicit-module|plugin|pass-plugin|pch|profile|cs-|auto-profile|branch-prob|memory-pro)"
    rb"[a-z0-9\-]+(?:=[0-9]+)?|m(?!llvm)[a-z0-9\-.]+)\Z",
    re.DOTALL,
)


@dataclass(slots=True)
class Compile:
    """A compile command as its options say; every path is as written, relative to the working directory."""

    stage: bytes = b""  # b"-c" or b"-S", empty if neither was given
    sources: list[bytes] = field(default_factory=list)
    languages: list[str | None] = field(default_factory=list)  # of each source; None: by the compiler's name
    output: bytes | None = None
    written: list[bytes] = field(default_factory=list)  # side files: dependencies, listings
    directories: list[tuple[bytes, bytes]] = field(default_factory=list)  # option and its directory
    files: list[tuple[bytes, bytes]] = field(default_factory=list)  # option and the file that it names
    unknown: bytes = b""  # an operand that is no source by its name: for the linker, if there is one
    linked: list[bytes] = field(default_factory=list)  # objects and libraries, which -c makes no use of

    def products(self) -> list[bytes]:
        """Return the names of the object or assembler files, given or by the compiler's own rule."""
        if self.output is not None:
            return [self.output]
        suffix = b".s" if self.stage == b"-S" else b".o"
        return [os.path.splitext(os.path.basename(source))[0] + suffix for source in self.sources]


def read_options(arguments: Sequence[bytes]) -> Compile:
    """Read what follows the compiler's name.

    Raises StaysHome for whatever cannot travel wherever its files lie. A command that does not compile (no -c
    or -S) comes back with an empty stage.
    """
    found = Compile()
    language: bytes | None = None
    words = iter(arguments)
    for word in words:
        if _ORDINARY.match(word):
            continue
        if word[:1] != b"-" or word == b"-":
            _operand(found, word, language)
            continue
        if word in _PLAIN:
            if word in (b"-c", b"-S"):
                # With both, the earlier stage to stop at wins, as in the compiler.
                found.stage = b"-S" if b"-S" in (word, found.stage) else word
            continue
        if word in _REASONS:
            raise StaysHome(_REASONS[word])
        if word[:2] == b"-x":
            language = word[2:] or _next(words, word)
            if language != b"none" and language not in _LANGUAGES:
                raise StaysHome(f"it compiles the language '{show(language, 30)}'")
            language = None if language == b"none" else language
        elif word in _NO_FILE:
            _next(words, word)
        elif word in _WRITTEN:
            _written(found, word, _next(words, word))
        elif word in _DIRECTORY:
            _directory(found, word, _next(words, word))
        elif word in _INCLUDED:
            found.files.append((word, _next(words, word)))
        elif word in (b"-Xpreprocessor", b"-Xassembler"):
            _passed(found, b"-Wp," if word == b"-Xpreprocessor" else b"-Wa,", [_next(words, word)])
        else:
            _joined(found, word)
    return found


def _next(words: Iterator[bytes], option: bytes) -> bytes:
    word = next(words, None)
    if word is None:
        raise StaysHome(f"{show(option)} has no argument")
    return word


def _operand(found: Compile, word: bytes, language: bytes | None) -> None:
    if word == b"-":
        raise StaysHome(_REASONS[word])
    if word[:1] == b"@":
        raise StaysHome(f"its options are in a file ({show(word)})")
    if word == b"":
        raise StaysHome("an argument is empty where a source should be")
    if language is not None:
        found.sources.append(word)
        found.languages.append(_LANGUAGES[language])
        return
    suffix = os.path.splitext(word)[1]
    if suffix in _C or suffix in _CXX or suffix in _ASSEMBLER:
        found.sources.append(word)
        found.languages.append(None if suffix in _C else "CXX" if suffix in _CXX else "AS")
    elif suffix in _LINKED or re.search(rb"\.so\.[0-9.]+\Z", word):
        found.linked.append(word)
    elif suffix in _HEADER:
        raise StaysHome("it makes a precompiled header")
    else:
        found.unknown = found.unknown or word


def _written(found: Compile, option: bytes, path: bytes) -> None:
    if path == b"-" or path == b"":
        raise StaysHome(f"{show(option)} writes to standard output")
    if option == b"-o":
        if found.output is not None:
            raise StaysHome("-o is given twice")
        found.output = path
    else:
        found.written.append(path)


def _directory(found: Compile, option: bytes, path: bytes) -> None:
    if path[:1] == b"=" or path.startswith(b"$SYSROOT"):
        raise StaysHome(f"{show(option)}{show(path)} depends on the system root")
    if path == b"":
        raise StaysHome(f"{show(option)} has no argument")
    found.directories.append((option, path))


def _joined(found: Compile, word: bytes) -> None:
    """Read an option with its argument in the same word, or an option of a family."""
    if word[:2] in (b"-D", b"-U", b"-A", b"-l", b"-R", b"-T", b"-u", b"-z", b"-e") and word[:7] != b"-export":
        return
    if word[:4] in (b"-Wp,", b"-Wa,"):
        _passed(found, word[:4], word[4:].split(b","))
        return
    if word[:4] == b"-Wl,":
        return
    if word[:2] == b"-o":
        _written(found, b"-o", word[2:])
        return
    if word[:2] == b"-M":
        if word[:3] in (b"-MT", b"-MQ"):
            return
        if word[:3] == b"-MF":
            _written(found, b"-MF", word[3:])
            return
    for option in _DIRECTORY:
        if word.startswith(option):
            path = word[len(option):]
            _directory(found, option, path[1:] if option[:2] == b"--" and path[:1] == b"=" else path)
            return
    for option in _INCLUDED:
        if word.startswith(option) and word[len(option):len(option) + 1] != b"-":
            found.files.append((option, word[len(option):]))
            return
    for start, reason in _FORBIDDEN:
        if word.startswith(start):
            raise StaysHome(f"{reason} ({show(word)})" if start != b"-B" else reason)
    if not word.startswith(_FAMILIES):
        raise StaysHome(f"the option {show(word)} is not known")
    if _PROFILE.match(word):
        raise StaysHome(f"it uses profile data ({show(word)})")
    name, equals, value = word.partition(b"=")
    if not equals:
        return
    if word[:2] == b"-m" and b"native" in re.split(rb"[+,=]", value):
        raise StaysHome(f"{show(word)} depends on this machine's processor")
    if _STRINGS.match(word):
        return
    if b"/" in value or (word[:5] == b"-fdum" and value):
        # Something like -fdump-tree-all=FILE: whether read or written, it must lie in the project.
        found.files.append((name + b"=", value))


def _passed(found: Compile, prefix: bytes, words: list[bytes]) -> None:
    """Read options passed on to the preprocessor (-Wp,) or to the assembler (-Wa,)."""
    words = list(words)
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        following = words[position] if position < len(words) else None
        if prefix == b"-Wp,":
            if word in (b"-MD", b"-MMD", b"-MF"):
                if following is None:
                    raise StaysHome(f"-Wp,{show(word)} has no file")
                _written(found, word, following)
                position += 1
            elif word in (b"-MT", b"-MQ", b"-D", b"-U"):
                position += 1
            elif word in _PREPROCESSOR_PLAIN or word[:2] in (b"-D", b"-U", b"-W", b"-f"):
                continue
            elif word[:2] == b"-I" and len(word) > 2:
                _directory(found, b"-I", word[2:])
            else:
                raise StaysHome(f"-Wp,{show(word)} is not understood")
        elif word[:1] == b"@":
            raise StaysHome(f"the assembler's options are in a file ({show(word)})")
        elif word in (b"-I", b"-o", b"--MD", b"-MD") or word[:2] == b"-o":
            raise StaysHome(f"-Wa,{show(word)} is not understood")
        elif word[:2] == b"-I":
            _directory(found, b"-I", word[2:])
        elif word[:2] == b"-a" and b"=" in word:
            found.written.append(word.partition(b"=")[2])
        elif not (_ASSEMBLER_OPTION.fullmatch(word) or _ASSEMBLER_TEXT.match(word)):
            raise StaysHome(f"-Wa,{show(word)} is not understood")
