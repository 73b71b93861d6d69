"""Recipes that must travel: every form in which real makefiles compile."""

import pytest
from verdict.verdictkit import ROOT, judge, judge_argv

PLAIN = """
gcc -c foo.c
gcc -c foo.c -o foo.o
gcc -ofoo.o -c foo.c
cc -O2 -g -Wall -c -o foo.o foo.c
g++ -std=c++17 -c foo.cc
c++ -c foo.cpp -o build/foo.o
clang -c foo.c
clang++ -Weverything -Qunused-arguments -c foo.cxx
c99 -c foo.c
c89 -c foo.c
gcc-12 -c foo.c
g++-11 -c foo.C
x86_64-linux-gnu-gcc-12 -c foo.c
aarch64-linux-gnu-gcc -c foo.c
arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -c foo.c
/usr/bin/gcc -c foo.c
gcc -S foo.c
gcc -S -c foo.c -o foo.s
gcc -c foo.s
gcc -c foo.S -o foo.o
gcc -x assembler-with-cpp -c foo.weird -o foo.o
gcc -xc -c foo.inc -o foo.o
gcc -x c -c foo.inc -x none bar.c
gcc -c foo.i
gcc -c foo.c bar.c
gcc -c -pipe -save-temps foo.c
gcc -c --save-temps -gsplit-dwarf foo.c
gcc -c -DX foo.c
gcc -c -D X=1 -U Y -UZ foo.c
gcc -c -I include -Iinclude -isystem include -iquote include -idirafter include foo.c
gcc -c -I/project/include foo.c
gcc -c -I/usr/include/x foo.c
gcc -c -isystem /usr/include foo.c
gcc -c -I/usr/local/include foo.c
gcc -c -L/usr/lib -L . -lfoo foo.c
gcc -c -I../project/include foo.c
gcc -c -I. -I src/.. foo.c
gcc -c -include include/config.h foo.c
gcc -c -imacros include/config.h foo.c
gcc -MD -MP -MF .deps/foo.Tpo -MT foo.o -MQ foo.o -c foo.c
gcc -MMD -MFfoo.d -MTfoo.o -MG -c foo.c
gcc -Wp,-MD,.foo.o.d -c foo.c
gcc -Wp,-MMD,.foo.o.d,-MT,foo.o -c foo.c
gcc -Wp,-D_FORTIFY_SOURCE=2 -c foo.c
gcc -Wa,--noexecstack -c foo.c
gcc -Wa,-a=foo.lst -c foo.c
gcc -Wa,--fatal-warnings,-Iinclude -c foo.S
gcc -Xassembler --noexecstack -Xpreprocessor -DX -Xlinker -z -c foo.c
gcc -Wl,-O1 -Wl,--as-needed -z now -c foo.c
gcc --param max-inline-insns=5 --param=x=1 -c foo.c
gcc -march=x86-64-v3 -mtune=generic -mno-avx -msse4.2 -c foo.c
gcc -fPIC -DPIC -fno-strict-aliasing -fstack-protector-strong -fvisibility=hidden -c foo.c
gcc -ffile-prefix-map=/home/u/x=. -fdebug-prefix-map=/build=/src -c foo.c
gcc -flto -fuse-linker-plugin -ffat-lto-objects -c foo.c
gcc -fprofile-arcs -ftest-coverage --coverage -c foo.c
gcc -fprofile-generate=/var/run/profile -c foo.c
gcc -fsanitize=address,undefined -fno-sanitize=alignment -c foo.c
gcc -fdump-tree-all -c foo.c
gcc -fdump-rtl-final=dumps/x -c foo.c
gcc -frandom-seed=/a/b -c foo.c
gcc -fdiagnostics-color=always -c foo.c
gcc -O3 -DNDEBUG -pthread -static-libgcc -rdynamic -s -c foo.c
gcc -c foo.c -o /dev/null
gcc -c -MD -MF /dev/null foo.c
gcc -x c -c /dev/null -o foo.o
gcc -c foo.c lib.a old.o
gcc --sysroot=/project/include -c foo.c
gcc -isysroot include -c foo.c
gcc -nostdinc -ffreestanding -c foo.c
gcc -c -DVERSION='"1.2 (x)"' foo.c
gcc -c "-DKBUILD_STR(s)=#s" foo.c
gcc -c -DPATH=\\"/etc/foo\\" foo.c
gcc -c src/foo.c -o src/foo.o
gcc -c /project/src/foo.c
gcc -c inward/x.c
gcc -E foo.c
gcc -E -c foo.c
gcc -M foo.c
gcc -MM -c foo.c
gcc -c foo.h
gcc -x c++-header -c foo.h
gcc -fprofile-use -c foo.c
gcc -fbranch-probabilities -c foo.c
clang -fprofile-sample-use=x -c foo.c
gcc -fplugin=./x.so -c foo.c
gcc -fplugin-arg-x-y -c foo.c
clang -mllvm -x -c foo.c
gcc -specs=my.specs -c foo.c
gcc -B. -c foo.c
gcc -B /opt/x -c foo.c
gcc --sysroot=/opt/root -c foo.c
gcc --sysroot /opt/root -c foo.c
gcc -isysroot /opt/root -c foo.c
gcc -I/opt/x -c foo.c
gcc -I /opt/x -c foo.c
gcc -Iaway/include -c foo.c
gcc -isystem /opt/x -c foo.c
gcc -iquote /opt/x -c foo.c
gcc -idirafter /opt/x -c foo.c
gcc -include /opt/x.h -c foo.c
gcc -include /usr/include/x.h -c foo.c
gcc -imacros ../x.h -c foo.c
gcc -iprefix /opt -c foo.c
gcc -L/opt/lib -c foo.c
gcc -c /etc/foo.c
gcc -c ../foo.c
gcc -c away/foo.c
gcc -Wp,-include,/etc/x -c foo.c
/usr/lib/ccache/gcc -c foo.c
musl-gcc -c foo.c
x86_64-linux-musl-gcc -c foo.c
gcc -c ${SRC:-foo.c}
""".strip().splitlines()  # noqa: E501

