"""Follows a recipe as the shell would run it: directories, variables, branches, pipes."""

import os
import re
from collections.abc import Mapping
from collections.abc import Sequence as Words

from dgcc.master.places import Places
from dgcc.master.shellsyntax import parse
from dgcc.master.shelltree import AndOr, Block, Command, For, If, Pipeline, Redirect, Sequence, Simple
from dgcc.master.shellvalue import Scope
from dgcc.master.stayshome import StaysHome, show
from dgcc.master.steps import Steps
from dgcc.master.tools import Argument

SHELLS = frozenset((b"sh", b"bash", b"dash", b"ash"))
# Set in a line, these change what its commands run or read in ways that the line does not show.
_STEERING = re.compile(
    rb"PATH|CDPATH|IFS|ENV|PWD|SHELLOPTS|(?:LD|GCC|BASH|CCC|COLLECT)_.*|BASH.*|.*_INCLUDE_PATH|CPATH"
    rb"|COMPILER_PATH|LIBRARY_PATH|.*DEPENDENCIES.*|POSIXLY_CORRECT|GREP_OPTIONS"
)
_DUPLICATED = re.compile(rb"[0-9]|-")
_HARMLESS_SIGNALS = frozenset((b"HUP", b"INT", b"QUIT", b"TERM", b"PIPE", b"1", b"2", b"3", b"13", b"15"))
# Enough for any recipe that people write, and a bound for one that multiplies.
_MOST_STEPS = 2000
_DEEPEST_SHELL = 3


