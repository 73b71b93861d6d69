"""Follows a recipe as the shell would run it: directories, variables, branches, pipes."""

import os
import re
from collections.abc import Mapping
from collections.abc import Sequence as Words

from dgcc.master.verdict.places import Places
from dgcc.master.verdict.shellsyntax import parse
from dgcc.master.verdict.shelltree import (
    AndOr,
    Block,
    Command,
    For,
    If,
    PartKind,
    Pipeline,
    Redirect,
    Sequence,
    Simple,
)
from dgcc.master.verdict.shellvalue import Scope
from dgcc.master.verdict.stayshome import StaysHome, show
from dgcc.master.verdict.steps import Steps
from dgcc.master.verdict.tools import Argument

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
        self._errexit = False  # set -e
        self._unstopped = 0  # how deep in places where set -e has no effect
        self._exit_heard = True  # whether a failing exit from the present shell fails the recipe
        self._heard = True  # whether the present simple command's failure does
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
            return
        before = self.steps.weighty
        self.steps.run(argv, self.cwd(), self._fed)
        if self.steps.weighty > before and not self._heard:
            # What fails on a slave only, for lack of something, is found by that and confirmed at home.
            raise StaysHome("the shell line would go on after a failure")

    # ---- Structure ----
    #
    # `heard` says whether a failing status of what is followed makes the whole recipe fail: as it is the last
    # to run, because of set -e, or by || exit.

    def _sequence(self, body: Sequence, heard: bool) -> None:
        last = len(body.items) - 1
        for place, item in enumerate(body.items):
            self._and_or(item, heard and place == last)

    def _and_or(self, item: AndOr, heard: bool) -> None:
        pipelines = (item.first, *(pipeline for _, pipeline in item.rest))
        heard_at = self._heard_in_chain(item, heard)
        moved = False
        for place, pipeline in enumerate(pipelines):
            before = self._cwd
            self._conditional += place > 0
            self._unstopped += place < len(pipelines) - 1
            self._pipeline(pipeline, heard_at[place])
            self._unstopped -= place < len(pipelines) - 1
            self._conditional -= place > 0
            if place and self._cwd != before:
                if item.rest[place - 1][0] == b"||":
                    raise StaysHome("the shell line changes the directory in only some cases")
                moved = True
        if moved:  # by a cd behind &&, which what follows the chain may or may not have seen
            self._cwd = None

    def _heard_in_chain(self, item: AndOr, heard: bool) -> list[bool]:
        """Tell for each pipeline of a chain of && and || whether its failure is heard."""
        at_end = heard or self._stops()
        outcome = [at_end]
        passed_on = heard  # what a failure comes to that reaches the operator behind the present pipeline
        for place in range(len(item.rest) - 1, -1, -1):
            op, follower = item.rest[place]
            if op == b"||":
                if _exits(follower):
                    passed_on = self._exit_heard
                elif _fails(follower):
                    passed_on = outcome[-1]
                else:
                    passed_on = False
            outcome.append(passed_on)
        return outcome[::-1]

    def _stops(self) -> bool:
        """Tell whether set -e ends the recipe with a failure here."""
        return self._errexit and not self._unstopped and self._exit_heard

    def _pipeline(self, pipeline: Pipeline, heard: bool) -> None:
        heard = heard and not pipeline.negated
        self._unstopped += pipeline.negated
        if len(pipeline.commands) == 1:
            self._command(pipeline.commands[0], heard)
        else:
            fed, last = self._fed, len(pipeline.commands) - 1
            for place, command in enumerate(pipeline.commands):
                self._fed = fed or place > 0
                self._apart(Sequence((AndOr(Pipeline((command,)), ()),)), heard and place == last)
            self._fed = fed
        self._unstopped -= pipeline.negated

    def _apart(self, body: Sequence, heard: bool) -> None:
        """Follow what runs in a shell of its own: nothing that it sets outlives it, nor does its exit."""
        kept = dict(self._scope.variables), self._cwd, self._errexit, self._exit_heard
        self._exit_heard = heard
        self._sequence(body, heard)
        self._scope.variables, self._cwd, self._errexit, self._exit_heard = kept

    def _command(self, command: Command, heard: bool) -> None:
        self._left -= 1
        if self._left < 0:
            raise StaysHome("the shell line runs too many commands")
        fed = self._fed
        for redirect in command.redirects:
            if redirect.op in (b"<", b"<&"):
                self._redirect(redirect)
        if isinstance(command, Simple):
            self._simple(command, heard)
        elif isinstance(command, Block):
            if command.subshell:
                self._apart(command.body, heard)
            else:
                self._sequence(command.body, heard)
        elif isinstance(command, If):
            self._if(command, heard)
        else:
            self._for(command, heard)
        for redirect in command.redirects:
            if redirect.op not in (b"<", b"<&"):
                self._redirect(redirect)
        self._fed = fed

    def _if(self, command: If, heard: bool) -> None:
        # As older automake has it: if cc ...; then ...; else ...; exit 1; fi
        otherwise, alternative = command.branches[1] if len(command.branches) == 2 else (None, None)
        exits = otherwise is None and alternative is not None and _ends_in_exit(alternative)
        for place, (condition, body) in enumerate(command.branches):
            # The first condition alone is reached in any case.
            self._conditional += place > 0
            before = self._cwd
            if condition is not None:
                self._unstopped += 1
                self._sequence(condition, self._exit_heard and exits)
                self._unstopped -= 1
            self._conditional += place == 0
            self._sequence(body, heard)
            self._conditional -= 1
            if self._cwd != before:
                raise StaysHome("the shell line changes the directory in only some cases")

    def _for(self, command: For, heard: bool) -> None:
        values = [value for word in command.words for value in self._scope.fields(word)]
        for place, value in enumerate(values):
            self._scope.variables[command.name] = value
            before = self._cwd
            self._sequence(command.body, heard and place == len(values) - 1)
            if self._cwd != before:
                raise StaysHome("the shell line changes the directory in a loop")
        if self._conditional:
            self._scope.variables[command.name] = None

    # ---- Simple commands ----

    def _simple(self, command: Simple, heard: bool) -> None:
        for name, word in command.assignments:
            value = self._scope.value(word)
            if _STEERING.fullmatch(name):
                raise StaysHome(f"the shell line sets {show(name)}")
            if not command.words:
                self._set(name, value)
        argv = [field for word in command.words for field in self._scope.fields(word)]
        if not argv:
            return
        self._heard = heard  # only now: substitutions among the words have been followed
        match argv[0]:
            case b"cd":
                self._cd(argv[1:])
            case b"set":
                self._flags(argv[1:])
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

    def _flags(self, flags: list[Argument]) -> None:
        for flag in flags:
            if flag is None or flag == b"--" or not (flag[:1] in (b"-", b"+") or flag.isalpha()):
                raise StaysHome("the shell line sets its own arguments")
            if flag == b"errexit" or flag[:1] == b"+" and b"e" in flag:
                self._errexit = False  # or it may have been switched on by name; no matter
            elif flag[:1] == b"-" and b"e" in flag and not self._conditional:
                self._errexit = True

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
        self._apart(body, False)

    # ---- Shells within ----

    def _shell(self, name: bytes, arguments: Words[Argument]) -> None:
        self._shells += 1
        if self._shells > _DEEPEST_SHELL:
            raise StaysHome("too many shells start shells")
        self.steps.names.add(os.path.basename(name))
        script = errexit = False
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
                elif letter == "e":
                    errexit = word[:1] == b"-"
                elif letter in "oO":
                    place += 1
                elif letter not in "uxvfCEpTbh":
                    raise StaysHome(f"the shell's option {show(word, 30)} is not understood")
        rest = arguments[place:]
        if not rest or rest[0] is None:
            raise StaysHome("a shell reads its commands from standard input, or computes them")
        if script:
            self.steps.system_program(name, self.cwd())
            kept = self._errexit, self._unstopped
            self._errexit, self._unstopped = errexit, 0
            self._apart(parse(rest[0]), self._heard)
            self._errexit, self._unstopped = kept
        elif os.path.basename(rest[0]).endswith(b"libtool"):
            self.steps.system_program(name, self.cwd())
            self.execute(rest)
        else:
            self.steps.label = self.steps.label or show(os.path.basename(rest[0]), 40)
            raise StaysHome(f"it runs a shell script ({show(rest[0])})")
        self._shells -= 1