SHELL = r"""
cd src && gcc -c foo.c
cd /project/build && /usr/bin/c++ -DX -o CMakeFiles/a.dir/foo.cc.o -c /project/src/foo.cc
cd src; gcc -c foo.c
cd src || exit 1; gcc -c foo.c -o foo.o
(cd src && gcc -c foo.c)
(cd src; gcc -I../include -c foo.c) && touch stamp
{ gcc -c foo.c; }
set -e; gcc -c foo.c; mv foo.o lib.o
set -e; echo '  CC  foo.o'; gcc -c foo.c; scripts/fixdep foo.d foo.o 'gcc -I/usr/include -c foo.c' > .foo.tmp; rm -f foo.d; mv -f .foo.tmp .foo.cmd
set -ex; cd src; gcc -c foo.c; cp foo.o ..
echo "CC foo.c"; gcc -c foo.c
printf '  %s\n' CC foo.c && gcc -c foo.c
: comment; gcc -c foo.c
true && gcc -c foo.c
gcc -c foo.c && mv -f foo.o bar.o
gcc -MT foo.o -MD -MP -MF .deps/foo.Tpo -c -o foo.o foo.c && mv -f .deps/foo.Tpo .deps/foo.Po
gcc -MT foo.o -MD -MP -MF .deps/foo.Tpo -c -o foo.o foo.c &&\
mv -f .deps/foo.Tpo .deps/foo.Po
depbase=`echo src/foo.o | sed 's|[^/]*$|.deps/&|;s|\.o$||'`; gcc -MT src/foo.o -MD -MP -MF $depbase.Tpo -c -o src/foo.o src/foo.c && mv -f $depbase.Tpo $depbase.Po
depbase=$(echo src/foo.lo | sed 's|[^/]*$|.deps/&|;s|\.lo$||'); /bin/bash ./libtool --mode=compile gcc -MF $depbase.Tpo -c -o src/foo.lo src/foo.c
gcc -c -o foo.o `test -f 'foo.c' || echo './'`foo.c
gcc -c -o foo.o `test -f 'none.c' || echo 'src/'`foo.c
if gcc -MT foo.o -MD -MF foo.Tpo -c -o foo.o foo.c; then mv -f foo.Tpo foo.Po; else rm -f foo.Tpo; exit 1; fi
if test -f foo.c; then gcc -c foo.c; else gcc -c bar.c; fi
if [ -f foo.c ]; then gcc -c foo.c; fi
[ -d build ] || mkdir build; gcc -c foo.c -o build/foo.o
test -d build || mkdir -p build; gcc -c foo.c -o build/foo.o
mkdir -p build/obj && gcc -c foo.c -o build/obj/foo.o
set -e; for i in foo bar; do gcc -c $i.c; done
for i in foo bar; do gcc -c $i.c || exit 1; done
for i in foo; do gcc -c $i.c -o ${i}.o; done
gcc -c foo.c || exit 1; gcc -c bar.c
gcc -c foo.c || exit $?; mv foo.o x.o
gcc -c foo.c || (rm -f foo.o; false)
gcc -c foo.c || { rm -f foo.o; exit 1; }
gcc -c foo.c > log 2>&1
gcc -c foo.c 2> foo.log
gcc -c foo.c < /dev/null
gcc -c foo.c 2>/dev/null
X=1; gcc -DX=$X -c foo.c
NAME="a b"; gcc -c "-DN=$NAME" foo.c
CFLAGS="-O2 -g"; gcc $CFLAGS -c foo.c
LC_ALL=C gcc -c foo.c
LC_ALL=C; export LC_ALL; gcc -c foo.c
export LANG=C; gcc -c foo.c
unset FOO; gcc -c foo.c
exec gcc -c foo.c
trap 'rm -f foo.o' INT TERM; gcc -c foo.c
sed -e 's/a/b/' data/table.txt > gen.h && gcc -c foo.c
grep -v x data/table.txt > gen.h; gcc -c foo.c
cat data/table.txt | tr a-z A-Z | sort -u > gen.h; gcc -c foo.c
gcc -c foo.c # the object
gcc -c \
  foo.c
  gcc   -c	foo.c
sh -c 'gcc -c foo.c'
/bin/bash ./libtool --tag=CC --mode=compile gcc -g -O2 -MT foo.lo -MD -MP -MF .deps/foo.Tpo -c -o foo.lo foo.c
/bin/sh ../libtool --silent --tag=CXX --mode=compile g++ -c -o foo.lo foo.cc
./libtool --mode=compile gcc -prefer-pic -c foo.c -o foo.lo
./libtool --tag CC --quiet --mode=compile gcc -static -c foo.c
libtool --quiet --tag=CC --mode=compile cc -c lapi.c
test -n "$X"; gcc -c foo.c
x=`pwd`; gcc -I$x/include -c foo.c
gcc -c -I`dirname src/foo.c` src/foo.c
/bin/rm -f foo.o; /usr/bin/gcc -c foo.c
true; gcc -c foo.c
gcc -c foo.c && strip foo.o
case x in x) gcc -c foo.c;; esac
nice gcc -c foo.c
env X=1 gcc -c foo.c
trap 'rm -f x' EXIT; gcc -c foo.c
""".strip()  # noqa: E501


