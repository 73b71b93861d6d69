"""Every form of option that gcc and clang know: read for what it is, or a reason to stay at home."""

import pytest
from verdict.verdictkit import ROOT, judge

# Line | what it makes, below the root
TRAVELS = r"""
gcc --compile foo.c --output=foo.o | foo.o
gcc --compile foo.c --output foo.o | foo.o
gcc --assemble foo.c | foo.s
gcc --preprocess foo.c --output=foo.i | foo.i
gcc -c foo.c --include=include/config.h --include-directory=include --define-macro=X=1 --undefine-macro=Y | foo.o
gcc -c foo.c --define-macro X --language=c --optimize=2 --debug --save-temps --pipe --no-warnings | foo.o
gcc -c foo.c --std=gnu99 --param=max-unroll-times=2 --sysroot=include | foo.o
gcc -E foo.c |
gcc -E -dM foo.c |
gcc -E -dD -P -C foo.c -o foo.i | foo.i
gcc -E -x c data/table.txt -o gen.h | gen.h
gcc -E -undef -traditional -x assembler-with-cpp foo.lds.S -o foo.lds | foo.lds
gcc -M foo.c |
gcc -MM -MG foo.c bar.c |
gcc -MM foo.c -MF foo.d |
gcc -MM -MT src/foo.o src/foo.c -o foo.d | foo.d
gcc -fsyntax-only foo.c |
gcc -fsyntax-only -c foo.c -o foo.o |
clang -fsyntax-only -Xclang -verify foo.c |
gcc -S foo.c | foo.s
gcc -S foo.c -o - |
gcc -S foo.c -o /dev/stdout |
gcc -S -c foo.c | foo.s
gcc -c -S -E foo.c |
clang -S -emit-llvm foo.c -o foo.ll | foo.ll
clang -c -emit-llvm foo.c -o foo.bc | foo.bc
gcc foo.h | foo.h.gch
gcc -c foo.h -o foo.h.gch | foo.h.gch
gcc -x c-header foo.h | foo.h.gch
g++ -xc++-header include/all.hpp -o all.pch | all.pch
clang -include-pch all.pch -c foo.c | foo.o
clang -x c-header include/config.h -o config.pch | config.pch
gcc -x c-header include/config.h -c -o include/config.h.gch | include/config.h.gch
gcc -c foo.c bar.c src/deep/x.c | foo.o bar.o x.o
gcc -c foo.m | foo.o
g++ -c foo.mm | foo.o
gcc -c foo.sx | foo.o
gcc -c -x c++ foo.c -x c bar.c | foo.o bar.o
gcc -c -x cpp-output foo.txt -o foo.o | foo.o
gcc -c -x objective-c foo.c | foo.o
gcc -c foo.c -o foo.c.o | foo.c.o
gcc -MD -MF - -c foo.c | foo.o
gcc -MMD -MP -MF /dev/null -c foo.c | foo.o
clang -MJ foo.json -c foo.c | foo.o
gcc -c foo.c -save-temps=obj -o src/foo.o | src/foo.o
gcc -c foo.c -gsplit-dwarf -gdwarf-5 -gz=zlib -ggdb3 -gno-record-gcc-switches | foo.o
gcc -c foo.c --coverage -fprofile-update=atomic -fprofile-prefix-path=/x | foo.o
gcc -c foo.c -fprofile-generate -fprofile-dir=/var/run | foo.o
clang -c foo.c -fprofile-instr-generate -fcoverage-mapping | foo.o
clang -c foo.c -fprofile-instr-generate=out.profraw -ftime-trace -fsave-optimization-record | foo.o
gcc -c foo.c -fdiagnostics-color=always -fdiagnostics-format=json -fmax-errors=3 -fmessage-length=0 | foo.o
gcc -c foo.c -fno-builtin -fno-common -funroll-loops -fexcess-precision=standard -ffp-contract=off | foo.o
gcc -c foo.c -fstack-usage -fcallgraph-info=su -fverbose-asm | foo.o
gcc -c foo.c -flto=auto -flto-partition=none -fno-fat-lto-objects | foo.o
gcc -c foo.c -falign-functions=32:16 -fsanitize=kernel-address -fasan-shadow-offset=0x10 | foo.o
gcc -c foo.c -fpatchable-function-entry=16,16 -fcf-protection=branch -mharden-sls=all | foo.o
gcc -c foo.c -mcmodel=kernel -mpreferred-stack-boundary=3 -mindirect-branch=thunk-extern -mno-red-zone | foo.o
gcc -c foo.c -march=haswell -mtune=skylake -mfpmath=sse -mavx512f -m64 | foo.o
gcc -c foo.c -ftrivial-auto-var-init=zero -fzero-call-used-regs=used-gpr -fmacro-prefix-map=./= | foo.o
gcc -c foo.c -fconserve-stack -fno-asynchronous-unwind-tables -fplugin-arg-structleak_plugin-verbose | foo.o
gcc -c foo.c -Wp,-MMD,src/.foo.o.d -Wp,-D_FORTIFY_SOURCE=2 -Wp,-I,include -Wp,-iquote,src -Wp,-C | foo.o
gcc -c foo.c -Wa,-gdwarf-5,--compress-debug-sections -Wa,-mrelax-relocations=no -Wa,-I,include -Wa,--defsym,X=1 | foo.o
gcc -c foo.c -Wl,-z,now -Wl,-rpath,/opt/lib -Xlinker --as-needed -Wl,@none | foo.o
gcc -c foo.c -Werror=format-security -Wno-error -Wformat=2 -Wframe-larger-than=1024 -Walloca-larger-than=1 | foo.o
gcc -c foo.c -iprefix /project/ -iwithprefix include -iwithprefixbefore src | foo.o
gcc -c foo.c -l m -lfoo -T x.ld -Tx.ld -Ttext=0x7C00 -Tdata 0 -e start -u sym -z now -R x -h so | foo.o
gcc -c foo.c -dumpbase foo.c -dumpbase-ext .c -dumpdir x- | foo.o
gcc -c foo.c -fdump-tree-original -fdump-ipa-all -da -dp | foo.o
gcc -c foo.c -aux-info foo.X -time -Q -H -v | foo.o
gcc -c foo.c -ansi -pedantic-errors -nostdinc -nostdlib -nolibc -static-pie -pthread -static-libgcc | foo.o
clang -c foo.c -Xclang -target-feature -Xclang +avx2 -Xclang -disable-O0-optnone | foo.o
clang -c foo.c -Xclang -fdebug-compilation-dir=. -mllvm -inline-threshold=500 -mllvm -enable-newgvn | foo.o
clang -c foo.c -Weverything -Wno-unknown-warning-option -Qunused-arguments -fcolor-diagnostics -ferror-limit=0 | foo.o
clang -c foo.c -no-canonical-prefixes -fintegrated-as -fno-integrated-as -nostdlibinc -nobuiltininc | foo.o
clang -c foo.c -target x86_64-linux-gnu -arch x86_64 -resource-dir include -fuse-ld=lld -Wno-x | foo.o
clang++ -c foo.cc -stdlib=libc++ -fexperimental-library -cxx-isystem include -stdlib++-isystem include | foo.o
echo 'int x;' | gcc -x c -c - -o x.o | x.o
echo 'int x;' | gcc -E - |
gcc -x c -c - -o x.o < data/table.txt | x.o
gcc -xc - -c -o x.o < /dev/null | x.o
printf '%s\n' '#include "x.h"' | gcc -x c -E -P - > gen.h |
""".strip().splitlines()

