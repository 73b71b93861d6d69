"""Reads what a dry run of GNU make prints (see plan.py) into a Plan; garbage only gives an emptier one.

The output is, for each make: for every target that is due, a line that says where its recipe is and why it
is due, then the recipe's lines; for every make started by a recipe, its own output nested in place; at its
end, its database. Directories come from make's "Entering directory" lines, and where a makefile turned these
off (as kbuild does), from CURDIR in the database of the make that has just ended.
"""

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

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
# What may make several lines of one recipe line.
_MULTIPLIES = re.compile(rb"\$[({](?:call|eval|foreach|value|shell|file|if|or|and)\s")
_LONGEST_COMMAND = 1 << 20

_Place: TypeAlias = tuple[bytes, bytes, int]  # a target with its recipe's makefile and line


@dataclass(slots=True)
class _Due:
    """One target that is due, with the commands printed for it so far."""

    target: bytes
    makefile: bytes
    line: int
    commands: list[bytes] = field(default_factory=list)
    directory: bytes | None = None
    within: "tuple[_Due, int] | None" = None  # the target, and which of its commands, that ran this make


@dataclass(slots=True)
class _Frame:
    """A make that has said where it works: its first due target's place, and the parent's current target."""

    directory: bytes
    first: int
    resumed: _Due | None


@dataclass(slots=True)
class _Database:
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
        self.names: dict[bytes, bytes] = {}  # one object for each name, which occur thousands of times

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
        elif self.current is not None:
            self._command(line)

    def plan(self) -> Plan:
        self._assign(0, self.frames[0].directory, None)
        jobs = []
        places: dict[tuple[int, int], int] = {}  # of each due target's commands
        for due in self.due:
            directory = due.directory or self.frames[0].directory
            needs = self.prerequisites.get((directory, due.target), ())
            for number, command in enumerate(due.commands):
                if command.strip() not in (b"", b":"):  # make runs nothing for it
                    places[id(due), number] = len(jobs)
                    jobs.append(PlannedJob(directory, due.target, command, due.makefile, due.line, needs))
        within = {}
        for due in self.due:
            above = None if due.within is None else places.get((id(due.within[0]), due.within[1]))
            if above is not None:
                found = (places.get((id(due), number)) for number in range(len(due.commands)))
                within.update({place: above for place in found if place is not None})
        return Plan(tuple(jobs), self.prerequisites, within)

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
            self._nest(self.due[frame.first:], frame.resumed)
            self.current = frame.resumed

    def _nest(self, dues: Iterable[_Due], above: _Due | None) -> None:
        """The last command of `above`, so far, has run the make of these."""
        if above is not None and above.commands:
            for due in dues:
                if due.within is None:
                    due.within = (above, len(above.commands) - 1)

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
            if not base.skip:
                base.current = target = self._name(target)
                names = (found["names"] or b"").split()
                base.targets[target] = tuple(self._name(name) for name in names if name != b"|")

    def _database_end(self, base: _Database) -> None:
        frame = self.frames[-1]
        directory = self._name(base.directory or frame.directory)
        own = directory == frame.directory or not base.directory
        assigned = self._assign(frame.first, directory, None if own else base.places)
        if not own and assigned:
            start = next(place for place in range(len(self.due) - 1, -1, -1) if self.due[place] is assigned[-1])
            self._nest(assigned, self.due[start - 1] if start > frame.first else None)
        for due in assigned:
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
        self.current = None if not own else self.current
        self.continued = False


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