def lines(block: str) -> list[str]:
    """Split a block into lines, where one that ends in a backslash goes on."""
    found: list[str] = []
    for line in block.splitlines():
        if found and found[-1].endswith("\\"):
            found[-1] += "\n" + line
        else:
            found.append(line)
    return found


@pytest.mark.parametrize("line", PLAIN)
def test_plain_compile_travels(line: str) -> None:
    verdict = judge(line)
    assert verdict.remote, verdict.reason
    assert verdict.compilers and verdict.reason.startswith("it compiles ")


@pytest.mark.parametrize("line", lines(SHELL))
def test_shell_line_travels(line: str) -> None:
    verdict = judge(line, cwd=ROOT + b"/sub" if "../libtool" in line else ROOT)
    assert verdict.remote, verdict.reason
    assert all(path.startswith(ROOT + b"/") for path in (*verdict.inputs, *verdict.outputs))


@pytest.mark.parametrize(
    "shell",
    [
        (b"/bin/sh", b"-c"),
        (b"/bin/bash", b"-e", b"-c"),
        (b"/bin/bash", b"-eu", b"-o", b"pipefail", b"-c"),
        (b"sh", b"-ec"),
        (b"/bin/dash", b"-x", b"-c"),
    ],
)
def test_any_shell_and_flags(shell: tuple[bytes, ...]) -> None:
    assert judge("gcc -c foo.c", shell=shell).remote


def test_shells_e_flag_is_heard_like_set_e() -> None:
    line = "gcc -c foo.c; echo done"
    assert not judge(line).remote
    assert judge(line, shell=(b"/bin/sh", b"-ec")).remote
    assert not judge(line, shell=(b"/bin/sh", b"+ec")).remote


def test_without_a_shell() -> None:
    verdict = judge_argv("gcc", "-c", "a b*$.c", "-o", "x.o")
    assert verdict.remote
    assert verdict.outputs == (ROOT + b"/x.o",)
    assert verdict.label == "CC x.o"


