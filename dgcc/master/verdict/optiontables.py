"""The options of gcc and clang in tables: which take an argument, what that is, and which keep a command home."""

import re

CXX = frozenset((b".cc", b".cp", b".cxx", b".cpp", b".CPP", b".c++", b".C", b".ii", b".mm", b".M", b".mii", b".tcc"))
C = frozenset((b".c", b".i", b".m", b".mi"))
ASSEMBLER = frozenset((b".s", b".S", b".sx"))
HEADER = frozenset((b".h", b".H", b".hh", b".hpp", b".hxx", b".hp", b".h++", b".HPP"))
LINKED = re.compile(rb"\.(?:o|a|so|lo|la|obj|lib|so\.[0-9.]+)\Z")
LANGUAGES = {
    b"c": "CC", b"cpp-output": "CC", b"c++": "CXX", b"c++-cpp-output": "CXX", b"objective-c": "CC",
    b"objective-c++": "CXX", b"assembler": "AS", b"assembler-with-cpp": "AS", b"c-header": "CC", b"c++-header": "CXX",
    b"objective-c-cpp-output": "CC", b"objective-c++-cpp-output": "CXX",
}  # fmt: skip
MODULE_LANGUAGES = frozenset(
    (b"c++-module", b"c++-system-header", b"c++-user-header", b"c++-header-unit-header", b"c-module")
)

# Long names of options, and those that mean the same.
ALIASES = {
    b"--compile": b"-c", b"--assemble": b"-S", b"--preprocess": b"-E", b"--output": b"-o", b"--include": b"-include",
    b"--imacros": b"-imacros", b"--include-directory": b"-I", b"--include-directory-after": b"-idirafter",
    b"--include-prefix": b"-iprefix", b"--include-with-prefix": b"-iwithprefix", b"--define-macro": b"-D",
    b"--undefine-macro": b"-U", b"--language": b"-x", b"--dependencies": b"-M", b"--user-dependencies": b"-MM",
    b"--write-dependencies": b"-MD", b"--write-user-dependencies": b"-MMD", b"--library-directory": b"-L",
    b"--debug": b"-g", b"--optimize": b"-O", b"--shared": b"-shared", b"--static": b"-static", b"--prefix": b"-B",
    b"--pipe": b"-pipe", b"--no-warnings": b"-w", b"--verbose": b"-v", b"--specs": b"-specs",
    b"--pedantic": b"-pedantic",
    b"--ansi": b"-ansi", b"--save-temps": b"-save-temps", b"--no-standard-includes": b"-nostdinc", b"--profile": b"-p",
    b"--force-link": b"-u", b"--entry": b"-e", b"--for-linker": b"-Xlinker",
    b"--for-assembler": b"-Xassembler", b"--comments": b"-C", b"--trace-includes": b"-H",
    b"--print-missing-file-dependencies": b"-MG",
}  # fmt: skip

# Options whose argument may be joined or be the next word, and for what the argument is.
SEARCHED = (
    b"-isystem-after", b"-isystem", b"-iquote", b"-idirafter", b"-cxx-isystem", b"-stdlib++-isystem", b"-iframework",
    b"-I", b"-F", b"-imultilib",
)  # fmt: skip
INCLUDED = (b"-include-pch", b"-include", b"-imacros")
# The next word is no file and changes nothing but text, or matters to a link only.
TEXT = frozenset(
    b"""
    -D -U -MT -MQ -A -u -z -e -R --param -arch -h -dumpbase -dumpbase-ext -Xarch_x86_64 -soname
    -main-file-name -weak_library
    """.split()
)
WRITTEN = frozenset((b"-o", b"-MF", b"-MJ", b"-aux-info"))
# Options that lead the compiler to other programs, headers or libraries, with a next word.
STEERING_NEXT = frozenset((b"-target", b"--target", b"-resource-dir", b"--gcc-toolchain", b"-gcc-toolchain"))

