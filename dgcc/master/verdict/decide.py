"""Decides whether a recipe may travel to a slave, and why: a pure function of recipe and surroundings.

A recipe travels if it compiles something and all else in it is understood and harmless. A wrong "remote" can
make a silently different file, a needless "local" only costs time; so whatever is in doubt stays at home.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from dgcc.master.verdict.needs import Needs, Toolchain
from dgcc.master.verdict.places import Places, under
from dgcc.master.verdict.recipe import SHELLS, Recipe
from dgcc.master.verdict.rules import Rules
from dgcc.master.verdict.stayshome import StaysHome, show
from dgcc.master.verdict.world import THIS_MACHINE, World

# Each would have the compiler, its programs or the shell do something that the command line does not show.
_STEERING = (
    (b"LD_PRELOAD", "preloads a library"), (b"LD_AUDIT", "preloads a library"),
    (b"DEPENDENCIES_OUTPUT", "makes the compiler write dependencies"),
    (b"SUNPRO_DEPENDENCIES", "makes the compiler write dependencies"),
    (b"COMPILER_PATH", "changes which programs the compiler runs"),
    (b"GCC_EXEC_PREFIX", "changes which programs the compiler runs"),
    (b"GCC_COMPARE_DEBUG", "makes the compiler run twice"),
    (b"CCC_OVERRIDE_OPTIONS", "changes the compiler's options"),
)
_SEARCHED = (b"CPATH", b"C_INCLUDE_PATH", b"CPLUS_INCLUDE_PATH", b"OBJC_INCLUDE_PATH", b"LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a recipe is fit to travel (`remote`), and the `reason`, a short sentence in either case.

    `needs` is what it needs outside the roots; `inputs` are the absolute paths below the roots which it names
    and which exist, to be mirrored even where files of their kind are not; `outputs` the absolute paths that
    it is known to write; `label` is short, for display only, like "CC foo.o". `remote_argv`, if any, is the argv
    to run on a slave in place of the recipe's own, with the same program. `notes` are sentences to be said once
    in a build. `rule` says which rule of a configuration had a part in it, if one had.
    """

    remote: bool
    reason: str
    needs: Needs = Needs()
    inputs: tuple[bytes, ...] = ()
    outputs: tuple[bytes, ...] = ()
    label: str = ""
    remote_argv: tuple[bytes, ...] | None = None
    notes: tuple[str, ...] = ()
    rule: str = ""

    @property
    def compilers(self) -> tuple[bytes, ...]:
        """The absolute paths of the compilers that it runs."""
        return tuple(dict.fromkeys(toolchain.driver for toolchain in self.needs.toolchains))


def decide(
    program: bytes,
    argv: tuple[bytes, ...],
    cwd: bytes,
    env: Mapping[bytes, bytes],
    roots: tuple[bytes, ...],
    rules: Rules = Rules(),  # noqa: B008 (a frozen value)
    target: bytes = b"",
    world: World = THIS_MACHINE,
) -> Verdict:
    """Judge the recipe command `argv`, executed as `program` in `cwd` with `env`.

    `roots` are the project's roots: absolute, normal, without symbolic links; `rules` what configurations say,
    which may be by the `target` as make names it. Any bytes are accepted, nothing is raised.
    """
    places = Places(roots, world)
    recipe = Recipe(cwd, env, places)
    steps = recipe.steps
    try:
        if not argv:
            raise StaysHome("there is nothing to run")
        if any(b"\0" in text for text in (program, cwd, *argv)):
            raise StaysHome("it has a zero byte in it")
        if not under(cwd, roots):
            raise StaysHome(f"the working directory {show(cwd)} lies outside the project")
        recipe.execute((program, *argv[1:]))
        if not steps.compilers:
            raise StaysHome("it compiles nothing")
        if steps.stranger:
            raise StaysHome(f"what {steps.stranger} looks at is not known")
        _check_environment(env, cwd, places, steps.names)
    except StaysHome as why:
        return Verdict(False, str(why), label=steps.label or show(os.path.basename(program), 40))
    made = show(os.path.basename(next(iter(steps.outputs), b"nothing")))
    return Verdict(
        True, f"it compiles {made}", Needs(tuple(Toolchain(path) for path in steps.compilers)), tuple(steps.inputs),
        tuple(steps.outputs), steps.label,
    )


def _check_environment(env: Mapping[bytes, bytes], cwd: bytes, places: Places, names: set[bytes]) -> None:
    for variable, effect in _STEERING:
        if env.get(variable):
            raise StaysHome(f"the environment {effect} ({variable.decode()})")
    for variable in _SEARCHED:
        value = env.get(variable)
        if value:
            for path in value.split(b":"):
                places.directory(path, cwd, variable.decode(), libraries=variable == b"LIBRARY_PATH")
    if not names.isdisjoint(SHELLS):
        if env.get(b"BASH_ENV"):
            raise StaysHome("the environment has the shell read a file first (BASH_ENV)")
        for name in names:
            if b"BASH_FUNC_%b%%%%" % name in env:
                raise StaysHome(f"the environment makes {show(name)} a shell function")
