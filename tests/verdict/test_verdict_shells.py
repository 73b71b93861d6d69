"""The reading of shell lines against real shells: what words become, and whether a failure is heard."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verdict.verdictkit import TREE, judge

from dgcc.master.verdict.places import Places
from dgcc.master.verdict.recipe import Recipe
from dgcc.master.verdict.shellsyntax import parse
from dgcc.master.verdict.shelltree import Simple
from dgcc.master.verdict.shellvalue import Scope
from dgcc.master.verdict.stayshome import StaysHome

ENV = {b"one": b"1", b"two": b"a b", b"spaced": b"  x  y ", b"empty": b"", b"star": b"q*", b"path": b"a/b/x.c"}
SHELLS = ["/bin/sh", "/bin/bash"]

WORD_PIECES = st.sampled_from(
    [
        "a",
        "b.c",
        "-DX=",
        "'",
        '"',
        "\\",
        " ",
        " ",
        "$one",
        "$two",
        "${two}",
        "$spaced",
        "$empty",
        '"$two"',
        "'$two'",
        "$",
        "#",
        "=",
        "'a b'",
        '"a b"',
        "\\ ",
        '\\"',
        "\\$",
        "\\\n",
        "`echo hi`",
        "$(echo hi)",
        "\"$(echo 'x y')\"",
        "$(pwd)",
        "{",
        "}",
        "!",
        "x=1",
        "%",
        ",",
        "@",
        "~",
        ":",
        "[",
        "]",
        "é",
        "$(basename /q/w.c)",
        "$(dirname q/w.c)",
        "/",
        "${one:-x}",
        "${two:-x}",
        "${empty:-x.c}",
        "${unset:-x}",
        '"${empty-x}"',
        "${unset-x}",
        "${unset+x}",
        "${one:+y}",
        "${empty:+y}",
        "${one%1}",
        "${path##*/}",
        "${path#*/}",
        "${path%.c}",
        '"${path%%c}"',
        "${path#a}",
    ]
)


def expected(line: str) -> list[bytes] | None:
    """Tell what arguments the line's only command gets, or None where the reading does not claim to know."""
    try:
        body = parse(line.encode())
        if len(body.items) != 1 or body.items[0].rest or len(body.items[0].first.commands) != 1:
            return None
        command = body.items[0].first.commands[0]
        if not isinstance(command, Simple) or command.assignments or command.redirects:
            return None
        scope = Scope({}, ENV, lambda: b"/", lambda path: False, lambda body: None)
        fields = [field for word in command.words for field in scope.fields(word)]
    except StaysHome:
        return None
    known = [field for field in fields if field is not None]
    return known if len(known) == len(fields) else None


