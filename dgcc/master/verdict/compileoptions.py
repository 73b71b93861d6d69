"""Reads the options of a gcc or clang command: what it compiles, reads and writes, and what keeps it at home.

Every option must be known, at least by family, for the command to travel: an unknown one could name a file,
take the next word as its argument, or depend on the machine.
"""

import os
import re
from collections.abc import Iterator, Sequence

from dgcc.master.verdict import optiontables as table
from dgcc.master.verdict.compilecommand import Compile
from dgcc.master.verdict.native import is_wrapper
from dgcc.master.verdict.stayshome import StaysHome, show

_STAGES = {b"-E": b"-E", b"-M": b"-E", b"-MM": b"-E", b"-fsyntax-only": b"-fsyntax-only", b"-S": b"-S", b"-c": b"-c"}
_ORDER = (b"", b"-c", b"-S", b"-fsyntax-only", b"-E")  # of two stages to stop at, the later one here wins
_NATIVE = re.compile(rb"[+,=]native(?:[+,]|\Z)")
_NAMES_OUTPUT = (b"-ftime-trace", b"-foptimization-record-file", b"-fproc-stat-report")
_STANDARD_OUTPUT = (b"-", b"/dev/stdout", b"/dev/fd/1")


def read_options(arguments: Sequence[bytes]) -> Compile:
    """Read what follows the compiler's name, with files of options put in their place.

    Raises StaysHome for whatever cannot travel wherever its files lie.
    """
    found = Compile()
    language: bytes | None = None
    words = iter(arguments)
    ordinary = table.ORDINARY.match
    for word in words:
        if ordinary(word):
            if word[:2] == b"-m":
                found.machine.append(word)
            continue
        if word[:2] == b"--" and (alias := table.ALIASES.get(word.partition(b"=")[0])) is not None:
            _, equals, value = word.partition(b"=")
            separate = alias in table.WRITTEN or alias in table.INCLUDED or alias in table.SEARCHED
            word, words = alias, _before(value, words) if equals and separate else words
            if equals and not separate:
                word += value if alias in (b"-g", b"-O", b"-D", b"-U", b"-x", b"-B", b"-L") else b"=" + value
            if ordinary(word):
                continue
        if word[:1] != b"-" or word == b"-":
            _operand(found, word, language)
        elif word in _STAGES:
            if _ORDER.index(_STAGES[word]) > _ORDER.index(found.stage):
                found.stage = _STAGES[word]
            found.dependencies_only = found.dependencies_only or word in (b"-M", b"-MM")
        elif word in table.PLAIN:
            found.plain.add(word)
        elif word in table.REASONS:
            raise StaysHome(table.REASONS[word])
        elif table.QUESTIONS.fullmatch(word):
            raise StaysHome(f"it compiles nothing, but asks the compiler ({show(word)})")
        elif word[:2] == b"-x":
            language = word[2:] or _next(words, word)
            if language in table.MODULE_LANGUAGES:
                raise StaysHome("it uses modules")
            if language != b"none" and language not in table.LANGUAGES:
                raise StaysHome(f"it compiles the language '{show(language, 30)}'")
            language = None if language == b"none" else language
        elif word in table.TEXT:
            _next(words, word)
            found.plain.add(word)
        elif word == b"-wrapper":
            if not is_wrapper(_next(words, word)):
                raise StaysHome("-wrapper runs another program")
        elif word in table.WRITTEN:
            _written(found, word, _next(words, word))
        else:
            _valued(found, word, words)
    return found


def _before(word: bytes, words: Iterator[bytes]) -> Iterator[bytes]:
    yield word
    yield from words


def _next(words: Iterator[bytes], option: bytes) -> bytes:
    word = next(words, None)
    if word is None:
        raise StaysHome(f"{show(option)} has no argument")
    return word


