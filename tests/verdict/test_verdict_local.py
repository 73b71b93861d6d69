"""Recipes that must stay at home, each with a part of the reason given."""

import pytest
from verdict.verdictkit import ROOT, judge, judge_argv

LOCAL = r"""
gcc -o prog foo.o | links
gcc -shared -o libx.so foo.o.sho | links
g++ -o prog foo.o -Llib -lfoo | links
gcc --version | asks the compiler
gcc -print-search-dirs | asks the compiler
gcc -c - | standard input
gcc -xc -c - | standard input
gcc -c -x c /dev/stdin | this machine's own
gcc -c foo.c -o - | standard output
gcc -c foo.c -o /dev/stdout | standard output
gcc -c | names no source
gcc -c foo.o | names no source
gcc -c foo.weird | no kind of source
gcc -x ada -c foo.adb | language
gcc -march=native -c foo.c | -march=native
gcc -mtune=native -c foo.c | -mtune=native
gcc -mcpu=native -c foo.c | -mcpu=native
gcc -mcpu=native+nofp -c foo.c | processor
gcc -Wa,-march=native -c foo.c | not understood
gcc -fprofile-use=prof -c foo.c | profile
gcc -fauto-profile=x -c foo.c | profile
clang -fprofile-instr-use=x -c foo.c | profile
gcc -fmodules-ts -c foo.cc | modules
clang -fmodules -c foo.c | modules
clang -fmodule-file=a.pcm -c foo.c | modules
clang -Xclang -load -Xclang x.so -c foo.c | -Xclang
gcc -wrapper gdb,--args -c foo.c | -wrapper
gcc @options -c foo.c | in a file
gcc -c foo.c @options | in a file
gcc -Wa,@x -c foo.c | in a file
gcc -I- -c foo.c | -I-
gcc -I=/x -c foo.c | system root
gcc -I.. -c foo.c | (/) is too much to take along
gcc -c foo.c -I | has no argument
gcc -c foo.c -o | has no argument
gcc -c foo.c -o a.o -o b.o | twice
gcc -c .git/foo.c | version control
gcc -c foo.c -o /tmp/foo.o | output /tmp/foo.o lies outside
gcc -c foo.c -o ../foo.o | outside
gcc -c foo.c -o away/foo.o | leads outside
gcc -MD -MF /tmp/x.d -c foo.c | outside
gcc -Wp,-MD,/tmp/x.d -c foo.c | outside
gcc -Wp,-MD -c foo.c | has no file
gcc -Wa,-a=/tmp/foo.lst -c foo.c | outside
gcc -fdump-tree-all=/tmp/x -c foo.c | outside
gcc -fopt-info-vec=/tmp/x -c foo.c | outside
gcc -aux-info /tmp/x -c foo.c | outside
gcc -frobnicate=/etc/x -c foo.c | outside
gcc --frobnicate -c foo.c | not known
gcc -c '' | empty
/opt/odd/bin/gcc -c foo.c | is really
afl-gcc -c foo.c | not a command that travels
tcc -c foo.c | tcc is not a command
nasm -f elf foo.asm | nasm is not a command
./bin/gcc -c foo.c | built in the tree
bin/gcc -c foo.c | built in the tree
/project/bin/gcc -c foo.c | built in the tree
gcc-99 -c foo.c | not found
make -C sub | another build (make)
ninja | another build (ninja)
cmake --build b | another build (cmake)
/usr/bin/make all | another build (make)
cd sub && make all | another build
ar rc lib.a foo.o | ar is not a command
ranlib lib.a | compiles nothing
ld -r -o x.o foo.o | ld is not
python3 gen.py | python3 is not
install -m 755 x y | install is not
touch stamp | compiles nothing
echo hello | compiles nothing
./scripts/gen.sh > out.h | compiles nothing
/bin/sh scripts/gen.sh | runs a shell script
gcc -c foo.c && ar rc lib.a foo.o | ar is not a command
gcc -c foo.c && hostname | hostname is not
gcc -c foo.c && font-size foo.o | font-size is not a command that travels
gcc -c foo.c && aarch64-linux-gnu-strip foo.o | aarch64-linux-gnu-strip is not found
gcc -c foo.c -DNOW=`date` | date is not a command
gcc -c foo.c -DHOST=$(uname -n) | uname is not
gcc -c foo.c $(pkg-config --cflags x) | pkg-config is not
gcc -c foo.c `cat flags` | only the shell can tell
gcc -c foo.c "`cat flags`" | only the shell can tell
gcc -c foo.c -o $$.o | only the shell can tell
$CMD | compiles nothing
gcc -c foo.c -DPWD="$PWD" | only the shell can tell
gcc -c foo.c >> log | appends to a file (log)
gcc -c foo.c >> log 2>&1 | appends
gcc -c foo.c > /tmp/log | outside
gcc -c foo.c 2> /dev/stderr | outside
gcc -c foo.c < /etc/passwd | this machine's own
gcc -c foo.c > log.$$ | computes
gcc -c foo.c >& log | differently
gcc -c foo.c &> log | differently
gcc -c foo.c |& cat | differently
gcc -c foo.c & wait | background
gcc -c foo.c & | background
(gcc -c foo.c &) | background
gcc -c *.c | wildcard
gcc -c fo[o].c | wildcard
gcc -c foo.c && rm -f *.tmp | wildcard
gcc -c {foo,bar}.c | differently
gcc -c ~/foo.c | home directory
gcc -c foo.c -DX=$((1+1)) | only the shell can tell
gcc -c foo.c -D$'x' | differently
eval gcc -c foo.c | eval is not a command
. ./env.sh; gcc -c foo.c | . is not a command
source ./env.sh; gcc -c foo.c | source is not a command
while true; do gcc -c foo.c; done | loop that may go on
until gcc -c foo.c; do :; done | loop that may go on
f() { gcc -c foo.c; }; f | function
[[ -f foo.c ]] && gcc -c foo.c | [[ ]]
time gcc -c foo.c | time
gcc -c foo.c <<E | here-document
cat <(gcc -c foo.c) | process substitution
gcc -c 'foo.c | quote without its end
gcc -c "foo.c | quote without its end
gcc -c `foo.c | quote without its end
gcc -c $(foo.c | without its end
(gcc -c foo.c | where ) should be
if true; then gcc -c foo.c | where fi should be
gcc -c foo.c; } | where the end of the line should be
gcc -c foo.c ) | where the end of the line should be
PATH=/opt/new/bin gcc -c foo.c | sets PATH
CPATH=/opt gcc -c foo.c | sets CPATH
LD_PRELOAD=x.so gcc -c foo.c | sets LD_PRELOAD
export C_INCLUDE_PATH=/opt; gcc -c foo.c | sets C_INCLUDE_PATH
IFS=:; gcc -c foo.c | sets IFS
LC_ALL=de_DE.UTF-8 sort foo.c > x; gcc -c foo.c | sets another locale (LC_ALL)
export LANG=fr_FR; gcc -c foo.c | sets another locale (LANG)
LC_COLLATE=`cat x`; gcc -c foo.c | sets another locale
env LC_ALL=de_DE gcc -c foo.c | env sets another locale
gcc -c foo.c; true | go on after a failure
gcc -c foo.c; echo done | go on after a failure
gcc -c foo.c; mv foo.o x.o | go on after a failure
gcc -c foo.c; exit 0 | go on after a failure
gcc -c foo.c || true | go on after a failure
gcc -c foo.c || echo failed | go on after a failure
gcc -c foo.c || (exit 1) || true | go on after a failure
gcc -c foo.c && true || true | go on after a failure
! gcc -c foo.c | go on after a failure
gcc -c foo.c 2>&1 | cat | go on after a failure
if gcc -c foo.c; then echo yes; fi | go on after a failure
if gcc -c foo.c; then true; else false; fi; true | go on after a failure
for i in foo bar; do gcc -c $i.c; done | go on after a failure
set -e; gcc -c foo.c && mv foo.o x.o; echo done | go on after a failure
set -e; { gcc -c foo.c; true; } || exit 1 | go on after a failure
set -e; set +e; gcc -c foo.c; true | go on after a failure
false && set -e; gcc -c foo.c; true | go on after a failure
(set -e; gcc -c foo.c; true); true | go on after a failure
(gcc -c foo.c || exit 1; true); true | go on after a failure
sh -ec 'gcc -c foo.c; true' || true | go on after a failure
set -e; scripts/fixdep x || true; gcc -c foo.c | go on after a failure
x=`gcc -c foo.c` | go on after a failure
cd /tmp && gcc -c foo.c | directory /tmp lies outside
cd .. && gcc -c foo.c | outside
cd none && gcc -c foo.c | no directory yet
cd && gcc -c foo.c | cd that is not understood
cd - && gcc -c foo.c | cd that is not understood
cd $X && gcc -c foo.c | cd that is not understood
true && cd src; gcc -c foo.c | only some cases
if true; then cd src; fi; gcc -c foo.c | only some cases
true || cd src; gcc -c foo.c | only some cases
for i in a b; do cd src; done; gcc -c foo.c | directory in a loop
cat /etc/passwd > x.h && gcc -c foo.c | this machine's own
cat && gcc -c foo.c | standard input
sed s/a/b/ && gcc -c foo.c | standard input
sed -n 'w /tmp/x' foo.c && gcc -c foo.c | may use files
sed 's/a/b/e' foo.c && gcc -c foo.c | may use files
sed -f x.sed foo.c && gcc -c foo.c | script from a file
sed "$(cat x)" foo.c && gcc -c foo.c | script that the shell computes
grep -r x . && gcc -c foo.c | grep -r is not understood
cp -r src other && gcc -c foo.c | cp -r is not understood
cp src/foo.c /tmp && gcc -c foo.c | outside
mv src other && gcc -c foo.c | whole directory
rm -rf build && gcc -c foo.c | rm -rf is not understood
rm -f "`cat list`" && gcc -c foo.c | name the shell computes
chmod -R +x . && gcc -c foo.c | not understood
touch -r /etc/passwd x && gcc -c foo.c | outside
test -f /etc/passwd && gcc -c foo.c | outside
test -t 0 && gcc -c foo.c | test -t is not understood
[ -f "$(cat x)" ] && gcc -c foo.c | computes
scripts/fixdep /etc/x && gcc -c foo.c | outside
scripts/fixdep --out=/tmp/x && gcc -c foo.c | outside
scripts/fixdep -I/opt && gcc -c foo.c | outside
scripts/fixdep src && gcc -c foo.c | whole directory
scripts/fixdep ../x && gcc -c foo.c | outside
../other/tool && gcc -c foo.c | not a command
set -- a b; gcc -c foo.c | sets its own arguments
if true; then X=a; else X=b; fi; gcc -c $X.c | only the shell can tell
true && X=a; gcc -c $X.c | only the shell can tell
/bin/sh ./libtool --mode=link gcc -o libx.la foo.lo | libtool does not compile (mode link)
/bin/sh ./libtool --mode=compile tcc -c foo.c | no compiler
/bin/sh ./libtool --mode=compile gcc -Wc,-x -c foo.c | language '-c'
/bin/sh ./libtool --config | not understood
/opt/libtool --mode=compile gcc -c foo.c | libtool
zsh -c 'gcc -c foo.c' | zsh is not a command
sh -lc 'gcc -c foo.c' | shell's option
sh -i -c 'gcc -c foo.c' | shell's option
sh | standard input
""".strip().splitlines()  # noqa: E501