@pytest.mark.parametrize("shell", SHELLS)
@given(st.lists(st.lists(WORD_PIECES, max_size=8).map("".join), min_size=4, max_size=4))
@settings(max_examples=60, deadline=None)
def test_words_become_what_the_shell_makes_of_them(shell: str, texts: list[str]) -> None:
    # Several lines in one shell, each in a subshell of its own, to start fewer processes; none that ends in a
    # backslash, which would take in what follows.
    written = [f"printf '<%s>\\0' {text}" for text in texts if text[-1:] != "\\"]
    lines = [line for line in written if expected(line) is not None]
    script = "\n".join(f"({line}\n)\nprintf '\\0\\0'" for line in lines)
    run = subprocess.run([shell, "-c", script.encode()], env=ENV, cwd="/", capture_output=True)
    outputs = run.stdout.split(b"\0\0\0")[:-1] if lines else []
    assert len(outputs) == len(lines), (lines, run.stderr)
    for line, output in zip(lines, outputs, strict=True):
        words = expected(line)
        assert words is not None
        assert output == b"\0".join(b"<%b>" % word for word in words[2:] or [b""]), line


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which some of the lines have something to read."""
    directory = tmp_path_factory.mktemp("shell")
    (directory / "foo.c").write_text("one\ntwo\n")
    return directory


SIMPLE = st.sampled_from(
    ["true", "false", ":", "gcc -c foo.c", "gcc -c foo.c", "gcc -c foo.c", "exit 1", "exit 0", "set -e", "set +e"]
)


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(inner, inner)
    triple = st.tuples(inner, inner, inner)
    return st.one_of(
        pair.map(lambda p: f"{p[0]}; {p[1]}"),
        pair.map(lambda p: f"{p[0]} && {p[1]}"),
        pair.map(lambda p: f"{p[0]} || {p[1]}"),
        pair.map(lambda p: f"{p[0]} | {p[1]}"),
        inner.map(lambda p: f"({p})"),
        inner.map(lambda p: f"{{ {p}; }}"),
        inner.map(lambda p: f"! {{ {p}; }}"),
        pair.map(lambda p: f"if {p[0]}; then {p[1]}; fi"),
        inner.map(lambda p: f"set -e; {p}"),
        triple.map(lambda p: f"if {p[0]}; then {p[1]}; else {p[2]}; fi"),
        inner.map(lambda p: f"{p} || exit 1"),
        inner.map(lambda p: f"for i in a b; do {p}; done"),
        inner.map(lambda p: f"{{ {p}; }} || exit $?"),
        triple.map(lambda p: f"{p[0]} && {p[1]} || {p[2]}"),
        inner.map(lambda p: f"{p} || {{ rm -f x; false; }}"),
        triple.map(lambda p: f"case a in a) {p[0]};; b) {p[1]};; *) {p[2]};; esac"),
        triple.map(lambda p: f"case $X in a) {p[0]};; b|*.c) {p[1]};; *) {p[2]};; esac"),
        pair.map(lambda p: f"case b in a) {p[0]};; esac; {p[1]}"),
        inner.map(lambda p: f"while read x; do {p}; done < foo.c"),
        inner.map(lambda p: f"echo a | while read x; do {p}; done"),
        pair.filter(lambda p: "'" not in p[0]).map(lambda p: f"trap '{p[0]}' EXIT; {p[1]}"),
        inner.map(lambda p: f"read x <<E\ntext\nE\n{p}"),
    )


@pytest.mark.parametrize("shell", SHELLS)
@given(st.recursive(SIMPLE, compound, max_leaves=7), st.booleans())
@settings(max_examples=200, deadline=None)
def test_a_compile_that_fails_fails_a_line_that_travels(shell: str, place: Path, line: str, errexit: bool) -> None:
    flags = ("-e", "-c") if errexit else ("-c",)
    verdict = judge(line, shell=(shell.encode(), *(flag.encode() for flag in flags)))
    if not verdict.remote:
        return
    script = f"gcc() {{ echo failed >&2; return 1; }}\nrm() {{ :; }}\n{line}"
    run = subprocess.run([shell, *flags, script], capture_output=True, cwd=place)
    assert run.returncode != 0 or b"failed" not in run.stderr, line


HERE_PIECES = st.sampled_from(
    ["a b", "$one", "${two}", "$empty", "\\", "\\$", "'", '"', "`echo hi`", "\n", "\t", "$(pwd)", "*", "E", "#"]
)


@pytest.mark.parametrize("shell", SHELLS)
@given(st.lists(HERE_PIECES, max_size=10).map("".join), st.sampled_from(["<<E", "<<-E", "<<'E'", "<<-\\E"]))
@settings(max_examples=60, deadline=None)
def test_here_documents_are_what_the_shell_makes_of_them(shell: str, text: str, operator: str) -> None:
    line = f"cat {operator}\n{text}\nE\n"
    try:
        body = parse(line.encode())
    except StaysHome:
        return
    command = body.items[0].first.commands[0]
    assert isinstance(command, Simple) and command.words == (b"cat",)
    scope = Scope({}, ENV, lambda: b"/", lambda path: False, lambda body: None)
    value = scope.value(command.redirects[0].target)
    env = {**ENV, b"PATH": b"/bin:/usr/bin"}
    run = subprocess.run([shell, "-c", line.encode()], env=env, cwd="/", capture_output=True)
    if len(body.items) == 1 and value is not None:
        assert run.stdout == value, line


def test_the_strategy_above_finds_lines_that_travel() -> None:
    for line in ("gcc -c foo.c", "set -e; gcc -c foo.c; true", "{ gcc -c foo.c; } || exit 1", "true && (gcc -c foo.c)"):
        assert judge(line).remote
    assert Recipe(b"/project", {}, Places((b"/project",), TREE.world())).found.weighty == 0
