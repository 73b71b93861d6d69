"""Asking a compiler what it consists of: programs, headers, and the files of a plain link."""

import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from dgcc.master.environment.family import family, tool_prefix
from dgcc.master.environment.linking import Linkables
from dgcc.master.environment.locales import catalogues
from dgcc.master.environment.parts import Collection
from dgcc.master.environment.prefixes import is_prefix
from dgcc.master.environment.programs import Programs
from dgcc.master.environment.questions import Questions, is_program
from dgcc.master.environment.trouble import EnvironmentTrouble
from dgcc.master.verdict.needs import Toolchain
from dgcc.store.errors import shown

_BINUTILS = b"as ld nm ar ranlib objcopy objdump strip readelf size".split()
_GCC_PROGRAMS = [*b"cc1 cc1plus collect2 lto1 lto-wrapper".split(), *_BINUTILS]
_FILES = b"""
    specs liblto_plugin.so libgomp.spec libsanitizer.spec libitm.spec libasan_preinit.o
    libasan.so libubsan.so liblsan.so libtsan.so
    crt1.o Scrt1.o rcrt1.o gcrt1.o Mcrt1.o grcrt1.o crti.o crtn.o
    crtbegin.o crtbeginS.o crtbeginT.o crtend.o crtendS.o crtfastmath.o crtoffloadbegin.o crtoffloadend.o
    crtoffloadtable.o crtprec32.o crtprec64.o crtprec80.o
    libgcc.a libgcc_eh.a libgcc_s.so libgcc_s.so.1 libgcov.a libssp_nonshared.a
    libc.so libc.so.6 libc_nonshared.a ld-linux-x86-64.so.2 ld-linux-aarch64.so.1
    libm.so libm.so.6 libmvec.so libmvec.so.1 libmvec.a libpthread.so libpthread.so.0 libpthread.a
    libdl.so libdl.so.2 libdl.a librt.so librt.so.1 librt.a libutil.so libutil.so.1 libutil.a
    libstdc++.so libstdc++.so.6 libsupc++.a libstdc++fs.a libatomic.so libgomp.so libquadmath.so
    """.split()
_LIBCXX = b"libc++.so libc++.so.1 libc++abi.so libc++abi.so.1 libunwind.so libunwind.so.1 libc++experimental.a".split()
_LANGUAGES = (b"c", b"c++")
_SEARCH = re.compile(rb'^#include "\.\.\." search starts here:$(.*?)^End of search list\.$', re.M | re.S)
_IGNORED = re.compile(rb'^ignoring nonexistent directory "(/.*)"$', re.M)
_LIBRARY_PLACES = re.compile(rb"^libraries: =?(/.*)$", re.M)
_COLLECT = re.compile(rb"^COLLECT_GCC=(.+)$", re.M)
_INSTALLATION = re.compile(rb"^(?:Found candidate|Selected) GCC installation: (/.+)$", re.M)
_CONFIGURATION = re.compile(rb"^Configuration file: (/.+)$", re.M)
_COMMAND = re.compile(rb'^ "(/[^"]+)"', re.M)
_MULTILIBS = (b"", b"/32", b"/64", b"/x32")