def _operand(found: Compile, word: bytes, language: bytes | None) -> None:
    if word == b"":
        raise StaysHome("an argument is empty where a source should be")
    if language is not None:
        found.add_source(word, table.LANGUAGES[language], language.endswith(b"-header"))
        return
    if word == b"-":
        found.unknown = found.unknown or word
        return
    suffix = os.path.splitext(word)[1]
    if suffix in table.C:
        found.add_source(word, None)
    elif suffix in table.CXX:
        found.add_source(word, "CXX")
    elif suffix in table.ASSEMBLER:
        found.add_source(word, "AS")
    elif table.LINKED.search(word):
        found.linked.append(word)
    elif suffix in table.HEADER:
        found.add_source(word, None, header=True)
    elif suffix in (b".cppm", b".ixx", b".pcm"):
        raise StaysHome("it uses modules")
    else:
        found.unknown = found.unknown or word
        found.linked.append(word)


def _written(found: Compile, option: bytes, path: bytes) -> None:
    if path == b"":
        raise StaysHome(f"{show(option)} has no argument")
    if option == b"-o":
        if found.output is not None:
            raise StaysHome("-o is given twice")
        found.output = b"-" if path in _STANDARD_OUTPUT else path
    elif option == b"-MF":
        found.dependency_file = b"-" if path in (*_STANDARD_OUTPUT, b"/dev/stderr") else path
    else:
        found.written.append(path)


def _valued(found: Compile, word: bytes, words: Iterator[bytes]) -> None:
    """Read an option with its argument in the next word or in the same, or an option of a family."""
    if word in table.STEERING_NEXT:
        found.steering += (word, _next(words, word))
        return
    if table.STEERING_JOINED.fullmatch(word):
        found.steering.append(word)
        return
    if word[:4] in (b"-Wp,", b"-Wa,"):
        _passed(found, word[:4], word[4:].split(b","))
        return
    if word[:4] == b"-Wl,":
        found.linker += word[4:].split(b",")
        return
    for option in (b"--sysroot", b"-isysroot"):
        if word == option or word.startswith(option):
            value = word[len(option):].removeprefix(b"=") if word != option else _next(words, word)
            found.sysroot = value
            found.steering += (b"--sysroot=" + value,) if option == b"--sysroot" else (option, value)
            found.directories.append((option, value))
            return
    for option in (b"-iprefix", b"-iwithprefixbefore", b"-iwithprefix", b"-iwithsysroot"):
        if word.startswith(option):
            value = word[len(option):] or _next(words, word)
            if option == b"-iprefix":
                found.prefix = value
            elif option == b"-iwithsysroot":
                found.directories.append((option, b"=" + value))
            elif found.prefix is None:
                raise StaysHome(f"{show(option)} is understood only behind -iprefix")
            else:
                found.directories.append((option, found.prefix + value))
            return
    if word.startswith(b"-save-temps="):
        found.plain.add(word)
        return
    if word[1:2] in (b"L", b"l", b"T", b"B"):
        if word.startswith((b"-Ttext", b"-Tdata", b"-Tbss", b"-Trodata")):
            if word in (b"-Ttext", b"-Tdata", b"-Tbss"):
                _next(words, word)
            return
        _for_links(found, word[:2], word[2:] or _next(words, word))
        return
    if word.startswith(b"-specs"):
        value = word[6:].removeprefix(b"=") if word[6:7] == b"=" else _next(words, word)
        found.steering.append(b"-specs=" + value)
        found.specs.append(value)
        return
    for option in table.INCLUDED:
        if word.startswith(option) and word[len(option):len(option) + 1] != b"-":
            found.files.append((option, word[len(option):] or _next(words, word)))
            return
    for option in table.SEARCHED:
        if word.startswith(option):
            path = word[len(option):] or _next(words, word)
            if path == b"":
                raise StaysHome(f"{show(option)} has no argument")
            found.directories.append((option, path))
            return
    if word in (b"-Xpreprocessor", b"-Xassembler"):
        _passed(found, b"-Wp," if word == b"-Xpreprocessor" else b"-Wa,", [_next(words, word)])
    elif word == b"-Xlinker":
        found.linker.append(_next(words, word))
    elif word in (b"-Xclang", b"-mllvm"):
        value = _next(words, word)
        if (word, value) == (b"-Xclang", b"-target-feature"):
            if _next(words, value) != word or not table.FEATURE.match(_next(words, value)):
                raise StaysHome("-Xclang -target-feature is not understood")
        elif not (table.XCLANG if word == b"-Xclang" else table.MLLVM).match(value) or b"native" in value:
            raise StaysHome(f"{show(word)} {show(value)} is not understood")
    elif word[:2] == b"-o":
        _written(found, b"-o", word[2:])
    elif word[:3] in (b"-MT", b"-MQ", b"-MF"):
        if word[:3] == b"-MF":
            _written(found, b"-MF", word[3:])
    elif word[:2] in (b"-A", b"-R", b"-u", b"-z", b"-e") and word[:5] != b"-emit":
        return
    elif word == b"--config" or word == b"-dumpdir":
        value = _next(words, word)
        found.plain.add(word)
        if word == b"--config":
            found.files.append((word, value))
    else:
        _family(found, word)


