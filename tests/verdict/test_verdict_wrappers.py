"""What build systems put around a compile: automake's scripts, libtool, kbuild, CMake, Meson, plain shell."""

import pytest
from verdict.verdictkit import ROOT, Machine, judge

SCRIPTS = {
    ROOT + b"/depcomp": b"#! /bin/sh\n# depcomp - compile a program generating dependencies as side-effects\n",
    ROOT + b"/build-aux/compile": b"#! /bin/sh\n# Wrapper for compilers which do not understand '-c -o'.\n",
    ROOT + b"/other/compile": b"#! /bin/sh\nmake all\n",
}
NAMES = b"foo.c libtool .deps/foo.Po .deps/foo.TPo .foo.o.cmd scripts/fixdep src/x.c b/keep".split()
WORLD = Machine(
    {*SCRIPTS, *(ROOT + b"/" + name for name in NAMES), b"/usr/bin/objtool"},
    {ROOT + b"/b", ROOT + b"/sub"},
    texts=SCRIPTS,
)

# Line | what must be among the inputs besides
TRAVELS = r"""
source='foo.c' object='foo.o' libtool=no DEPDIR=.deps depmode=gcc3 /bin/bash ./depcomp gcc -c -o foo.o foo.c | depcomp foo.c .deps/foo.Po
source='foo.c' object='foo.o' libtool=no depfile='.deps/foo.Po' tmpdepfile='.deps/foo.TPo' depmode=gcc3 /bin/sh ./depcomp gcc -c foo.c | depcomp .deps/foo.Po .deps/foo.TPo
source='foo.c' object='foo.lo' libtool=yes DEPDIR=.deps depmode=gcc3 /bin/sh ./depcomp /bin/sh ./libtool --mode=compile gcc -c -o foo.lo foo.c | depcomp libtool foo.c
DEPDIR=.deps depmode=none ./depcomp gcc -c foo.c | depcomp
/bin/sh build-aux/compile gcc -c -o foo.o foo.c | build-aux/compile foo.c
./build-aux/compile gcc -MT foo.o -MD -MP -MF .deps/foo.TPo -c -o foo.o foo.c && mv -f .deps/foo.TPo .deps/foo.Po | build-aux/compile .deps/foo.TPo
cd sub && /bin/sh ../build-aux/compile ccache gcc -c ../foo.c | build-aux/compile
cd /project/b && /usr/bin/c++ -DX -I/project/include -O3 -DNDEBUG -std=gnu++17 -MD -MT a.o -MF a.o.d -o a.o -c /project/foo.c | foo.c
cd /project/b && ccache /usr/bin/c++ -o CMakeFiles/x.dir/foo.c.o -c ../foo.c | foo.c
cc -Ilib.p -I. -Isrc -fdiagnostics-color=always -Wall -Winvalid-pch -O0 -g -fPIC -MD -MQ lib.p/x.c.o -MF lib.p/x.c.o.d -o lib.p/x.c.o -c src/x.c | src/x.c
set -e; echo '  CC foo.o'; gcc -Wp,-MMD,.foo.o.d -c -o foo.o foo.c; ./scripts/fixdep .foo.o.d foo.o 'gcc -c foo.c' > .foo.o.cmd; rm -f .foo.o.d | scripts/fixdep .foo.o.cmd
set -e; trap 'rm -f foo.o; trap - HUP; kill -s HUP $$' HUP; trap 'rm -f foo.o; exit 130' INT; gcc -c -o foo.o foo.c | foo.c
nice -n 5 gcc -c foo.c | foo.c
nice gcc -c foo.c | foo.c
env LC_ALL=C LANG=C gcc -c foo.c | foo.c
command gcc -c foo.c | foo.c
LC_ALL=C env ccache gcc -c foo.c | foo.c
gcc -c foo.c && strip --strip-unneeded foo.o | foo.c
gcc -c foo.c && objcopy --rename-section .data=.rodata foo.o | foo.c
gcc -c foo.c -o foo.tmp && mv foo.tmp foo.o | foo.c
echo '/* made */' > made.h; echo '#define X' >> made.h; gcc -c foo.c | foo.c
cat > made.c <<'E' && gcc -c made.c\nint x;\nE | -
case foo.lo in *.lo) flags=-fPIC;; *) flags=;; esac; gcc $flags -c foo.c | foo.c
if test -f foo.c; then gcc -c foo.c; else exit 1; fi | foo.c
out=foo.x; gcc -c foo.c -o ${out%.x}.o | foo.c
while read line; do test -n "$line"; done < foo.c; gcc -c foo.c | foo.c
for f in foo src/x; do gcc -c $f.c || exit 1; done | foo.c src/x.c
awk -F: -v x=1 '/a/ {print $1}' foo.c > made.h && gcc -c foo.c | foo.c
diff -q foo.c src/x.c || gcc -c foo.c | foo.c src/x.c
trap 'rm -f made.h' EXIT; gcc -c foo.c | foo.c
""".strip().splitlines()  # noqa: E501