def _lone(pipeline: Pipeline) -> Command | None:
    return pipeline.commands[0] if len(pipeline.commands) == 1 and not pipeline.negated else None


def _exits(pipeline: Pipeline) -> bool:
    """Tell whether what follows a failed command is no more than an exit with a failing status."""
    command = _lone(pipeline)
    if not isinstance(command, Simple) or command.words[:1] != (b"exit",) or len(command.words) > 2:
        return False
    if len(command.words) == 1:
        return True
    word = command.words[1]
    if isinstance(word, bytes):
        return word.isdigit() and 0 < int(word[:4]) < 256
    return len(word.parts) == 1 and (word.parts[0].kind, word.parts[0].name) == (PartKind.VARIABLE, b"?")


def _ends_in_exit(body: Sequence) -> bool:
    """Tell whether the last command is an exit with a failing status that is written out."""
    last = body.items[-1] if body.items else None
    if last is None or last.rest or not _exits(last.first):
        return False
    command = last.first.commands[0]
    return isinstance(command, Simple) and len(command.words) == 2 and isinstance(command.words[1], bytes)


def _fails(pipeline: Pipeline) -> bool:
    """Tell whether a pipeline surely has a failing status: false, or a block that ends in false or exit."""
    command = _lone(pipeline)
    if isinstance(command, Simple):
        return command.words == (b"false",)
    if isinstance(command, Block) and command.body.items:
        last = command.body.items[-1]
        return not last.rest and (_fails(last.first) or _ends_in_exit(command.body))
    return False