STAYS = r"""
gcc -c foo.c -o - | standard output
gcc -E - | standard input
gcc -c -x c - | standard input
echo x | gcc -c - | without a language
gcc -v | compiles nothing
gcc | compiles nothing
gcc -dumpversion | asks the compiler
gcc -dumpmachine | asks the compiler
gcc -print-multi-lib | asks the compiler
gcc --print-file-name=libc.a | asks the compiler
gcc --help=optimizers | asks the compiler
gcc -### -c foo.c | asks the compiler
gcc -E | names no source
gcc -fsyntax-only | names no source
gcc -c -Dx | names no source
gcc -x ada -c foo.adb | language 'ada'
gcc -c foo.f90 | no kind of source
gcc -c foo.d | no kind of source
g++ -c mod.cppm | modules
g++ -x c++-module -c foo.cc | modules
g++ -x c++-system-header vector | modules
g++ -fmodules-ts -c foo.cc | modules (-fmodules-ts)
g++ -fmodule-header foo.h | modules
clang++ -fprebuilt-module-path=x -c foo.cc | modules
clang -fmodule-map-file=x -c foo.c | modules
clang -fpch-preprocess -c foo.c | precompiled header
clang -Xclang -plugin -Xclang x -c foo.c | -Xclang -plugin is not understood
clang -Xclang -emit-pch -c foo.c | -Xclang -emit-pch is not understood
clang -mllvm -load=x.so -c foo.c | -mllvm -load=x.so is not understood
clang -mllvm -info-output-file=x -c foo.c | is not understood
clang -cc1 -emit-obj foo.c | runs the compiler proper
clang -ivfsoverlay x -c foo.c | -ivfsoverlay
clang -working-directory=x -c foo.c | not known
clang -c foo.c -Xclang -target-feature | has no argument
gcc -wrapper gdb,--args -c foo.c | -wrapper runs
gcc -wrapper /bin/sh,-c,echo -c foo.c | -wrapper runs
gcc -c foo.c -iwithprefix x | only behind -iprefix
gcc -c foo.c -Wp,-frobnicate,-x | -Wp,-x is not understood
gcc -c foo.c -Wa,/etc/passwd | not understood
gcc -c foo.c -Wa,--MD,x.d | not understood
gcc -c foo.c -fdump-tree-all=/tmp/x | outside the project
gcc -c foo.c -fprofile-note=/tmp/x | outside the project
gcc -c foo.c -aux-info | has no argument
gcc -c foo.c -mcpu=native+crc | depends on this machine's processor
gcc -c foo.c -march=native | processor
gcc -c foo.c -o '' | no argument
gcc -c foo.c -o a.o -o b.o | twice
gcc -c foo.c --frobnicate | not known
gcc -c foo.c -Jfoo | not known
gcc -shared foo.o | it links
gcc -r foo.o -o bar.o | it links
gcc -lm | it links
""".strip().splitlines()


@pytest.mark.parametrize("row", TRAVELS)
def test_option_travels(row: str) -> None:
    line, _, made = row.rpartition("|")
    verdict = judge(line)
    assert verdict.remote, verdict.reason
    assert verdict.outputs == tuple(ROOT + b"/" + name for name in made.encode().split())
    assert verdict.needs.paths == () or "/opt/" in line


@pytest.mark.parametrize("row", STAYS)
def test_option_stays(row: str) -> None:
    line, _, fragment = row.rpartition(" | ")
    verdict = judge(line)
    assert not verdict.remote and fragment in verdict.reason, verdict.reason
    assert verdict.needs.toolchains == () and verdict.remote_argv is None