STAYS = r"""
DEPDIR=.deps depmode=sgi /bin/sh ./depcomp gcc -c foo.c | depcomp's way to find dependencies is not understood (sgi)
./depcomp gcc -c foo.c | not understood
depmode=gcc3 ./depcomp | depcomp has no command
depmode=gcc3 ./depcomp make all | depcomp runs make
./other/compile gcc -c foo.c | compiles nothing
/bin/sh ./other/compile gcc -c foo.c | compiles nothing
build-aux/compile tcc -c foo.c | compile runs tcc
set -e; gcc -c foo.c; echo x >> log | appends
echo x > log; false && echo y > late; set -e; gcc -c foo.c; echo z >> late | appends
cat >> log <<E; gcc -c foo.c\nx\nE | appends
gcc -c foo.c <<E | here-document that is not understood
gcc -c foo.c <<E\nx | without its end
cat <<E && gcc -c "foo.c"\nx\nE | here-document that is not understood
cat <<E && gcc -c foo.c\n$(make all)\nE | here-document with $(...)
cat <<E && gcc -c foo.c\n`make all`\nE | another build
cat <<E && gcc -c foo.c\nx\\\nE\nE | backslash at a line's end
while test -f foo.c; do gcc -c foo.c; done | loop that may go on for ever
while read x; do gcc -c $x; done < foo.c | only the shell can tell
while read x; do cd $x; done < foo.c; gcc -c foo.c | only the shell can tell
read x; gcc -c foo.c | reads from standard input
read PATH < foo.c; gcc -c foo.c | read that is not understood
case x in esac gcc -c foo.c | not understood
case $x in a) cd sub;; esac; case $(cat x) in a) cd sub;; esac; gcc -c foo.c | only some cases
case x in x) gcc -c foo.c; echo;; esac; true | go on after
trap 'gcc -c foo.c' EXIT; true | go on after
trap 'exit 0' EXIT; gcc -c foo.c | trap that exits
trap 'rm -f x; (exec true)' 0; gcc -c foo.c | trap that exits
trap 'if true; then "exit"; fi' 0; gcc -c foo.c | trap that exits
trap 'make clean' EXIT; gcc -c foo.c | another build
trap 'x' USR1; gcc -c foo.c | trap
${CC:=gcc} -c foo.c | operator that is not understood
gcc -c foo.c -DX=$((x=1)) | arithmetic that is not understood
gcc -c foo.c -DX=$((1+1)) | only the shell can tell
awk -f prog foo.c > x && gcc -c foo.c | awk -f is not understood
awk '{print > "x"}' foo.c && gcc -c foo.c | may use files or commands
tee /tmp/x < foo.c; gcc -c foo.c | outside the project
nice -n | nice runs nothing
nice --fast gcc -c foo.c | not understood
gcc -c foo.c && ar rc x.a foo.o | ar is not a command that travels
""".strip().splitlines()


@pytest.mark.parametrize("row", TRAVELS)
def test_travels(row: str) -> None:
    line, _, inputs = row.rpartition(" | ")
    verdict = judge(line.replace("\\n", "\n"), machine=WORLD)
    assert verdict.remote, verdict.reason
    assert set(verdict.inputs) >= {ROOT + b"/" + name for name in inputs.encode().split() if name != b"-"}
    assert verdict.needs.paths == ()


@pytest.mark.parametrize("row", STAYS)
def test_stays(row: str) -> None:
    line, _, fragment = row.rpartition(" | ")
    verdict = judge(line.replace("\\n", "\n"), machine=WORLD, env={b"x": b""})
    assert not verdict.remote and fragment in verdict.reason, verdict.reason
