"""What a recipe needs besides the project: compilers wherever they are, options that lead them, files outside."""

import pytest
from verdict.verdictkit import ROOT, TREE, Machine, judge

from dgcc.master.verdict.needs import Toolchain

SCRIPTS = {
    b"/home/me/bin/gcc": b'#!/bin/sh\n# my own\nexec /usr/bin/gcc -pipe "$@"\n',
    b"/home/me/bin/g++": b"#!/usr/bin/env python3\n",
    b"/home/me/bin/clang": b'#!/bin/sh\ngit describe > /tmp/v\nexec /usr/bin/clang "$@"\n',
    b"/home/me/bin/cc": b"#!/bin/bash\necho no\n",
    b"/home/me/bin/c++": b'#!/bin/sh -e\nif [ "$X" ]; then exec g++ -O2 ${1+"$@"}; fi\nexec g++ "$@"\n',
}
OUTSIDE = {
    b"/sdk/include/x.h", b"/sdk/include/sub/y.h", b"/sdk/x.c", b"/sdk/lib/libx.a", b"/tmp/odd.h", b"/tmp/sdk/z.h",
    b"/home/me/notes.h", b"/home/me/lib/l.h", b"/sdk/.git/x.h", b"/sdk/my.specs", b"/sdk/plug.so", b"/sdk/bin/as",
    ROOT + b"/tool/as", ROOT + b"/tool/crt1.o", ROOT + b"/opts", ROOT + b"/bad.opts", ROOT + b"/native.opts",
    ROOT + b"/my.specs", ROOT + b"/prof/a#b#foo.gcda", ROOT + b"/prof/foo.gcda", ROOT + b"/prof/bar.gcda",
    ROOT + b"/foo.gcda", ROOT + b"/default.profdata", ROOT + b"/all.h", ROOT + b"/all.h.gch", ROOT + b"/include/p.h",
    ROOT + b"/include/p.h.gch/one", ROOT + b"/include/p.h.gch/two", ROOT + b"/foo.d", ROOT + b"/foo.gcno",
    ROOT + b"/foo.i", ROOT + b"/more", ROOT + b"/foo.s", ROOT + b"/foo.dwo", ROOT + b"/gen.h",
    ROOT + b"/list.txt", ROOT + b"/plug.so", ROOT + b"/foo.su",
}  # fmt: skip
WORLD = Machine(
    TREE.files | OUTSIDE | set(SCRIPTS) | {b"/home/me/lib64/ccache/gcc"},
    TREE.directories | {b"/sdk", b"/home/me", b"/usr/lib/x", b"/home/me/bin"},
    {ROOT + b"/sdk": b"/sdk/include", ROOT + b"/one.c": b"/sdk/x.c", ROOT + b"/inner.c": ROOT + b"/foo.c"},
    {**SCRIPTS, ROOT + b"/opts": b"-DA='x y' -I/sdk/include \"-DB=\\\"q\\\"\"\n-O2 @more", ROOT + b"/bad.opts": b"'x",
     ROOT + b"/native.opts": b"-O2 -march=native"},
)  # fmt: skip

