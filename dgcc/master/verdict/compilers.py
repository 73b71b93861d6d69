"""Which command names are compilers, which stand in front of one, and which run a whole build themselves."""

import os
import re

# The first part of a cross compiler's triple, as GNU config names machines.
_MACHINE = (
    rb"(?:x86_64|amd64|i[3-6]86|arm|armeb|armv[0-9][0-9a-z]*|aarch64(?:_be)?|aarch64_ilp32|mips[0-9a-z]*|powerpc[0-9a-z]*"
    rb"|ppc[0-9a-z]*|riscv(?:32|64)|s390x?|sparc[0-9a-z]*|m68k|m68hc11|sh[0-9]?[a-z]*|hppa[0-9.]*|alpha[0-9a-z]*|ia64"
    rb"|loongarch(?:32|64)|or1k|xtensa|msp430|nios2|microblaze[a-z]*|arc[a-z0-9]*|csky|avr|h8300|rx|v850|pru|tilegx)"
)
_COMPILER = re.compile(
    rb"(?:(?P<triple>" + _MACHINE + rb"(?:-[A-Za-z0-9_.]+){0,3})-)?"
    rb"(?P<kind>gcc|g\+\+|cc|c\+\+|clang|clang\+\+|musl-gcc|musl-clang)(?:-[0-9][0-9.]*)?(?P<mode>-posix|-win32)?"
)
_STANDARD = {b"c89": "CC", b"c99": "CC"}
_STANDARD_SCRIPTS = frozenset((b"c89", b"c99", b"c89-gcc", b"c99-gcc"))
_X86 = re.compile(rb"(?:x86_64|amd64|i[3-6]86)-")
_X86_HOST = os.uname().machine in ("x86_64", "i686", "i586")

PREFIXES = frozenset((b"ccache", b"distcc", b"sccache", b"icecc", b"homcc", b"buildcache", b"nocc"))
"""Programs in front of a compiler that change nothing of what it makes; a slave runs the compiler alone."""

FRONTS = PREFIXES | frozenset(
    b"icerun pump colorgcc gomacc fbuild yadcc firebuild bear scan-build intercept-cc goma rewrapper".split()
)
BUILDERS = frozenset(
    b"""
    make gmake gnumake ninja ninja-build samu cmake ctest meson scons bazel waf bmake pmake cargo go
    msbuild xcodebuild dpkg-buildpackage rpmbuild ant mvn gradle npm tup redo automake autoreconf
    configure
    """.split()
)


def language(name: bytes) -> str | None:
    """Return "CC" or "CXX" where `name`, without directory, is a compiler's, else None."""
    if name in _STANDARD:
        return _STANDARD[name]
    found = _COMPILER.fullmatch(name)
    if found is None:
        return None
    return "CXX" if found["kind"].endswith(b"++") else "CC"


def is_standard_script(name: bytes) -> bool:
    """Tell whether `name` is one of the scripts c89 and c99, which run gcc."""
    return name in _STANDARD_SCRIPTS


def for_x86(name: bytes) -> bool:
    """Tell whether the compiler of this real name makes code for x86: -march then leads to no other directories."""
    found = _COMPILER.fullmatch(name)
    if found is not None and found["triple"]:
        return _X86.match(found["triple"] + b"-") is not None
    return _X86_HOST