PLAIN = frozenset(
    b"""
    -v -w -p -pg -P -C -CC -H -Q -s -r -n -undef -remap -trigraphs -traditional -traditional-cpp
    -ansi -pedantic -pedantic-errors -pipe -pthread -pthreads -nostdinc -nostdinc++ -nostdlib
    -nodefaultlibs -nostartfiles -nolibc -static -shared -rdynamic -pie -no-pie -nopie -static-pie -symbolic
    -static-libgcc -static-libstdc++ -shared-libgcc --coverage -coverage -save-temps
    -time -MD -MMD -MP -MG -MV -Qunused-arguments -nostdlib++ -nostdlibinc -nobuiltininc -nogpuinc -nogpulib
    -no-canonical-prefixes -canonical-prefixes -pass-exit-codes -no-integrated-cpp -integrated-as -no-integrated-as
    -fno-integrated-as -emit-llvm -ObjC -ObjC++ -Qn -Qy -static-libasan
    -static-libubsan -static-libtsan -ftrapv --no-default-config -export-dynamic --end-no-unused-arguments
    --start-no-unused-arguments -relocatable
    """.split()
)
QUESTIONS = re.compile(
    rb"--version|-dumpversion|-dumpfullversion|-dumpmachine|-dumpspecs|--help(?:=.*)?|-print-.*|--print-.*|--target-help"
    rb"|-V|-###"
)
REASONS = {
    b"-I-": "-I- is not understood",
    b"-working-directory": "-working-directory is not understood",
    b"-ivfsoverlay": "-ivfsoverlay makes files appear elsewhere",
    b"-cc1": "it runs the compiler proper (-cc1)",
    b"-cc1as": "it runs the compiler proper (-cc1as)",
}
FAMILIES = (b"-W", b"-f", b"-m", b"-O", b"-g", b"-std=", b"--std=", b"--param=", b"-d")
FORBIDDEN = (
    (b"-fmodule", "it uses modules"),
    (b"-fprebuilt-module", "it uses modules"),
    (b"-fimplicit-module", "it uses modules"),
    (b"-fno-implicit-modules", "it uses modules"),
    (b"-fpch-", "it uses a precompiled header in a way that is not understood"),
)
# The value of these is one or more names in the project or outside that are read.
READ_VALUES = re.compile(
    rb"-f(?:sanitize-(?:black|ignore|coverage-(?:white|black|allow|ignore|block))list|profile-list|xray-[a-z-]*list"
    rb"|xray-attr-list|plugin|pass-plugin|memory-profile-use|profile-remapping-file|thinlto-index"
    rb"|profile-sample-use|constructor-aliases-file|randomize-layout-seed-file)\Z|--config\Z|-fuse-ld-path\Z"
)
# The value is a string for the object file, not a file that is opened.
STRINGS = re.compile(
    rb"-f(?:debug|file|macro|profile|coverage)-prefix-map=|-f(?:debug|coverage)-compilation-dir=|-fprofile-dir="
    rb"|-fprofile-generate=|-fcs-profile-generate=|-fprofile-instr-generate=|-fprofile-exclude-files="
    rb"|-fprofile-filter-files=|-fprofile-prefix-path=|-frandom-seed=|-fprofile-update="
    rb"|-f(?:sanitize|no-sanitize|message-length|visibility|stack-limit-symbol|constant-string-class)="
    rb"|-fsanitize-recover=|-fno-sanitize-recover=|-fpatchable-function-entry=|-fcf-protection=|-fdiagnostics-"
    rb"|-fdump-(?:final-insns=)?\Z|--param=|-std=|--std=|-W[a-z-]+=|-fcrash-diagnostics-dir="
)
PROFILE_READ = re.compile(
    rb"-f(?:cs-)?(?:profile-instr-use|profile-use|auto-profile|branch-probabilities)\Z"
)
# Steers which directories an x86 compiler searches; with one for another machine all of -m may.
MULTILIB = re.compile(rb"-m(?:32|64|x32|16|abi=.*|multilib-library-pic)\Z")
STEERING_JOINED = re.compile(
    rb"(?:--target|--gcc-toolchain|--gcc-install-dir|-stdlib|-rtlib|--rtlib|-unwindlib|--unwindlib|-fuse-ld|-resource-dir"
    rb"|--driver-mode)=.+"
)

PREPROCESSOR_PLAIN = frozenset((b"-MP", b"-MG", b"-P", b"-C", b"-CC", b"-w", b"-undef", b"-H", b"-MM", b"-M"))
ASSEMBLER_OPTION = re.compile(rb"(?:-(?!.*native)[^/]*)?", re.DOTALL)
# Arguments of the assembler that look like files and are none.
ASSEMBLER_TEXT = re.compile(rb"--debug-prefix-map|--defsym|[0-9A-Za-z_]+=[0-9A-Fa-fx]+\Z")
XCLANG = re.compile(
    rb"-(?:f(?!module|plugin|pch|implicit)[a-z0-9\-]+(?:=[A-Za-z0-9_.+-]*)?|disable-[A-Za-z0-9\-]+|W[^/]*|O[0-9sz]?|D.*|U.*"
    rb"|mllvm|target-cpu|tune-cpu|debug-info-kind=[a-z-]+|dwarf-version=[0-9]|no-opaque-pointers"
    rb"|opaque-pointers|no-enable-noundef-analysis|mrelax-all|menable-[a-z-]+|funwind-tables=[0-9]|std=[a-z0-9+]+"
    rb"|verify|vectorize-(?:loops|slp)|main-file-name|emit-llvm-bc|Qn)\Z|[a-z0-9][a-zA-Z0-9._-]*\Z"
)
FEATURE = re.compile(rb"[+-][a-z0-9][a-z0-9._-]*\Z")
MLLVM = re.compile(
    rb"-(?!.*(?:file|path|load|plugin|dump|output|report|profile-use|print|stats|time))[A-Za-z0-9][A-Za-z0-9._\-]*"
    rb"(?:=[A-Za-z0-9_.,+\-]*)?\Z"
)

# The greater part of all options: about warnings, code and macros, without a file or a value that matters.
ORDINARY = re.compile(
    rb"-(?:[DU].+|W(?![pal],)[^/]*|O[a-z0-9]?|g(?!split)(?:[0-3]|gdb[0-3]?)?|std=[a-z0-9+:]+"
    rb"|f(?!module|prebuilt|implicit-module|no-implicit-module|plugin|pass-plugin|pch|profile|cs-|auto-profile|branch-prob"
    rb"|memory-pro|test-cov|syntax|stack-usage|callgraph|uniq|save-opt|time-trace)"
    rb"[a-z0-9\-]+(?:=[0-9]+)?|m(?!llvm|32|64|x32|16|abi|arch|cpu|tune)[a-z0-9\-.]+)\Z",
    re.DOTALL,
)