# Line | toolchain with its options, or empty | paths outside | inputs below the root besides foo.c
NEEDED = r"""
gcc -c foo.c | /usr/bin/gcc | |
gcc -I/sdk/include -isystem /sdk/include/sub -c foo.c | | /sdk/include /sdk/include/sub |
gcc -iquote /sdk/include -idirafter/sdk/none -c foo.c | | /sdk/include |
gcc -I../sdk/include -c foo.c | | /sdk/include |
gcc -Isdk -Isdk/sub -c foo.c | | /sdk/include /sdk/include/sub |
gcc -include /sdk/include/x.h -imacros/sdk/include/sub/y.h -c foo.c | | /sdk/include/x.h /sdk/include/sub/y.h |
gcc -c /sdk/x.c -o foo.o && touch foo.c | | /sdk/x.c |
gcc -c one.c -o foo.o && touch foo.c | | /sdk/x.c |
gcc -c inner.c | | | inner.c
gcc -I/tmp/sdk -c foo.c | | /tmp/sdk |
gcc -I/home/me/lib -c foo.c | | /home/me/lib |
gcc -I/nowhere/include -L/sdk/lib -c foo.c | | |
gcc --sysroot=/sdk -I=/include -c foo.c | /usr/bin/gcc --sysroot=/sdk | /sdk /sdk/include |
gcc --sysroot /sdk -c foo.c | /usr/bin/gcc --sysroot=/sdk | /sdk |
gcc -isysroot /sdk -c foo.c | /usr/bin/gcc -isysroot /sdk | /sdk |
gcc --sysroot=include -c foo.c | /usr/bin/gcc --sysroot=/project/include | |
gcc -B/sdk/bin -c foo.c | /usr/bin/gcc -B/sdk/bin | /sdk/bin |
gcc -Binclude/ -c foo.c | /usr/bin/gcc -B/project/include/ | |
gcc -specs=/sdk/my.specs -c foo.c | /usr/bin/gcc -specs=/sdk/my.specs | /sdk/my.specs |
gcc -specs=my.specs -c foo.c | /usr/bin/gcc -specs=/project/my.specs | | my.specs
gcc -specs=nosys.specs -c foo.c | /usr/bin/gcc -specs=nosys.specs | |
gcc -m32 -march=i686 -msse2 -c foo.c | /usr/bin/gcc -m32 | |
gcc -mx32 -c foo.c | /usr/bin/gcc -mx32 | |
gcc -mabi=ms -c foo.c | /usr/bin/gcc -mabi=ms | |
aarch64-linux-gnu-gcc -march=armv8-a -mabi=lp64 -c foo.c | /usr/bin/aarch64-linux-gnu-gcc -march=armv8-a -mabi=lp64 | |
arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -O2 -c foo.c | /usr/bin/arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -mfloat-abi=hard | |
clang --target=aarch64-linux-gnu -stdlib=libc++ -c foo.c | /usr/bin/clang --target=aarch64-linux-gnu -stdlib=libc++ | |
clang -target arm-none-eabi -mcpu=cortex-m0 -c foo.c | /usr/bin/clang -target arm-none-eabi -mcpu=cortex-m0 | |
clang --gcc-toolchain=/sdk -rtlib=compiler-rt -fuse-ld=lld -c foo.c | /usr/bin/clang --gcc-toolchain=/sdk -rtlib=compiler-rt -fuse-ld=lld | |
gcc -nostdinc -c foo.c | /usr/bin/gcc | |
/home/me/bin/gcc -c foo.c | /home/me/bin/gcc | |
/home/me/bin/c++ -c foo.c | /home/me/bin/c++ | |
/opt/new/bin/gcc -c foo.c | /opt/new/bin/gcc | |
musl-gcc -c foo.c | /usr/bin/musl-gcc | |
/usr/lib/ccache/gcc -c foo.c | /usr/bin/gcc | |
ccache gcc -c foo.c | /usr/bin/gcc | |
ccache distcc /opt/new/bin/gcc -c foo.c | /opt/new/bin/gcc | |
./libtool --mode=compile ccache gcc -c foo.c | /usr/bin/gcc | | libtool
./libtool --tag CC --mode compile gcc -Wc,-pipe -Xcompiler -O2 -c foo.c | /usr/bin/gcc | | libtool
gcc @opts -c foo.c | /usr/bin/gcc | /sdk/include | opts
gcc -fplugin=/sdk/plug.so -c foo.c | | /sdk/plug.so |
gcc -fplugin=./plug.so -fplugin-arg-plug-x=1 -c foo.c | | | plug.so
gcc -fsanitize-ignorelist=list.txt -c foo.c | | | list.txt
gcc -fprofile-use -c foo.c | | | foo.gcda
gcc -fprofile-use -c foo.c -o obj/foo.o | | | foo.gcda
gcc -fprofile-use=prof -c foo.c | | | prof/a#b#foo.gcda prof/foo.gcda
gcc -fprofile-use -fprofile-dir=prof -c foo.c | | | prof/a#b#foo.gcda prof/foo.gcda
gcc -fbranch-probabilities -fprofile-dir=/nowhere -c foo.c | | |
gcc -fprofile-use=/project/prof/foo.gcda -c foo.c | | | prof/foo.gcda
gcc -fbranch-probabilities -c foo.c | | | foo.gcda
clang -fprofile-instr-use -c foo.c | | | default.profdata
clang -fprofile-use=default.profdata -c foo.c | | | default.profdata
gcc -include all.h -c foo.c | | | all.h all.h.gch
gcc -Iinclude -include p.h -c foo.c | | | include/p.h.gch/one include/p.h.gch/two
gcc -MD -c foo.c | | | foo.d
gcc -MMD -MF foo.d -c foo.c | | | foo.d
gcc -Wp,-MD,foo.d -c foo.c | | | foo.d
gcc --coverage -c foo.c | | | foo.gcno
gcc -gsplit-dwarf -c foo.c | | | foo.dwo
gcc -fstack-usage -c foo.c | | | foo.su
gcc -save-temps -c foo.c | | | foo.i foo.s
gcc -E foo.c -o foo.i | | | foo.i
gcc -E foo.c > gen.h | | | gen.h
gcc -S foo.c | | | foo.s
gcc -c foo.c -o old.o | | |
sed s/a/b/ /sdk/include/x.h > gen.h && gcc -c foo.c | | /sdk/include/x.h | gen.h
cp /sdk/include/x.h gen.h && gcc -c foo.c | | /sdk/include/x.h | gen.h
""".strip().splitlines()  # noqa: E501


