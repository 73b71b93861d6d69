"""Reads what a dry run of GNU make prints (see plan.py) into a Plan; garbage only gives an emptier one.

The output is, for each make: for every target that is due, a line that says where its recipe is and why it
is due, then the recipe's lines; for every make started by a recipe, its own output nested in place; at its
end, its database. Directories come from make's "Entering directory" lines, and where a makefile turned these
off (as kbuild does), from CURDIR in the database of the make that has just ended.
"""

import re
from collections.abc import Container, Iterable
from typing import TypeAlias

from msgspec import Struct, field

from dgcc.master.plan.planned import Plan, PlannedJob

# make 4.3 says the first of the two for a target that does not exist, make 4.4 the second with that as the
# reason.
_DUE = re.compile(
    rb"(?:(?P<makefile>.+):(?P<line>[0-9]+)|<builtin>): "
    rb"(?:target '(?P<missing>.*)' does not exist|update target '(?P<old>.*?)' due to: .*)\Z",
    re.DOTALL,
)
_DIRECTORY = re.compile(rb"(?:# )?[^\s:]+: (?P<what>Entering|Leaving) directory '(?P<path>/.*)'\Z", re.DOTALL)
_MESSAGE = re.compile(
    rb"[^\s:]*make(?:\[[0-9]+\])?: "
    rb"(?:\*\*\* |Nothing to be done|Target '|'.*' is up to date|Circular |warning)"
)
_RECIPE = re.compile(
    rb"#  recipe to execute \((?:built-in|from '(?P<makefile>.+)', line (?P<line>[0-9]+))\):\Z"
)
_DEFINE = re.compile(rb"define (\S+)")
_RULE = re.compile(rb"(?P<target>.+?):{1,2}(?: (?P<names>.*))?\Z", re.DOTALL)
# A variable that make sets for a target, which the database tells before the target's own line.
_VARIABLE = re.compile(rb"(?:[^\s:=]+ )*[^\s:=]+ (?:[:?+!]|::|:::)?= ?")
# What may make several lines of one recipe line.
_MULTIPLIES = re.compile(rb"\$[({](?:call|eval|foreach|value|shell|file|if|or|and)\s")
_LONGEST_COMMAND = 1 << 20

_Place: TypeAlias = tuple[bytes, bytes, int]  # a target with its recipe's makefile and line


class _Due(Struct):
    """One target that is due, with the commands printed for it so far."""

    target: bytes
    makefile: bytes
    line: int
    commands: list[bytes] = field(default_factory=list)
    directory: bytes | None = None
    make: int | None = None  # which has planned it, once that is known
    above: tuple["_Due", int] | None = None  # the target, and the command of its recipe, in which that make runs


class _Frame(Struct):
    """A make that has said where it works: its first due target's place, and the parent's current target."""

    directory: bytes
    first: int
    resumed: _Due | None


class _Database(Struct):
    """What is read of one make's database."""

    directory: bytes = b""
    section: bytes = b"variables"
    multiline: set[bytes] = field(default_factory=set)
    defining: bool = False
    targets: dict[bytes, tuple[bytes, ...]] = field(default_factory=dict)
    recipes: dict[bytes, list[bytes]] = field(default_factory=dict)
    places: set[_Place] = field(default_factory=set)
    current: bytes | None = None
    skip: bool = False
    oneshell: bool = False


def parse(stream: Iterable[bytes], cwd: bytes) -> Plan:
    """Read the lines of a dry run that was started in the absolute directory `cwd`."""
    reader = _Reader(cwd)
    for line in stream:
        # Most of a database are remarks on each of its files.
        if line[:3] == b"#  " and line[:9] != b"#  recipe" and reader.among_files:
            continue
        reader.line(line.rstrip(b"\r\n"))
    return reader.plan()


