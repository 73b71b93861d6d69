"""Follows a recipe as the shell would run it: directories, variables, branches, pipes."""

import os
import re
from collections.abc import Mapping
from collections.abc import Sequence as Words

from dgcc.master.verdict.failing import ends_in_exit, exits, fails
from dgcc.master.verdict.places import Places
from dgcc.master.verdict.shellnames import assigned, matches, reads_on, started
from dgcc.master.verdict.shellstart import shell_arguments
from dgcc.master.verdict.shellsyntax import parse
from dgcc.master.verdict.shelltree import (
    AndOr,
    Block,
    Case,
    Command,
    For,
    If,
    Pipeline,
    Redirect,
    Sequence,
    Simple,
    While,
)
from dgcc.master.verdict.shellvalue import Scope
from dgcc.master.verdict.stayshome import StaysHome, show
from dgcc.master.verdict.steps import STEERING, Steps, check_setting
from dgcc.master.verdict.tools import Argument

SHELLS = frozenset((b"sh", b"bash", b"dash", b"ash"))
_DUPLICATED = re.compile(rb"[0-9]|-")
_HARMLESS_SIGNALS = frozenset(b"HUP INT QUIT TERM PIPE EXIT 0 1 2 3 13 15".split())
# Enough for any recipe that people write, and a bound for one that multiplies.
_MOST_STEPS = 2000
_DEEPEST_SHELL = 3