def test_what_a_verdict_names() -> None:
    verdict = judge(
        "cd src && gcc -c ../foo.c old.o ../old.o -o obj.o -include ../include/config.h"
        " && ../scripts/fixdep a"
    )
    assert verdict.remote
    assert verdict.compilers == (b"/usr/bin/gcc",)
    assert verdict.outputs == (ROOT + b"/src/obj.o",)
    assert set(verdict.inputs) == {
        ROOT + b"/" + n for n in (b"foo.c", b"old.o", b"include/config.h", b"scripts/fixdep")
    }


def test_objects_without_o_are_named_by_the_compilers_rule() -> None:
    assert judge("gcc -c src/foo.c bar.c").outputs == (ROOT + b"/foo.o", ROOT + b"/bar.o")
    assert judge("gcc -S src/foo.c").outputs == (ROOT + b"/foo.s",)


def test_standard_scripts_bring_the_compiler_behind_them() -> None:
    assert judge("c99 -c foo.c").compilers == (b"/usr/bin/c99", b"/usr/bin/gcc")


def test_libtool_has_its_script_and_old_objects_mirrored() -> None:
    verdict = judge("/bin/sh ./libtool --mode=compile gcc -c -o old.lo foo.c")
    names = (b"libtool", b"foo.c", b"old.lo", b"old.o", b".libs/old.o")
    assert set(verdict.inputs) == {ROOT + b"/" + name for name in names}


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("gcc -c foo.c", "CC foo.c"),
        ("g++ -c -o x.o foo.c", "CXX x.o"),
        ("gcc -c a.cc", "CXX a.cc"),
        ("gcc -c a.S", "AS a.S"),
        ("gcc -o prog foo.o", "LD prog"),
        ("ar rc lib.a x.o", "AR"),
        ("make -C sub", "make"),
        ("echo hi", "sh"),
    ],
)
def test_labels(line: str, label: str) -> None:
    assert judge(line).label == label


def test_harmless_environment() -> None:
    env = {
        b"SOURCE_DATE_EPOCH": b"1",
        b"TMPDIR": b"/var/tmp",
        b"LD_LIBRARY_PATH": b"/opt/cuda/lib64",
        b"LD_PRELOAD": b"",
        b"CPATH": b"/project/include:/usr/include",
        b"BASH_FUNC_module%%": b"() { :; }",
    }
    assert judge("gcc -c foo.c", env=env).remote


def test_variables_of_the_environment_are_expanded() -> None:
    assert judge("gcc -c $SRC", env={b"SRC": b"foo.c bar.c"}).outputs == (ROOT + b"/foo.o", ROOT + b"/bar.o")
    assert not judge("gcc -c $SRC", env={b"SRC": b"/proc/foo.c"}).remote


def test_a_compiler_outside_the_system_is_for_the_content_check() -> None:
    assert judge("/opt/new/bin/gcc -c foo.c").compilers == (b"/opt/new/bin/gcc",)


def test_several_roots() -> None:
    assert judge("gcc -I/other/include -c foo.c", roots=(ROOT, b"/other")).remote


@pytest.mark.parametrize(("line", "left"), [
    ("gcc -c src/foo.c -o foo.o", "foo.o"),
    ("gcc -c src/foo.c bar.c", "foo.o bar.o"),
    ("gcc -c src/foo.c -o foo.o && echo made", "foo.o"),
    ("mkdir -p d; gcc -c src/foo.c -o foo.o", "foo.o"),
    ("gcc -c src/foo.c -o foo.tmp && mv foo.tmp foo.o", ""),
    ("gcc -c src/foo.c -o foo.o && rm -f foo.o", ""),
    ("test -f bar.c && gcc -c src/foo.c -o foo.o", ""),
    ("if test -f bar.c; then gcc -c src/foo.c -o foo.o; else gcc -c bar.c -o foo.o; fi", ""),
    ("test -f bar.c || exit 0; gcc -c src/foo.c -o foo.o", ""),
])  # fmt: skip
def test_what_a_recipe_surely_leaves(line: str, left: str) -> None:
    """A slave that says it succeeded must bring these; none that an honest one may not have."""
    verdict = judge(line)
    assert verdict.remote, verdict.reason
    assert verdict.leaves == tuple(ROOT + b"/" + name for name in left.encode().split())
