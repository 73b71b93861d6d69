"""Decides whether a recipe may travel to a slave, and why: a pure function of recipe and surroundings.

A recipe travels if it compiles something and all else in it is understood and harmless, or if a rule says so. A
wrong "remote" can make a silently different file, a needless "local" only costs time; so whatever is in doubt
stays at home.
"""

import os
import re
from collections.abc import Mapping

from msgspec import Struct

from dgcc.master.verdict.commandnames import command_names
from dgcc.master.verdict.gathered import Gathered
from dgcc.master.verdict.needs import Needs
from dgcc.master.verdict.places import Places, under
from dgcc.master.verdict.recipe import SHELLS, Recipe
from dgcc.master.verdict.rewrite import rewritten
from dgcc.master.verdict.rules import Rule, Rules, Where, pattern
from dgcc.master.verdict.stayshome import StaysHome, show
from dgcc.master.verdict.steps import check_zone
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
)  # fmt: skip
_SEARCHED = (b"CPATH", b"C_INCLUDE_PATH", b"CPLUS_INCLUDE_PATH", b"OBJC_INCLUDE_PATH", b"LIBRARY_PATH")
_VARIABLE = re.compile(rb"\$\{?([A-Za-z_][A-Za-z0-9_]*)")


class Verdict(Struct, frozen=True):
    """Whether a recipe is fit to travel (`remote`), and the `reason`, a short sentence in either case.

    `needs` is what it needs outside the roots; `inputs` are the absolute paths below the roots which it names
    and which exist, to be mirrored even where files of their kind are not; `outputs` the absolute paths that
    it is known to write, `leaves` those of them that surely lie there once it has succeeded; `label` is short, for
    display only, like "CC foo.o". `remote_argv`, if any, is the argv to run on a slave in place of the recipe's own,
    with the same program. `notes` are sentences to be said once in a build. `rule` says which rule of a
    configuration had a part in it, if one had.
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
    leaves: tuple[bytes, ...] = ()

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
    places = Places(roots, world, env.get(b"HOME", b"").rstrip(b"/"))
    found = Gathered(env, places)
    rule: Rule | None = None
    try:
        if not argv:
            raise StaysHome("there is nothing to run")
        if any(b"\0" in text for text in (program, cwd, *argv)):
            raise StaysHome("it has a zero byte in it")
        if not under(cwd, roots):
            raise StaysHome(f"the working directory {show(cwd)} lies outside the project")
        root = next(root for root in roots if under(cwd, (root,)))
        if rules:
            rule = rules.choose(command_names(program, argv), target, cwd[len(root):].lstrip(b"/") or b".")
            if rule is not None and rule.where is not Where.REMOTE:
                raise StaysHome(f'a rule says "{rule.where.value}" ({rule.origin})')
        recipe = Recipe(cwd, env, places, rule is not None)
        found = recipe.found
        recipe.execute((program, *argv[1:]))
        _check_made(found)
        _check_secrets(argv, env, rules)
        _check_environment(env, cwd, found)
        if rule is not None:
            _add(rule, root, found)
        changed = rewritten(program, argv, found, lambda other: _followed(other, cwd, env, places, rule is not None))
    except StaysHome as why:
        label = found.label or show(os.path.basename(program), 40)
        return Verdict(False, str(why), label=label, rule=rule.origin if rule else "")
    made = show(os.path.basename(next(iter(found.outputs), b"nothing")))
    reason = f"it compiles {made}" if rule is None else f"a rule says so ({rule.origin})"
    return Verdict(
        True, reason, found.needs(), tuple(found.inputs), tuple(found.outputs), found.label, changed,
        tuple(found.notes), rule.origin if rule else "",
        _left(found) if rule is None else (),
    )  # fmt: skip


# Behind these in a line, what follows may never run though the line succeeds.
_LEAVING = frozenset((b"exit", b"exec", b"return", b"break", b"continue", b"trap"))


def _left(found: Gathered) -> tuple[bytes, ...]:
    """Return the outputs that are there in the end whatever way the line took to it."""
    if not found.names.isdisjoint(_LEAVING):
        return ()
    return tuple(path for path in found.outputs if path not in found.passing)


def _followed(
    argv: tuple[bytes, ...], cwd: bytes, env: Mapping[bytes, bytes], places: Places, generous: bool
) -> Gathered:
    recipe = Recipe(cwd, env, places, generous)
    recipe.execute(argv)
    return recipe.found


def _check_made(found: Gathered) -> None:
    if found.generous:
        if not found.weighty:
            raise StaysHome("it makes nothing that is worth a journey")
        return
    if not found.compiles:
        raise StaysHome("it compiles nothing")
    if found.stranger:
        raise StaysHome(f"what {found.stranger} looks at is not known")


def _add(rule: Rule, root: bytes, found: Gathered) -> None:
    """Add what a rule names besides."""
    for glob in rule.inputs:
        start = _literal_start(glob)
        top = os.path.join(root, start) if start else root
        names = found.places.world.below(top, pattern(glob[len(start) + 1 :] if start else glob))
        if not names:
            raise StaysHome(f"nothing in the project matches '{show(glob)}' ({rule.origin})")
        for name in names:
            found.uses(os.path.join(top, name), root, "the rule's input")
    for path in rule.environment:
        if found.places.probe(path) is None:
            raise StaysHome(f"{show(path)} does not exist ({rule.origin})")
        found.places.read(path, root, "the rule's environment")


def _literal_start(glob: bytes) -> bytes:
    """Return the directories with which a glob begins, as far as they are written out."""
    parts = glob.split(b"/")[:-1]
    plain = [place for place, part in enumerate(parts) if re.search(rb"[*?\[]", part)]
    return b"/".join(parts[: plain[0]] if plain else parts)


def _check_secrets(argv: tuple[bytes, ...], env: Mapping[bytes, bytes], rules: Rules) -> None:
    for text in argv[1:]:
        if b"$" in text:
            for name in _VARIABLE.findall(text):
                if name in env and rules.is_secret(name):
                    raise StaysHome(f"it uses {show(name)} of the environment, which is a secret and never travels")


def _check_environment(env: Mapping[bytes, bytes], cwd: bytes, found: Gathered) -> None:
    for variable, effect in _STEERING:
        if env.get(variable):
            raise StaysHome(f"the environment {effect} ({variable.decode()})")
    for variable in (b"TZ", b"TZDIR"):
        check_zone(variable, env.get(variable, b""), "the environment")
    for variable in _SEARCHED:
        value = env.get(variable)
        if value and (variable != b"LIBRARY_PATH" or found.links):
            for path in value.split(b":"):
                found.searches(path or b".", cwd, variable.decode())
    if not found.names.isdisjoint(SHELLS):
        if env.get(b"BASH_ENV"):
            raise StaysHome("the environment has the shell read a file first (BASH_ENV)")
        for name in found.names:
            if b"BASH_FUNC_%b%%%%" % name in env:
                raise StaysHome(f"the environment makes {show(name)} a shell function")