class Recipe:
    """The state of a shell while its line is followed; `found` has what was found."""

    def __init__(self, cwd: bytes, env: Mapping[bytes, bytes], places: Places, generous: bool = False) -> None:
        """`generous`: a rule says that the recipe travels."""
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
        self.steps = Steps(env, places, generous)
        self.found = self.steps.found

    def cwd(self) -> bytes:
        """Return the working directory at this point. Raises StaysHome where it depends on what happens."""
        if self._cwd is None:
            raise StaysHome("the shell line changes the directory in only some cases")
        return self._cwd

    def execute(self, argv: Words[Argument], settings: Mapping[bytes, bytes | None] = {}) -> None:
        """Judge one command with its arguments and the variables set before it. Raises StaysHome."""
        name = argv[0]
        if name is not None and os.path.basename(name) in SHELLS:
            self._shell(name, argv[1:], settings)
            return
        self._run(argv, settings)

    def _run(
        self, argv: Words[Argument], settings: Mapping[bytes, bytes | None], recorded: Words[Argument] = ()
    ) -> None:
        before, outputs = self.found.weighty, set(self.found.outputs)
        self.steps.run(argv, self.cwd(), self._fed, settings, recorded)
        if self._conditional:
            self.found.passing.update(self.found.outputs.keys() - outputs)
        if self.found.weighty > before and not self._heard:
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
                if exits(follower):
                    passed_on = self._exit_heard
                elif fails(follower):
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
            if redirect.op in (b"<", b"<&", b"<<"):
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
        elif isinstance(command, For):
            self._for(command, heard)
        elif isinstance(command, While):
            self._while(command)
        else:
            self._case(command, heard)
        for redirect in command.redirects:
            if redirect.op not in (b"<", b"<&", b"<<"):
                self._redirect(redirect)
        self._fed = fed

    def _if(self, command: If, heard: bool) -> None:
        # As older automake has it: if cc ...; then ...; else ...; exit 1; fi
        otherwise, alternative = command.branches[1] if len(command.branches) == 2 else (None, None)
        exits = otherwise is None and alternative is not None and ends_in_exit(alternative)
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

    def _while(self, command: While) -> None:
        # What the loop sets may be set already when it is read: in all rounds but the first.
        if not reads_on(command.condition):
            raise StaysHome("the shell line has a loop that may go on for ever")
        for name in assigned(command.condition) | assigned(command.body):
            self._scope.variables[name] = None
        before = self._cwd
        self._conditional += 1
        self._unstopped += 1
        self._sequence(command.condition, False)
        self._unstopped -= 1
        self._sequence(command.body, False)
        self._conditional -= 1
        if self._cwd != before:
            raise StaysHome("the shell line changes the directory in a loop")

    def _case(self, command: Case, heard: bool) -> None:
        value = self._scope.value(command.word)
        for patterns, body in command.branches:
            answer = matches(value, patterns)
            if answer is False:
                continue
            self._conditional += not answer
            before = self._cwd
            self._sequence(body, heard)
            self._conditional -= not answer
            if answer:
                return
            if self._cwd != before:
                raise StaysHome("the shell line changes the directory in only some cases")

    # ---- Simple commands ----

    def _simple(self, command: Simple, heard: bool) -> None:
        settings: dict[bytes, bytes | None] = {}
        for name, word in command.assignments:
            value = self._scope.value(word)
            settings[name] = value
            check_setting(name, value, self._env, "the shell line")
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
                    if variable is None or variable[:1] == b"-" or STEERING.fullmatch(variable):
                        raise StaysHome("the shell line has an unset that is not understood")
                    self._set(variable, b"")
            case b"trap":
                self._trap(argv[1:])
            case b"exec":
                if len(argv) > 1:
                    if (argv[1] or b"")[:1] == b"-":
                        raise StaysHome("the shell line has an exec with options")
                    self.execute(argv[1:], settings)
            case b"read":
                self._reads(argv[1:])
            case _:
                self.execute(argv, settings)

    def _trap(self, arguments: list[Argument]) -> None:
        if len(arguments) < 2 or any(word not in _HARMLESS_SIGNALS for word in arguments[1:]):
            raise StaysHome("the shell line has a trap for more than signals")
        if b"EXIT" in arguments or b"0" in arguments:
            if arguments[0] is None:
                raise StaysHome("the shell line has a trap that the shell computes")
            body = parse(b"" if arguments[0] == b"-" else arguments[0])
            if not started(body).isdisjoint((b"exit", b"exec", None)):  # its status would be the recipe's
                raise StaysHome("the shell line has a trap that exits")
            self._apart(body, False)

    def _reads(self, names: list[Argument]) -> None:
        if not self._fed:
            raise StaysHome("the shell line reads from standard input")
        for name in names:
            if name is None or STEERING.fullmatch(name) or (name[:1] == b"-" and name != b"-r"):
                raise StaysHome("the shell line has a read that is not understood")
            if name != b"-r":
                self._scope.variables[name] = None

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
        if equals:
            check_setting(name, value, self._env, "the shell line")
            self._set(name, value)

    def _cd(self, arguments: list[Argument]) -> None:
        if len(arguments) != 1 or arguments[0] is None or arguments[0][:1] in (b"-", b""):
            raise StaysHome("the shell line has a cd that is not understood")
        target = arguments[0]
        if self._env.get(b"CDPATH") and target[:1] not in (b"/", b"."):
            raise StaysHome("the shell line has a cd, and CDPATH is set")
        path = self._places.written(target, self.cwd(), "the directory")
        if path is None:
            raise StaysHome("the shell line has a cd that is not understood")
        found = self._places.probe(path)
        if found is None or not found.directory:
            raise StaysHome(f"the shell line goes to {show(target)}, which is no directory yet")
        # Shells keep the written path, programs that they start are in the real one.
        self._cwd = found.real

    def _redirect(self, redirect: Redirect) -> None:
        if redirect.op == b"<<":
            self._scope.value(redirect.target)  # follows the commands in it
            self._fed = self._fed or redirect.fd in (None, 0)
            return
        fields = self._scope.fields(redirect.target)
        target = fields[0] if len(fields) == 1 else None
        if target is None:
            raise StaysHome("the shell line redirects to a file whose name the shell computes")
        if redirect.op in (b">&", b"<&"):
            if not _DUPLICATED.fullmatch(target):
                written = f"{redirect.op.decode()}{show(target, 20)}"
                raise StaysHome(f"the shell line has '{written}', which shells read differently")
        elif redirect.op == b">>":
            whole = self._places.written(target, self.cwd(), "the output")
            if whole is not None and whole not in self.found.made:
                raise StaysHome(f"it appends to a file ({show(target)})")
        elif redirect.op == b"<":
            self.found.uses(target, self.cwd(), "the input")
            self._fed = self._fed or redirect.fd in (None, 0)
        elif redirect.op in (b">", b">|"):
            whole = self.found.writes(target, self.cwd())
            if whole is not None and not self._conditional:
                self.found.made.add(whole)
        else:
            raise StaysHome(f"the shell line has '{redirect.op.decode()}'")

    def _is_file(self, path: bytes) -> bool:
        found = self._places.probe(os.path.join(self.cwd(), path))
        return found is not None and not found.directory

    def _substitution(self, body: Sequence) -> None:
        self._apart(body, False)

    # ---- Shells within ----

    def _shell(self, name: bytes, arguments: Words[Argument], settings: Mapping[bytes, bytes | None]) -> None:
        self._shells += 1
        if self._shells > _DEEPEST_SHELL:
            raise StaysHome("too many shells start shells")
        self.found.names.add(os.path.basename(name))
        script, errexit, first, rest = shell_arguments(arguments)
        if script:
            self.steps.system_program(name, self.cwd())
            kept = self._errexit, self._unstopped
            self._errexit, self._unstopped = errexit, 0
            self._apart(parse(first), self._heard)
            self._errexit, self._unstopped = kept
        elif os.path.basename(first).endswith((b"libtool", b"depcomp", b"compile")) or self.found.generous:
            self.steps.system_program(name, self.cwd())
            file = first if b"/" in first or self._places.lookup(first, self.cwd(), self._env) else b"./" + first
            self._run((file, *rest), settings, (name, *arguments))
        else:
            self.found.name(show(os.path.basename(first), 40))
            raise StaysHome(f"it runs a shell script ({show(first)})")
        self._shells -= 1