class Compiler:
    """One compiler, as it is called with the options that lead it. Raises EnvironmentTrouble if it is none."""

    def __init__(self, toolchain: Toolchain, questions: Questions, programs: Programs) -> None:
        self._driver, self._options = toolchain.driver, toolchain.options
        self._questions, self._programs = questions, programs
        self._files: dict[bytes, bytes | None] = {}  # the compiler's files, by name
        self._places: list[bytes] | None = None  # where it looks for them; empty if it does not say
        if not is_program(self._driver):
            raise EnvironmentTrouble(f"there is no compiler '{shown(self._driver)}' that can be run")
        if is_prefix(self._driver):
            raise EnvironmentTrouble(
                f"'{shown(self._driver)}' only stands in front of a compiler; name the compiler itself"
            )
        self._sysroot = next(
            (word.partition(b"=")[2] for word in self._options if word.startswith(b"--sysroot=/")), b""
        )

    def collect(self, to: Collection) -> None:
        """Add all that compiling and a plain link with this compiler take."""
        said = {language: self._preprocess(language) for language in _LANGUAGES}
        self._add_headers(said.values(), to)
        everything = b"\n".join(said.values())
        is_clang = b"clang version" in everything
        drivers = self._drivers(everything, is_clang)
        for driver in drivers:
            real = os.path.realpath(driver)
            self._programs.add_all(sorted(family(driver, real)), to)
            self._add_prefixed(driver, to)
            prefix = os.path.dirname(os.path.dirname(real))
            to.files.update(catalogues(prefix, self._questions.environ, (b"gcc", b"cpplib", b"gas", b"ld", b"bfd")))
        self._add_programs(_BINUTILS if is_clang else _GCC_PROGRAMS, is_clang, to)
        if is_clang:
            self._add_clang(everything, to)
        self._add_linked(_FILES, to)
        if is_clang or any(b"libc++" in word for word in self._options):
            self._add_linked(_LIBCXX, to)

    def add_libraries(self, names: Iterable[bytes], to: Collection) -> None:
        """Add the files behind names as after -l; what the compiler does not have is left out."""
        linkables = self._linkables()
        for name in names:
            linkables.add_library(name, to)
            self._note_places(
                (name[1:],) if name.startswith(b":") else (b"lib" + name + b".so", b"lib" + name + b".a"), to
            )

    # ---- Questions -----------------------------------------------------------------------------------------

    def _ask(self, *options: bytes) -> bytes:
        answer = self._questions.run(self._driver, *self._options, *options)
        if not answer.ok:
            asked = b" ".join(options)
            raise EnvironmentTrouble(
                f"'{shown(self._driver)} {shown(asked)}' failed: {shown(answer.err.strip()[-300:])}"
            )
        return answer.out.strip()

    def _preprocess(self, language: bytes) -> bytes:
        """What the compiler says with -v; empty if it has not this language. The first language it must have."""
        argv = (b"-E", b"-v", b"-x", language, b"/dev/null", b"-o", b"/dev/null")
        answer = self._questions.run(self._driver, *self._options, *argv)
        if not answer.ok and language == _LANGUAGES[0]:
            raise EnvironmentTrouble(
                f"the compiler '{shown(self._driver)}' cannot be asked: {shown(answer.err.strip()[-300:])}"
            )
        return answer.err if answer.ok else b""

    def _find(self, name: bytes) -> bytes | None:
        """The compiler's file of this name."""
        if name not in self._files:
            found = b""
            if self._may_have(name):
                found = self._ask(b"-print-file-name=" + name)
            self._files[name] = found if found.startswith(b"/") and os.path.isfile(found) else None
        return self._files[name]

    def _may_have(self, name: bytes) -> bool:
        """Whether it is worth asking for a file: many names are another system's, and each costs a process."""
        if self._places is None:
            said = _LIBRARY_PLACES.search(self._ask(b"-print-search-dirs"))
            self._places = said[1].split(b":") if said is not None else []
        return not self._places or any(os.path.isfile(os.path.join(place, name)) for place in self._places)

    def _note_places(self, names: Iterable[bytes], to: Collection) -> None:
        """These were looked for in all the compiler's directories: where they are not, they would have counted."""
        names = list(names)
        for place in dict.fromkeys(map(os.path.realpath, self._places or ())):
            to.absent.update(place + b"/" + name for name in names)

    def _find_all(self, names: Iterable[bytes]) -> list[bytes]:
        names = [name for name in names if self._may_have(name)]
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1), "ask-compiler") as pool:
            return [path for path in pool.map(self._find, names) if path is not None]

    def _linkables(self) -> Linkables:
        return Linkables(self._find, self._programs, self._sysroot)

    # ---- Parts ---------------------------------------------------------------------------------------------

    def _drivers(self, said: bytes, is_clang: bool) -> list[bytes]:
        """The driver, and what it runs in turn if it is a wrapper around another."""
        drivers = [self._driver]
        inner = [name.strip() for name in _COLLECT.findall(said)]
        if is_clang:
            inner = _COMMAND.findall(said)[:1]
        for name in inner:
            found = self._questions.which(name)
            if found and found not in drivers:
                drivers.append(found)
        return drivers

    def _add_headers(self, said: Iterable[bytes], to: Collection) -> None:
        found = False
        for text in said:
            to.absent.update(_IGNORED.findall(text))
            for listing in _SEARCH.findall(text):
                for line in listing.splitlines():
                    place = line.strip().removesuffix(b" (framework directory)")
                    if place.startswith(b"/"):
                        found = True
                        to.trees.add(place)
        if not found:
            raise EnvironmentTrouble(f"'{shown(self._driver)}' does not say where its headers are; is it a C compiler?")

    def _add_programs(self, names: Iterable[bytes], is_clang: bool, to: Collection) -> None:
        names = list(dict.fromkeys([*names, *self._named_linkers()]))
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1), "ask-compiler") as pool:
            answers = list(pool.map(lambda name: self._ask(b"-print-prog-name=" + name), names))
        own = next((os.path.dirname(answer) for answer in answers if answer.startswith(b"/")), b"")
        found = []
        for name, answer in zip(names, answers, strict=True):
            where = answer if is_program(answer) and answer.startswith(b"/") else self._questions.which(name)
            if where != answer and own:
                to.absent.add(own + b"/" + name)  # there it would be looked for before PATH
            if where:
                found.append(where)
            if where and where != answer:
                to.absent.update(self._questions.before(where))
        self._programs.add_all(found, to)
        for linker in (path for path in found if os.path.basename(path) == b"ld"):
            self._programs.add_plugins(linker, to, llvm=is_clang)

    def _named_linkers(self) -> list[bytes]:
        kinds = [word.partition(b"=")[2] for word in self._options if word.startswith(b"-fuse-ld=")]
        return [b"ld." + kind for kind in kinds if b"/" not in kind]

    def _add_prefixed(self, driver: bytes, to: Collection) -> None:
        """The tools that are named as the compiler is: aarch64-linux-gnu-objcopy and its like."""
        prefix = tool_prefix(os.path.basename(driver))
        if prefix:
            places = (os.path.dirname(driver).rstrip(b"/") + b"/" + prefix + name for name in _BINUTILS)
            self._programs.add_all([place for place in places if is_program(place)], to)

    def _add_linked(self, names: Iterable[bytes], to: Collection) -> None:
        names = [*names]
        for word in self._options:
            option, _, value = word.lstrip(b"-").partition(b"=")
            if option == b"specs" and value:
                names.append(value)
        linkables = self._linkables()
        for path in self._find_all(names):
            linkables.add(path, to)
        self._note_places(names, to)

    def _add_clang(self, said: bytes, to: Collection) -> None:
        resources = self._ask(b"-print-resource-dir")
        for name in (b"include", b"share"):
            if os.path.isdir(resources + b"/" + name):
                to.trees.add(resources + b"/" + name)
        runtime = self._ask(b"-print-libgcc-file-name")
        if os.path.isfile(runtime):
            to.files.add(runtime)
        # It chooses a gcc by the version in the directory's name, among those that have this file.
        for installation in _INSTALLATION.findall(said):
            to.files.add(os.path.dirname(installation))  # another one would be another candidate
            for multilib in _MULTILIBS:
                place = installation + multilib + b"/crtbegin.o"
                if os.path.isfile(place):
                    to.files.add(place)
        to.files.update(_CONFIGURATION.findall(said))
