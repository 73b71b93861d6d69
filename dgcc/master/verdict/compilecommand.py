"""A compile command as its options say, and the names of all files that it makes by the compiler's own rules."""

import os

from msgspec import Struct, field

from dgcc.master.verdict.stayshome import StaysHome


class Compile(Struct):
    """What the options of a command say; every path is as written, relative to the working directory.

    `stage` is b"-c", b"-S", b"-E" or b"-fsyntax-only", or empty where it goes on to link, or to make precompiled
    headers of sources that are `headers`. `output` is b"-" for standard output.
    """

    stage: bytes = b""
    sources: list[bytes] = field(default_factory=list)
    languages: list[str | None] = field(default_factory=list)  # of each source; None: by the compiler's name
    headers: list[bool] = field(default_factory=list)  # for each source, whether it becomes a precompiled header
    output: bytes | None = None
    dependencies_only: bool = False  # -M or -MM
    dependency_file: bytes | None = None  # -MF; b"-" for none
    written: list[bytes] = field(default_factory=list)  # other side files: dependencies, listings
    directories: list[tuple[bytes, bytes]] = field(default_factory=list)  # option and its directory
    files: list[tuple[bytes, bytes]] = field(default_factory=list)  # option and the file that it names
    values: list[tuple[bytes, bytes]] = field(default_factory=list)  # option and what may be a file's name
    profiles: list[tuple[bytes, bytes]] = field(default_factory=list)  # option that reads a profile, and its value
    profile_directory: bytes = b""  # -fprofile-dir
    specs: list[bytes] = field(default_factory=list)
    program_directories: list[bytes] = field(default_factory=list)  # -B
    steering: list[bytes] = field(default_factory=list)  # what leads to other programs, headers, libraries
    machine: list[bytes] = field(default_factory=list)  # -m..., in order
    native: bool = False  # one of them asks for this machine's processor
    sysroot: bytes | None = None
    prefix: bytes | None = None  # -iprefix
    plain: set[bytes] = field(default_factory=set)  # options without an argument
    unknown: bytes = b""  # an operand that is no source by its name: for the linker, if there is one
    linked: list[bytes] = field(default_factory=list)  # objects and libraries, which -c makes no use of
    libraries: list[bytes] = field(default_factory=list)  # -l
    library_directories: list[bytes] = field(default_factory=list)  # -L
    linker: list[bytes] = field(default_factory=list)  # the words of -Wl, -Xlinker, -T

    def add_source(self, path: bytes, language: str | None, header: bool = False) -> None:
        """Take note of a source and its language."""
        self.sources.append(path)
        self.languages.append(language)
        self.headers.append(header)

    def links(self) -> bool:
        """Tell whether the command goes on to the linker."""
        if self.stage:
            return False
        return not self.sources or not all(self.headers) or bool(self.linked)

    def products(self) -> list[bytes]:
        """Return the names of the files that it makes, given or by the compiler's own rule; side files left out.

        Raises StaysHome for an object file on standard output.
        """
        if self.stage == b"-fsyntax-only":
            return []
        if self.output is not None:
            if self.output != b"-":
                return [self.output]
            if self.stage in (b"-E", b"-S"):
                return []
            raise StaysHome("-o writes to standard output")
        if self.stage == b"-E":
            return []
        if not self.stage and not self.links():
            return [source + b".gch" for source in self.sources]
        if not self.stage:
            return [b"a.out"]
        suffix = b".s" if self.stage == b"-S" else b".o"
        return [
            source + b".gch" if header else os.path.splitext(os.path.basename(source))[0] + suffix
            for source, header in zip(self.sources, self.headers, strict=True)
        ]

    def stems(self) -> list[bytes]:
        """Return the names, without suffix, of which the compiler makes those of side files."""
        if self.output not in (None, b"-") and self.stage != b"":
            assert self.output is not None
            return [os.path.splitext(self.output)[0]]
        return [os.path.splitext(os.path.basename(source))[0] for source in self.sources]

    def side_files(self) -> list[bytes]:
        """Return the names of side files that it may write over."""
        found = list(self.written)
        if self.dependency_file not in (None, b"-"):
            assert self.dependency_file is not None
            found.append(self.dependency_file)
        suffixes: list[bytes] = []
        if self.dependency_file is None and self.plain & {b"-MD", b"-MMD"}:
            suffixes.append(b".d")
        if any(option.startswith(b"-gsplit-dwarf") for option in self.plain):
            suffixes.append(b".dwo")
        if self.plain & {b"--coverage", b"-coverage", b"-ftest-coverage"}:
            suffixes.append(b".gcno")
        if b"-fstack-usage" in self.plain:
            suffixes.append(b".su")
        if b"-fcallgraph-info" in self.plain:
            suffixes.append(b".ci")
        if b"-ftime-trace" in self.plain:
            suffixes.append(b".json")
        if b"-fsave-optimization-record" in self.plain:
            suffixes += (b".opt.yaml", b".opt-record.json.gz")
        found += [stem + suffix for stem in self.stems() for suffix in suffixes]
        if any(option.startswith(b"-save-temps") for option in self.plain):
            names = {*self.stems(), *(os.path.splitext(os.path.basename(source))[0] for source in self.sources)}
            found += [name + suffix for name in sorted(names) for suffix in (b".i", b".ii", b".s", b".bc")]
        return found
