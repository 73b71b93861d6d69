"""What is built: real projects from Debian's sources and one made for this, each also as object files only."""

import json
import shlex
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from dgcc.bench import made, projects
from dgcc.bench.projects import Project
from dgcc.bench.setting import BenchFailed
from dgcc.bench.site import TOP, Site

_OBJECTS_FILE = "dgcc-objects.mk"
_PREPARE_S = 300.0

# fmtlib's tests but the slowest; what the developer's side does is the same for those.
_FMTLIB_TESTS = (
    "args-test", "assert-test", "color-test", "compile-fp-test", "compile-test", "enforce-checks-test", "gtest-extra",
    "gtest-extra-test", "noexception-test", "os-test", "posix-mock-test", "ranges-odr-test", "scan-test", "std-test",
    "test-main", "unicode-test", "util",
)  # fmt: skip


class Tree(Struct, frozen=True):
    """A configured project on disk. build: where make runs. whole: arguments of the whole build. objects: of a target
    that makes object files only, `compiles` of them."""

    name: str
    place: Path
    build: Path
    whole: tuple[str, ...]
    objects: tuple[str, ...]
    compiles: int

    def clean(self) -> None:
        """Run the project's own `make clean`. Raises BenchFailed."""
        where = self.whole[:2] if self.whole[:1] == ("-C",) else ()
        command = ["make", *where, "clean"]
        try:
            subprocess.run(command, cwd=self.build, capture_output=True, check=True, timeout=_PREPARE_S)
        except (subprocess.SubprocessError, OSError) as error:
            raise BenchFailed(f"{self.name} cannot be cleaned: {error}") from error

    def without_objects(self) -> None:
        """Remove every object file."""
        for path in self.place.rglob("*.o"):
            path.unlink()


class Workload(Struct, frozen=True):
    """How to get one. objects: given the place, writes what it needs there; returns make's arguments and how many
    compiles they are."""

    name: str
    project: Project | None
    objects: Callable[[Path], tuple[tuple[str, ...], int]]
    make: Callable[[Path], None] | None = None

    def prepare(self, place: Path, site: Site) -> Tree:
        """Unpack and configure it below `place`. Raises BenchFailed."""
        place.mkdir(parents=True)
        build, whole = place, tuple[str, ...]()
        if self.make is not None:
            self.make(place)
        else:
            assert self.project is not None
            self._run([str(TOP / ".ci" / "source"), self.project.source, str(place / "source")], place, None)
            self._run(["sh", "-ec", self.project.prepare], place / "source", site.environment())
            build, whole = (place / "source" / self.project.build).resolve(), self.project.arguments
        objects, compiles = self.objects(build)
        return Tree(self.name, place, build, whole, objects, compiles)

    def _run(self, command: Sequence[str], cwd: Path, env: dict[str, str] | None) -> None:
        try:
            done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=_PREPARE_S)  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise BenchFailed(f"{self.name}: not configured after {_PREPARE_S:.0f} s") from error
        if done.returncode:
            raise BenchFailed(f"{self.name} cannot be configured: {done.stdout.strip().rpartition(chr(10))[2][:300]}")


def _named(*arguments: str, compiles: int) -> Callable[[Path], tuple[tuple[str, ...], int]]:
    return lambda _: (arguments, compiles)


def _commands(build: Path) -> tuple[tuple[str, ...], int]:
    """A Makefile of CMake's own compile commands, by the compiler's bare name as farms want it."""
    return _write(build, [
        (entry["output"] if "output" in entry else _output(entry["command"]), entry["file"], entry["command"])
        for entry in json.loads((build / "compile_commands.json").read_text())
    ])  # fmt: skip


def _output(command: str) -> str:
    words = shlex.split(command)
    return words[words.index("-o") + 1]


def _write(build: Path, rules: list[tuple[str, str, str]]) -> tuple[tuple[str, ...], int]:
    lines = [f"objects: {' '.join(output for output, _, _ in rules)}"]
    for output, source, command in rules:
        (build / output).parent.mkdir(parents=True, exist_ok=True)
        program, _, rest = command.partition(" ")
        lines.append(f"{output}: {source}\n\t{program.rpartition('/')[2]} {rest}")
    (build / _OBJECTS_FILE).write_text("\n".join(lines) + "\n")
    return ("-f", _OBJECTS_FILE, "objects"), len(rules)


def _fmtlib(build: Path) -> tuple[tuple[str, ...], int]:
    """The library as it is configured, and tests of its, with Debian's googletest; without optimisation, for time."""
    entries = json.loads((build / "compile_commands.json").read_text())
    rules = [(_output(entry["command"]), entry["file"], entry["command"]) for entry in entries]
    source = Path(entries[0]["file"]).parents[1]
    for test in _FMTLIB_TESTS:
        output, file = f"test/{test}.o", source / "test" / f"{test}.cc"
        rules.append((output, str(file), f"c++ -I{source}/include -I{source}/test -std=gnu++14 -o {output} -c {file}"))
    return _write(build, rules)


def _with_commands(project: Project) -> Project:
    return replace(project, prepare=f"{project.prepare} -DCMAKE_EXPORT_COMPILE_COMMANDS=ON")


def _project(row: str) -> Project:
    (found,) = [project for project in projects.PROJECTS if project.row == row]
    return found


_ZLIB = ("adler32", "crc32", "deflate", "infback", "inffast", "inflate", "inftrees", "trees", "zutil", "compress",
         "uncompr", "gzclose", "gzlib", "gzread", "gzwrite")  # fmt: skip


def heavy(files: int) -> Workload:
    """The made one: `files` C++ files that include much of the standard library."""
    return Workload("c++", None, _named("objects", compiles=files), lambda place: made.heavy_headers(place, files))


LUA = Workload("lua", _project("lua"), _named("-C", "src", "o", "SYSCFLAGS=-DLUA_USE_LINUX", compiles=34))
FMTLIB = Workload("fmtlib", _with_commands(_project("fmtlib")), _fmtlib)
LEVELDB = Workload("leveldb", _with_commands(_project("leveldb")), _commands)
ZLIB = Workload("zlib", _project("zlib"), _named(*(f"{name}.o" for name in _ZLIB), compiles=len(_ZLIB)))
BUSYBOX = Workload("busybox", projects.SMALL_BUSYBOX, _named(compiles=0))
#: One compile is most of it, so as object files only it says nothing.
SQLITE = Workload("sqlite3", _project("sqlite3"), _named(compiles=0))