def split(row: str) -> tuple[str, str]:
    line, _, fragment = row.rpartition(" | ")
    return line, fragment


@pytest.mark.parametrize(("line", "fragment"), [split(row) for row in LOCAL])
def test_stays_at_home(line: str, fragment: str) -> None:
    verdict = judge(line, env={b"CMD": b"", b"UNSET": b""})
    assert not verdict.remote
    assert fragment in verdict.reason
    assert "\n" not in verdict.reason and len(verdict.reason) < 200
    assert verdict.compilers == verdict.inputs == verdict.outputs == ()


@pytest.mark.parametrize(
    ("name", "value", "fragment"),
    [
        ("LD_PRELOAD", "/x.so", "preloads a library (LD_PRELOAD)"),
        ("LD_AUDIT", "x", "LD_AUDIT"),
        ("DEPENDENCIES_OUTPUT", "x", "DEPENDENCIES_OUTPUT"),
        ("SUNPRO_DEPENDENCIES", "x", "SUNPRO_DEPENDENCIES"),
        ("COMPILER_PATH", "/x", "COMPILER_PATH"),
        ("GCC_EXEC_PREFIX", "/x", "GCC_EXEC_PREFIX"),
        ("CPATH", "/proc/self", "CPATH /proc/self is this machine's own"),
        ("C_INCLUDE_PATH", "include:/", "C_INCLUDE_PATH / is too much"),
        ("CPLUS_INCLUDE_PATH", "/", "/ is too much"),
        ("BASH_ENV", "x", "BASH_ENV"),
        ("BASH_FUNC_gcc%%", "() { :; }", "gcc a shell function"),
    ],
)
def test_steering_environment(name: str, value: str, fragment: str) -> None:
    verdict = judge("gcc -c foo.c", env={name.encode(): value.encode()})
    assert not verdict.remote
    assert fragment in verdict.reason