class Recipe:
    """The state of a shell while its line is followed; `steps` has what was found."""

    def __init__(self, cwd: bytes, env: Mapping[bytes, bytes], places: Places) -> None:
        self._env = env
        self._places = places
        self._cwd: bytes | None = cwd  # None: only the shell can tell
        self._conditional = 0  # how many branches deep; what is assigned there may or may not happen
        self._fed = False
        self._left = _MOST_STEPS
        self._shells = 0
        self._scope = Scope({}, env, self.cwd, self._is_file, self._substitution)
        self.steps = Steps(env, places)

    def cwd(self) -> bytes:
        """Return the working directory at this point. Raises StaysHome where it depends on what happens."""
        if self._cwd is None:
            raise StaysHome("the shell line changes the directory in only some cases")
        return self._cwd

    def execute(self, argv: Words[Argument]) -> None:
        """Judge one command with its arguments. Raises StaysHome."""
        name = argv[0]
        if name is not None and os.path.basename(name) in SHELLS:
            self._shell(name, argv[1:])
        else:
            self.steps.run(argv, self.cwd(), self._fed)

    # ---- Structure ----

    def _sequence(self, body: Sequence) -> None:
        for item in body.items:
            self._and_or(item)

    def _and_or(self, item: AndOr) -> None:
        self._pipeline(item.first)
        moved = False
        for op, pipeline in item.rest:
            before = self._cwd
            self._conditional += 1
            self._pipeline(pipeline)
            self._conditional -= 1
            if self._cwd != before:
                if op == b"||":
                    raise StaysHome("the shell line changes the directory in only some cases")
                moved = True
        if moved:  # by a cd behind &&, which what follows the chain may or may not have seen
            self._cwd = None

    def _pipeline(self, pipeline: Pipeline) -> None:
        if len(pipeline.commands) == 1:
            self._command(pipeline.commands[0])
            return
        fed = self._fed
        for place, command in enumerate(pipeline.commands):
            self._fed = fed or place > 0
            self._apart(command)
        self._fed = fed

    def _apart(self, command: Command | Sequence) -> None:
        """Follow what runs in a subshell: nothing that it sets outlives it."""
        variables, cwd = dict(self._scope.variables), self._cwd
        if isinstance(command, Sequence):
            self._sequence(command)
        else:
            self._command(command)
        self._scope.variables, self._cwd = variables, cwd

    def _command(self, command: Command) -> None:
        self._left -= 1
        if self._left < 0:
            raise StaysHome("the shell line runs too many commands")
        fed = self._fed
        for redirect in command.redirects:
            if redirect.op in (b"<", b"<&"):
                self._redirect(redirect)
        if isinstance(command, Simple):
            self._simple(command)
        elif isinstance(command, Block):
            if command.subshell:
                self._apart(command.body)
            else:
                self._sequence(command.body)
        elif isinstance(command, If):
            self._if(command)
        else:
            self._for(command)
        for redirect in command.redirects:
            if redirect.op not in (b"<", b"<&"):
                self._redirect(redirect)
        self._fed = fed

    def _if(self, command: If) -> None:
        for place, (condition, body) in enumerate(command.branches):
            # The first condition alone is reached in any case.
            self._conditional += place > 0
            before = self._cwd
            if condition is not None:
                self._sequence(condition)
            self._conditional += place == 0
            self._sequence(body)
            self._conditional -= 1
            if self._cwd != before:
                raise StaysHome("the shell line changes the directory in only some cases")

    def _for(self, command: For) -> None:
        for word in command.words:
            for value in self._scope.fields(word):
                self._scope.variables[command.name] = value
                before = self._cwd
                self._sequence(command.body)
                if self._cwd != before:
                    raise StaysHome("the shell line changes the directory in a loop")
        if self._conditional:
            self._scope.variables[command.name] = None

    # ---- Simple commands ----

    def _simple(self, command: Simple) -> None:
        for name, word in command.assignments:
            value = self._scope.value(word)
            if _STEERING.fullmatch(name):
                raise StaysHome(f"the shell line sets {show(name)}")
            if not command.words:
                self._set(name, value)
        argv = [field for word in command.words for field in self._scope.fields(word)]
        if not argv:
            return
        match argv[0]:
            case b"cd":
                self._cd(argv[1:])
            case b"set":
                for flag in argv[1:]:
                    if flag is None or not (flag[:1] in (b"-", b"+") or flag.isalpha()):
                        raise StaysHome("the shell line sets its own arguments")
            case b"export":
                for setting in argv[1:]:
                    self._export(setting)
            case b"unset":
                for variable in argv[1:]:
                    if variable is None or variable[:1] == b"-" or _STEERING.fullmatch(variable):
                        raise StaysHome("the shell line has an unset that is not understood")
                    self._set(variable, b"")
            case b"trap":
                if len(argv) < 3 or any(word not in _HARMLESS_SIGNALS for word in argv[2:]):
                    raise StaysHome("the shell line has a trap for more than signals")
            case b"exec":
                if len(argv) > 1:
                    if (argv[1] or b"")[:1] == b"-":
                        raise StaysHome("the shell line has an exec with options")
                    self.execute(argv[1:])
            case _:
                self.execute(argv)

    def _set(self, name: bytes, value: bytes | None) -> None:
        self._scope.variables[name] = None if self._conditional else value

    def _export(self, word: Argument) -> None:
        if word is None or word[:1] == b"-":
            raise StaysHome("the shell line has an export that is not understood")
        name, equals, value = word.partition(b"=")
        if _STEERING.fullmatch(name):
            raise StaysHome(f"the shell line sets {show(name)}")
        if equals:
            self._set(name, value)

    def _cd(self, arguments: list[Argument]) -> None:
        if len(arguments) != 1 or arguments[0] is None or arguments[0][:1] in (b"-", b""):
            raise StaysHome("the shell line has a cd that is not understood")
        target = arguments[0]
        if self._env.get(b"CDPATH") and target[:1] not in (b"/", b"."):
            raise StaysHome("the shell line has a cd, and CDPATH is set")
        path = self._places.file(target, self.cwd(), "the directory")
        if path is None:
            raise StaysHome("the shell line has a cd that is not understood")
        found = self._places.probe(path)
        if found is None or not found.directory:
            raise StaysHome(f"the shell line goes to {show(target)}, which is no directory yet")
        # Shells keep the written path, programs that they start are in the real one.
        self._cwd = found.real

    def _redirect(self, redirect: Redirect) -> None:
        fields = self._scope.fields(redirect.target)
        target = fields[0] if len(fields) == 1 else None
        if target is None:
            raise StaysHome("the shell line redirects to a file whose name the shell computes")
        if redirect.op in (b">&", b"<&"):
            if not _DUPLICATED.fullmatch(target):
                written = f"{redirect.op.decode()}{show(target, 20)}"
                raise StaysHome(f"the shell line has '{written}', which shells read differently")
        elif redirect.op == b">>":
            raise StaysHome(f"it appends to a file ({show(target)})")
        elif redirect.op == b"<":
            self.steps.uses(target, self.cwd(), "the input")
            self._fed = self._fed or redirect.fd in (None, 0)
        elif redirect.op in (b">", b">|"):
            self._places.file(target, self.cwd(), "the output")
        else:
            raise StaysHome(f"the shell line has '{redirect.op.decode()}'")

    def _is_file(self, path: bytes) -> bool:
        found = self._places.probe(os.path.join(self.cwd(), path))
        return found is not None and not found.directory

    def _substitution(self, body: Sequence) -> None:
        compilers = len(self.steps.compilers)
        self._apart(body)
        if len(self.steps.compilers) != compilers:
            raise StaysHome("the shell line compiles within a substitution")

    # ---- Shells within ----

    def _shell(self, name: bytes, arguments: Words[Argument]) -> None:
        self._shells += 1
        if self._shells > _DEEPEST_SHELL:
            raise StaysHome("too many shells start shells")
        self.steps.names.add(os.path.basename(name))
        script = False
        place = 0
        while place < len(arguments):
            word = arguments[place]
            if word is None or word[:1] not in (b"-", b"+") or len(word) < 2:
                break
            place += 1
            if word == b"--":
                break
            for letter in word[1:].decode("latin-1"):
                if letter == "c":
                    script = True
                elif letter in "oO":
                    place += 1
                elif letter not in "euxvfCEpTbh":
                    raise StaysHome(f"the shell's option {show(word, 30)} is not understood")
        rest = arguments[place:]
        if not rest or rest[0] is None:
            raise StaysHome("a shell reads its commands from standard input, or computes them")
        if script:
            self.steps.system_program(name, self.cwd())
            self._apart(parse(rest[0]))
        elif os.path.basename(rest[0]).endswith(b"libtool"):
            self.steps.system_program(name, self.cwd())
            self.steps.libtool(rest[0], rest[1:], self.cwd())
        else:
            self.steps.label = self.steps.label or show(os.path.basename(rest[0]), 40)
            raise StaysHome(f"it runs a shell script ({show(rest[0])})")
        self._shells -= 1