def _for_links(found: Compile, option: bytes, value: bytes) -> None:
    if option == b"-L":
        found.library_directories.append(value)
    elif option == b"-l":
        found.libraries.append(value)
    elif option == b"-T":
        found.linker += (b"-T", value)
    else:
        found.program_directories.append(value)


def _family(found: Compile, word: bytes) -> None:
    for start, reason in table.FORBIDDEN:
        if word.startswith(start):
            raise StaysHome(f"{reason} ({show(word)})")
    if not word.startswith(table.FAMILIES) and not word.startswith(b"--config="):
        raise StaysHome(f"the option {show(word)} is not known")
    name, equals, value = word.partition(b"=")
    if word[:2] == b"-m":
        found.machine.append(word)
        if equals and _NATIVE.search(word):
            if value != b"native":
                raise StaysHome(f"{show(word)} depends on this machine's processor")
            found.native = True
        return
    if table.PROFILE_READ.match(name):
        found.profiles.append((name, value))
        return
    if not equals:
        found.plain.add(word)
        return
    if name == b"-fprofile-dir":
        found.profile_directory = value
    if table.STRINGS.match(word) and not (word[:5] == b"-fdum" and b"/" in value):
        return
    if name == b"-fplugin" and b"/" not in value:
        raise StaysHome(f"it loads a compiler plugin by its short name ({show(word)})")
    if table.READ_VALUES.match(name):
        found.files.append((name + b"=", value))
    elif b"/" in value or word[:5] == b"-fdum" or name in _NAMES_OUTPUT:
        # Something like -fdump-tree-all=FILE: whether read or written, it must lie in the project.
        found.written.append(value)
    else:
        found.values.append((name + b"=", value))


def _passed(found: Compile, prefix: bytes, words: list[bytes]) -> None:
    """Read options passed on to the preprocessor (-Wp,) or to the assembler (-Wa,)."""
    rest = iter(words)
    for word in rest:
        if prefix == b"-Wp,":
            if word in (b"-MD", b"-MMD", b"-MF"):
                following = next(rest, None)
                if following is None:
                    raise StaysHome(f"-Wp,{show(word)} has no file")
                found.written.append(following)
            elif word in (b"-MT", b"-MQ", b"-D", b"-U"):
                next(rest, None)
            elif word in table.PREPROCESSOR_PLAIN or word[:2] in (b"-D", b"-U", b"-W", b"-f", b"-d"):
                continue
            elif word[:2] == b"-I" and len(word) > 2:
                found.directories.append((b"-I", word[2:]))
            elif word in (b"-I", b"-isystem", b"-iquote", b"-idirafter", b"-include", b"-imacros"):
                pair = (word, _next(rest, word))
                (found.files if word in table.INCLUDED else found.directories).append(pair)
            else:
                raise StaysHome(f"-Wp,{show(word)} is not understood")
        elif word[:1] == b"@":
            raise StaysHome(f"the assembler's options are in a file ({show(word)})")
        elif word in (b"-o", b"--MD", b"-MD") or word[:2] == b"-o":
            raise StaysHome(f"-Wa,{show(word)} is not understood")
        elif word[:2] == b"-I":
            found.directories.append((b"-I", word[2:] or _next(rest, b"-Wa,-I")))
        elif word[:2] == b"-a" and b"=" in word:
            found.written.append(word.partition(b"=")[2])
        elif not (table.ASSEMBLER_OPTION.fullmatch(word) or table.ASSEMBLER_TEXT.match(word)):
            raise StaysHome(f"-Wa,{show(word)} is not understood")