class _Reader:
    def __init__(self, cwd: bytes) -> None:
        self.frames = [_Frame(cwd, 0, None)]
        self.due: list[_Due] = []
        self.unassigned = 0  # from here on, targets may have no directory yet
        self.current: _Due | None = None
        self.continued = False
        self.database: _Database | None = None
        self.prerequisites: dict[tuple[bytes, bytes], tuple[bytes, ...]] = {}
        self.needs: dict[tuple[int, bytes], tuple[bytes, ...]] = {}
        self.makes = 0
        self.names: dict[bytes, bytes] = {}  # one object for each name, which occur thousands of times

    @property
    def among_files(self) -> bool:
        """Whether the next line belongs to the files of a make's database."""
        return self.database is not None and self.database.section == b"files"

    def line(self, line: bytes) -> None:
        if self.database is not None:
            self._database_line(self.database, line)
        elif self.continued and self.current is not None:
            self._command(line)
        elif b"arget '" in line and (found := _DUE.match(line)) is not None:
            target = self._name(found["missing"] if found["missing"] is not None else found["old"])
            makefile = self._name(found["makefile"] or b"")
            self.current = _Due(target, makefile, int((found["line"] or b"0")[:9]))
            self.due.append(self.current)
        elif b" directory " in line and (found := _DIRECTORY.match(line)) is not None:
            self._directory(found["what"] == b"Entering", found["path"])
        elif line.startswith(b"# GNU Make "):
            self.database = _Database()
        elif _MESSAGE.match(line):
            return
        elif self.current is not None and line:  # an empty one comes after each database
            self._command(line)

    def plan(self) -> Plan:
        self._assign(0, self.frames[0].directory, None)
        # What no make's database has claimed is taken for one make's, with all that is known of its directories.
        lost = {due.directory for due in self.due if due.make is None}
        for (directory, target), names in self.prerequisites.items():
            if directory in lost:
                self.needs.setdefault((self.makes, target), names)
        jobs: list[PlannedJob] = []
        places: dict[tuple[int, int], int] = {}  # of jobs, by their target's identity and number in its recipe
        for due in self.due:
            directory = due.directory or self.frames[0].directory
            make = self.makes if due.make is None else due.make
            needs = self.needs.get((make, due.target)) or self.prerequisites.get((directory, due.target), ())
            above = places.get((id(due.above[0]), due.above[1])) if due.above else None
            for number, command in enumerate(due.commands):
                if command.strip() not in (b"", b":"):  # make runs nothing for it
                    places[id(due), number] = len(jobs)
                    jobs.append(PlannedJob(directory, due.target, command, due.makefile, due.line, needs, make, above))
        return Plan(tuple(jobs), self.prerequisites, self.needs)

    def _name(self, name: bytes) -> bytes:
        return self.names.setdefault(name, name)

    def _command(self, line: bytes) -> None:
        assert self.current is not None
        commands = self.current.commands
        if not self.continued:
            commands.append(line)
        elif len(commands[-1]) < _LONGEST_COMMAND:
            commands[-1] += b"\n" + line
        self.continued = (len(line) - len(line.rstrip(b"\\"))) % 2 == 1

    # ---- Directories ----

    def _directory(self, entering: bool, path: bytes) -> None:
        if entering:
            self.frames.append(_Frame(path, len(self.due), self.current))
            self.current = None
        elif len(self.frames) > 1:
            frame = self.frames.pop()
            self._assign(frame.first, frame.directory, None)
            self.current = frame.resumed

    def _assign(self, first: int, directory: bytes, among: Container[_Place] | None) -> list[_Due]:
        """Give `directory` to the last targets without one, back to `first` or a recipe not `among`."""
        assigned: list[_Due] = []
        for place in range(len(self.due) - 1, max(first, self.unassigned) - 1, -1):
            due = self.due[place]
            if due.directory is not None:
                continue
            if among is not None and (due.target, due.makefile, due.line) not in among:
                return assigned
            due.directory = directory
            assigned.append(due)
        if first <= self.unassigned:
            self.unassigned = len(self.due)
        return assigned

    # ---- The database ----

    def _database_line(self, base: _Database, line: bytes) -> None:
        if base.section == b"variables":
            if base.defining:
                base.defining = line != b"endef"
            elif line.startswith(b"define "):
                base.defining = True
                if (found := _DEFINE.match(line)) is not None:
                    base.multiline.add(found[1])
            elif line.startswith(b"CURDIR := "):
                base.directory = line[10:]
            elif line == b"# Files":
                base.section = b"files"
        elif base.section == b"files":
            if line.startswith(b"# files hash-table stats"):
                base.section = b"end"
            else:
                self._files_line(base, line)
        if line.startswith(b"# Finished Make data base"):
            self._database_end(base)
            self.database = None

    def _files_line(self, base: _Database, line: bytes) -> None:
        if not line:
            base.current, base.skip = None, False
        elif line[:1] == b"\t":
            if base.current is not None:
                base.recipes.setdefault(base.current, []).append(line[1:])
        elif line[:1] == b"#":
            if line == b"# Not a target:":
                base.skip = True
            elif base.current is not None and (found := _RECIPE.match(line)) is not None:
                base.places.add((base.current, found["makefile"] or b"", int((found["line"] or b"0")[:9])))
        elif base.current is None and (found := _RULE.match(line)) is not None:
            target = found["target"]
            base.oneshell = base.oneshell or target == b".ONESHELL"
            if not base.skip and not _VARIABLE.match(found["names"] or b""):
                base.current = target = self._name(target)
                names = (found["names"] or b"").split()
                base.targets[target] = tuple(self._name(name) for name in names if name != b"|")

    def _database_end(self, base: _Database) -> None:
        frame = self.frames[-1]
        directory = self._name(base.directory or frame.directory)
        own = directory == frame.directory or not base.directory
        self._assign(frame.first, directory, None if own else base.places)
        earliest, ended = self._own(frame.first, base.places)
        above = self._above(earliest) if ended else None
        for due in ended:
            due.make, due.above = self.makes, above
            if base.oneshell and len(due.commands) > 1:
                due.commands = [b"\n".join(due.commands)]
            recipe = base.recipes.get(due.target)
            most = None if recipe is None else _most_commands(recipe, base.multiline)
            if most is not None:
                # Whatever is more than the recipe has lines is the output of a line that make really ran.
                del due.commands[most:]
        for target, names in base.targets.items():
            key = (directory, target)
            if len(names) > len(self.prerequisites.get(key, ())) or key not in self.prerequisites:
                self.prerequisites[key] = names
        if ended:
            self.needs.update(((self.makes, target), names) for target, names in base.targets.items() if names)
            self.makes += 1
            self.current = above[0] if above else None
        elif not own:
            self.current = None
        self.continued = False


    def _own(self, first: int, places: Container[_Place]) -> tuple[int, list[_Due]]:
        """The targets, from `first` on, that the make has planned which has recipes at these `places` and ends now.

        Returns the place of the earliest of them, too.
        """
        found: list[_Due] = []
        earliest = len(self.due)
        for place in range(len(self.due) - 1, first - 1, -1):
            due = self.due[place]
            if due.make is None:  # else it is of a make that this one has run
                if (due.target, due.makefile, due.line) not in places:
                    break
                found.append(due)
                earliest = place
        return earliest, found

    def _above(self, earliest: int) -> tuple[_Due, int] | None:
        """The target, and which command of its recipe, that runs the make whose earliest target is at a place."""
        if not earliest:
            return None
        before = self.due[earliest - 1]
        while before.make is not None:  # the recipe has run another make before
            if before.above is None:
                return None
            before = before.above[0]
        return (before, len(before.commands) - 1) if before.commands else None


def _most_commands(recipe: list[bytes], multiline: set[bytes]) -> int | None:
    """Tell how many commands a recipe can give; None if its text does not tell."""
    text = b"\n".join(recipe)
    if _MULTIPLIES.search(text):
        return None
    if multiline:
        for name in re.findall(rb"\$[({]([^\s(){}:$]+)[)}]", text):
            if name in multiline:
                return None
    joined = re.sub(rb"(?<!\\)(?:\\\\)*\\\n", b" ", text)
    return len([line for line in joined.split(b"\n") if line.strip(b" \t@+-")])