def test_working_directory_outside() -> None:
    assert (
        "working directory /elsewhere lies outside"
        in judge("gcc -c /project/foo.c", cwd=b"/elsewhere").reason
    )
    assert not judge("gcc -c foo.c", roots=()).remote


def test_sort_in_another_locale() -> None:
    line = "sort data/table.txt > gen.h && gcc -c foo.c"
    assert judge(line, env={b"LANG": b"C.UTF-8"}).remote
    assert "locale" in judge(line, env={b"LANG": b"de_DE.UTF-8"}).reason
    assert judge(line, env={b"LANG": b"de_DE.UTF-8", b"LC_ALL": b"C"}).remote


def test_cdpath_makes_a_cd_unclear() -> None:
    assert "CDPATH" in judge("cd src && gcc -c foo.c", env={b"CDPATH": b"/opt"}).reason


@pytest.mark.parametrize("path", [b"/project/bin:/usr/bin", b"bin:/usr/bin"])
def test_a_compiler_found_in_the_tree(path: bytes) -> None:
    assert "built in the tree" in judge("gcc -c foo.c", env={b"PATH": path}).reason


def test_a_tool_found_before_the_systems() -> None:
    for path in (b"/opt/odd/bin:/usr/bin", b"/project/tools:/usr/bin"):
        verdict = judge("rm -f x.o && /usr/bin/gcc -c foo.c", env={b"PATH": path})
        assert "not the system's" in verdict.reason


def test_nothing_to_run_and_zero_bytes() -> None:
    assert judge_argv().reason == "there is nothing to run"
    assert "zero byte" in judge_argv("gcc", "-c", "a\0b.c").reason
    assert "zero byte" in judge_argv("gcc", "-c", "a.c", cwd=ROOT + b"\0").reason


def test_shell_without_a_line() -> None:
    assert "standard input" in judge_argv("/bin/sh").reason
    assert "standard input" in judge_argv("/bin/sh", "-c").reason
    assert not judge_argv("/bin/sh", "-o").remote


def test_lines_that_multiply_are_cut_short() -> None:
    loop = "for a in 1 2 3 4 5 6 7 8 9; do " * 6 + ":;" + "done;" * 6 + "gcc -c foo.c"
    assert not judge(loop).remote
    doubling = "x=aaaaaaaaaaaaaaaa;" + 'x="$x$x";' * 40 + "gcc -c foo.c"
    assert "too long" in judge(doubling).reason
    assert "nested too deeply" in judge("(" * 50 + "gcc -c foo.c" + ")" * 50).reason
    assert "nested too deeply" in judge("echo " + "$(echo " * 50 + ")" * 50).reason
