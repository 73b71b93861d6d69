"""Projects made for benchmarks."""

from pathlib import Path

_HEADERS = ("algorithm", "chrono", "functional", "future", "iostream", "map", "memory", "random", "regex", "set",
            "sstream", "string", "thread", "unordered_map", "vector")  # fmt: skip
_LIBRARIES = 30


def heavy_headers(place: Path, files: int) -> None:
    """Write `files` C++ files that share headers of their own and include much of the standard library.

    make's targets: `objects`, and by default a program of all of them.
    """
    (place / "include").mkdir()
    for number in range(_LIBRARIES):
        below = f'#include "lib{number // 2}.h"\n' if number else "".join(f"#include <{name}>\n" for name in _HEADERS)
        (place / "include" / f"lib{number}.h").write_text(
            f"#pragma once\n{below}"
            f"template <class T> struct Lib{number} {{ T value; T twice() const {{ return value + value; }} }};\n"
        )
    for number in range(files):
        includes = "".join(f'#include "lib{(number + step) % _LIBRARIES}.h"\n' for step in (0, 7, 13))
        (place / f"f{number}.cc").write_text(
            f"{includes}\nint f{number}(int n) {{ std::map<std::string, int> m; m[std::to_string(n)] = n;\n"
            f"  return Lib{number % _LIBRARIES}<int>{{n}}.twice() + static_cast<int>(m.size()); }}\n"
        )
    calls = "".join(f"int f{number}(int);\n" for number in range(files))
    total = " + ".join(f"f{number}(0)" for number in range(files))
    (place / "main.cc").write_text(f"{calls}int main() {{ return {total} == {files} ? 0 : 1; }}\n")
    (place / "Makefile").write_text(
        "CXXFLAGS = -Iinclude -MMD\n"
        f"OBJECTS = {' '.join(f'f{number}.o' for number in range(files))}\n"
        "heavy: $(OBJECTS) main.o\n\t$(CXX) -o $@ $^\n"
        "objects: $(OBJECTS)\n"
        "clean:\n\trm -f heavy *.o *.d\n"
        ".PHONY: objects clean\n"
        "-include $(OBJECTS:.o=.d)\n"
    )