@pytest.mark.parametrize("row", NEEDED)
def test_needs(row: str) -> None:
    line, chain, paths, inputs = (part.strip() for part in row.rsplit("|", 3))
    verdict = judge(line, machine=WORLD)
    assert verdict.remote, verdict.reason
    if chain:
        driver, *options = chain.encode().split()
        assert verdict.needs.toolchains == (Toolchain(driver, tuple(options)),)
        assert verdict.compilers == (driver,)
    assert verdict.needs.paths == tuple(paths.encode().split())
    wanted = {ROOT + b"/" + name for name in (b"foo.c", *inputs.encode().split())}
    assert set(verdict.inputs) >= wanted
    if line.startswith("gcc -"):
        # Nothing but what is named, and what a link in the project leads to.
        assert set(verdict.inputs) - wanted <= {ROOT + b"/include/p.h"}
    assert not verdict.needs.links and verdict.remote_argv is None


HOME = r"""
gcc -I/ -c foo.c | is too much to take along: name a directory below it
gcc -I.. -c foo.c | -I .. (/) is too much
gcc -I/home/me -c foo.c | is too much
gcc -I/usr -c foo.c | is too much
gcc -I/tmp -c foo.c | is too much
gcc -include /tmp/odd.h -c foo.c | lies in /tmp itself: move it
gcc -include /home/me/notes.h -c foo.c | lies in /home/me itself
gcc -I/proc/self -c foo.c | this machine's own
gcc -c /sys/x.c | this machine's own
gcc -I/sdk/.git -c foo.c | version control's own
gcc -I.git -c foo.c | version control's own
gcc -I=/x -c foo.c | system root
gcc -Btool -c foo.c | -Btool has the compiler run tool/as, which is built in the tree
gcc -fplugin=short -c foo.c | plugin by its short name
gcc @none -c foo.c | a file that is not there (@none)
gcc @bad.opts -c foo.c | quote without its end
gcc @native.opts -c foo.c | asks for this machine's processor
echo -O2 > opts; gcc @opts -c foo.c | the line itself writes
/home/me/bin/g++ -c foo.c | is really /home/me/bin/g++, which is no compiler
/home/me/bin/clang -c foo.c | does more than to start a compiler (git)
/home/me/bin/cc -c foo.c | does more than to start a compiler (what it does with its arguments)
gcc -c foo.c -o /sdk/foo.o | output /sdk/foo.o lies outside the project
gcc -c foo.c -o sdk/foo.o | leads outside the project, to /sdk/include
gcc -MMD -MF /sdk/foo.d -c foo.c | outside the project
gcc -fprofile-use=gone.gcda -c foo.c | a profile that is not there
gcc -fprofile-use -dumpbase x -c foo.c | a profile whose name is not understood
pump gcc -c foo.c | pump is in front of the compiler
ccache -c foo.c | understood only in front of a compiler
ccache make | understood only in front
icecc gcc -c foo.c | icecc is not found
/home/me/lib64/ccache/gcc -c foo.c -march=native | depends on this machine's processor
env PATH=/x gcc -c foo.c | env sets PATH
env -i gcc -c foo.c | env -i is not understood
""".strip().splitlines()


@pytest.mark.parametrize("row", HOME)
def test_what_cannot_be_taken_along(row: str) -> None:
    line, _, fragment = row.rpartition(" | ")
    verdict = judge(line, machine=WORLD)
    assert not verdict.remote and fragment in verdict.reason, verdict.reason


def test_a_prefix_is_said_to_be_left_out_and_has_its_place() -> None:
    verdict = judge("ccache gcc -c foo.c")
    assert verdict.notes == ("ccache is left out of remote compiles",)
    assert verdict.needs.programs == (b"/usr/bin/ccache",) and verdict.label == "CC foo.c"
    masked = judge("gcc -c foo.c", env={b"PATH": b"/usr/lib/ccache:/usr/bin"})
    assert masked.compilers == (b"/usr/bin/gcc",) and masked.notes == verdict.notes
    assert masked.needs.programs == (b"/usr/lib/ccache/gcc",)
    # What stands in its place on a slave looks behind its own directory, where nothing is.
    assert "not found" in judge("/usr/lib/ccache/gcc -c foo.c", env={b"PATH": b"/usr/bin:/usr/lib/ccache"}).reason


def test_a_prefix_that_changes_what_is_compiled_keeps_it_home() -> None:
    reason = judge("ccache gcc -c foo.c", env={b"CCACHE_BASEDIR": b"/project"}).reason
    assert reason == "CCACHE_BASEDIR has ccache change what is compiled"
    settings = Machine(TREE.files, texts={b"/me/.config/ccache/ccache.conf": b"max_size = 5G\nbase_dir = /project\n"})
    assert judge("ccache gcc -c foo.c", env={b"HOME": b"/you"}, machine=settings).remote
    reason = judge("ccache gcc -c foo.c", env={b"HOME": b"/me"}, machine=settings).reason
    assert reason == "'base_dir' in /me/.config/ccache/ccache.conf has ccache change what is compiled"


def test_a_tool_of_usr_local_comes_along() -> None:
    local = Machine(TREE.files | {b"/usr/local/bin/sed", b"/usr/local/bin/sh"}, TREE.directories)
    env = {b"PATH": b"/usr/local/bin:/usr/bin:/bin"}
    verdict = judge("sed s/a/b/ foo.c > x.h; gcc -c foo.c", env=env, machine=local)
    assert verdict.needs.programs == (b"/usr/local/bin/sed",)
    assert judge("gcc -c foo.c", env=env, machine=local).needs.programs == ()


def test_directories_of_the_environment() -> None:
    verdict = judge("gcc -c foo.c", machine=WORLD, env={b"CPATH": b"/sdk/include:/nowhere", b"LIBRARY_PATH": b"/"})
    assert verdict.needs.paths == (b"/sdk/include",)


def test_compiling_and_linking_in_one_command_travels_with_its_libraries():
    verdict = judge("gcc -O2 foo.c bar.o -Llib -lm -lz -o prog")
    assert verdict.remote and verdict.needs.links
    assert verdict.needs.libraries == ((0, b"m"), (0, b"z"))
    assert verdict.outputs == (ROOT + b"/prog",)
    assert not judge("gcc bar.o -lm -o prog").remote
