"""The real projects, as Debian sources, unmodified: how each is configured and built."""

from msgspec import Struct, field


class Project(Struct, frozen=True):
    """One row of the table.

    row: its name there. source: the Debian source package. style: what kind of build it is, for readers.
    prepare: a shell command that configures it, run in the source's directory. build: the directory in which make
    runs, relative to the source's. arguments: make's. driver: what runs instead of make. touched: relative to the
    source's directory; touching it rebuilds some files, not all. compiles: at least so many jobs compile.
    explained: for paths (as globs) that differ from a plain build though two plain builds agree, why that is.
    """

    row: str
    source: str
    style: str
    prepare: str = ":"
    build: str = "."
    arguments: tuple[str, ...] = ()
    driver: str = "make"
    touched: str = ""
    compiles: int = 1
    explained: dict[str, str] = field(default_factory=dict)


# The build directory lies beside the sources, so neither contains the other.
_LEVELDB = "cmake -S . -B ../build -DLEVELDB_BUILD_TESTS=OFF -DLEVELDB_BUILD_BENCHMARKS=OFF"

# kbuild in all its ways, in a tenth of the time of defconfig.
_SMALL_BUSYBOX = """make allnoconfig
for option in CAT ECHO LS SED ASH TEST STATIC; do sed -i "s/# CONFIG_$option is not set/CONFIG_$option=y/" .config; done
yes '' | make oldconfig"""

LUA = Project(
    "lua", "lua5.4", "plain Makefile", arguments=("-C", "src", "linux"), touched="src/lopcodes.h", compiles=34
)  # fmt: skip
SMALL_BUSYBOX = Project(
    "busybox-small", "busybox", "kbuild, SHELL=/bin/bash", _SMALL_BUSYBOX, touched="include/xregex.h"
)
LEVELDB = Project(
    "leveldb", "leveldb", "CMake, C++, out of tree", _LEVELDB, build="../build", touched="util/coding.h", compiles=39
)

PROJECTS = (
    LUA,
    Project("zlib", "zlib", "own configure", "./configure"),
    Project("bzip2", "bzip2", "plain Makefile"),
    Project("busybox", "busybox", "kbuild, SHELL=/bin/bash", "make defconfig"),
    Project("xz-utils", "xz-utils", "autotools, libtool", "./configure"),
    Project("sqlite3", "sqlite3", "autoconf, libtool, generated sources", "./configure"),
    Project("libarchive", "libarchive", "autotools, libtool", "./configure"),
    LEVELDB,
    Project("leveldb-ninja", "leveldb", "CMake with ninja, C++, out of tree", f"{_LEVELDB} -G Ninja",
            build="../build", driver="ninja"),
    Project("fmtlib", "fmtlib", "CMake, C++, out of tree", "cmake -S . -B ../build -DFMT_TEST=OFF -DFMT_DOC=OFF",
            build="../build"),
    Project("bash", "bash", "recursive, generated headers, SHELL=/bin/bash",
            "CONFIG_SHELL=/bin/bash ./configure MAKE_SHELL=/bin/bash"),
    Project("tcl", "tcl8.6", "autoconf, recursive packages", "cd unix && ./configure", build="unix"),
    Project("lua-clang", "lua5.4", "plain Makefile, clang", arguments=("-C", "src", "linux", "CC=clang")),
    Project("leveldb-clang", "leveldb", "CMake, C++, out of tree, clang",
            f"{_LEVELDB} -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++", build="../build"),
    Project("zlib-aarch64", "zlib", "own configure, cross", "CHOST=aarch64-linux-gnu ./configure"),
)  # fmt: skip

# The upgrade drill: built at the same time, on the same slaves, by two masters with a compiler each.
DRILL = (
    Project("lua-gcc-12", "lua5.4", "plain Makefile, upgrade drill", arguments=("-C", "src", "linux", "CC=gcc-12")),
    Project("zlib-gcc-11", "zlib", "own configure, upgrade drill", "CC=gcc-11 ./configure"),
)
