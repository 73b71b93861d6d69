"""The names of one compiler: gcc, cc, g++-12 and the others that lead to the same programs.

They travel together, so that C and C++, by whatever name, share one environment.
"""

import os
import re

_NAME = re.compile(
    rb"(?P<prefix>(?:[\w.+]+-)*?)"
    rb"(?P<kind>gcc-ar|gcc-nm|gcc-ranlib|gcc|g\+\+|cc|c\+\+|cpp|clang\+\+|clang-cpp|clang)"
    rb"(?P<version>-[0-9][\w.]*)?"
)
_STANDARD_SCRIPTS = (b"c89-gcc", b"c99-gcc")  # Debian's, which run the gcc of the same directory
_SCRIPT_NAMES = frozenset((*_STANDARD_SCRIPTS, b"c89", b"c99"))
_GNU = (b"gcc", b"g++", b"cpp", b"gcc-ar", b"gcc-nm", b"gcc-ranlib")


def family(driver: bytes, real: bytes) -> set[bytes]:
    """The absolute paths beside `driver` and the file `real` behind it that are the same compiler's.

    Only names beside a binary that is named like a compiler count; `driver` alone if there are none.
    """
    kin = {real}
    split = _NAME.fullmatch(os.path.basename(real))
    if split is not None and split["kind"] in _GNU:
        place = os.path.dirname(real).rstrip(b"/") + b"/"
        names = [split["prefix"] + kind + (split["version"] or b"") for kind in _GNU]
        kin |= {place + name for name in names if os.path.isfile(place + name)}
        if os.path.realpath(place + b"gcc") in kin:
            kin |= {place + name for name in _STANDARD_SCRIPTS if os.path.isfile(place + name)}
    found = {driver}
    targets = {os.path.realpath(path) for path in kin}
    for directory in {os.path.dirname(driver), os.path.dirname(real)}:
        for name in _listing(directory):
            path = directory.rstrip(b"/") + b"/" + name
            if (_NAME.fullmatch(name) or name in _SCRIPT_NAMES) and os.path.realpath(path) in targets:
                found.add(path)
    return found


def tool_prefix(name: bytes) -> bytes:
    """What stands before the kind in a compiler's name: b"aarch64-linux-gnu-" of aarch64-linux-gnu-gcc-12."""
    split = _NAME.fullmatch(name)
    return split["prefix"] if split is not None else b""


def _listing(directory: bytes) -> list[bytes]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []
