"""The verdict takes any bytes, raises nothing, and stays linear."""

from hypothesis import given, settings
from hypothesis import strategies as st
from verdict.verdictkit import ROOT, TREE, judge

from dgcc.master.verdict.decide import decide
from dgcc.master.verdict.shellsyntax import parse
from dgcc.master.verdict.stayshome import StaysHome

PIECES = st.sampled_from(
    [
        b"gcc",
        b"-c",
        b"foo.c",
        b" ",
        b" ",
        b" ",
        b";",
        b"&&",
        b"||",
        b"|",
        b"&",
        b"(",
        b")",
        b"{",
        b"}",
        b"`",
        b"$(",
        b"$x",
        b"${x}",
        b"'",
        b'"',
        b"\\",
        b"\n",
        b"if",
        b"then",
        b"else",
        b"fi",
        b"for",
        b"in",
        b"do",
        b"done",
        b"x=1",
        b"<",
        b">",
        b">>",
        b"2>&1",
        b"cd",
        b"src",
        b"..",
        b"/etc",
        b"*",
        b"[",
        b"]",
        b"test",
        b"-f",
        b"set -e",
        b"echo",
        b"#",
        b"!",
        b"~",
        b"sed",
        b"s/a/b/",
        b"rm",
        b"-o",
        b"sh",
        b"./libtool",
        b"--mode=compile",
        b"exit 1",
        b"export",
        b"trap",
        b"case",
        b"esac",
        b";;",
        b"while",
        b"until",
        b"read x",
        b"<<E",
        b"<<-'E'",
        b"\nE\n",
        b"${x:-y}",
        b"$((1+2))",
        b">>",
        b"@opts",
        b"-march=native",
        b"ccache",
        b"./depcomp",
        b"env",
        b"-x",
        b"-I",
        b"awk",
        b"\xff",
        b"\r",
    ]
)
LINES = st.one_of(
    st.binary(max_size=200),
    st.lists(PIECES, max_size=60).map(b"".join),
    st.lists(PIECES, max_size=40).map(b" ".join),
)


@given(LINES)
@settings(max_examples=600, deadline=None)
def test_any_line_gets_a_verdict_with_a_reason(line: bytes) -> None:
    verdict = judge(line)
    assert verdict.reason and verdict.reason.isprintable()
    assert verdict.remote == bool(verdict.compilers)
    assert all(path.startswith(ROOT + b"/") for path in (*verdict.inputs, *verdict.outputs))


@given(
    st.binary(max_size=20),
    st.lists(st.binary(max_size=30), max_size=8),
    st.binary(max_size=20),
    st.dictionaries(st.binary(max_size=8), st.binary(max_size=20), max_size=4),
)
@settings(max_examples=300, deadline=None)
def test_any_argv_cwd_and_environment(
    program: bytes, argv: list[bytes], cwd: bytes, env: dict[bytes, bytes]
) -> None:
    verdict = decide(program, tuple(argv), cwd, env, (ROOT, b"/other"), world=TREE.world())
    assert not verdict.remote and verdict.reason
    assert decide(b"gcc", (b"gcc", *argv), ROOT, env, (ROOT,), world=TREE.world()).reason


@given(LINES)
@settings(max_examples=300, deadline=None)
def test_what_does_not_parse_says_why(line: bytes) -> None:
    try:
        parse(line)
    except StaysHome as why:
        assert str(why).startswith("the shell line")


def test_hostile_lines_end() -> None:
    size = 20_000
    for piece in (
        b"(",
        b"`",
        b"$(",
        b"{",
        b"'",
        b'"',
        b"\\",
        b"a&&",
        b"a;",
        b"a|",
        b"$x",
        b"{a",
        b"if a;then ",
        b"! ",
        b"\\\n",
        b"x=$y ",
        b"sed -e s/",
        b"<",
        b"for i in a;do ",
        b"a\n",
        b"[",
        b"gcc -c ",
        b"case a in ",
        b"while read x;do ",
        b"<<E\n",
        b"cat <<E\nE\n",
        b"$((",
        b"${x:-",
        b"gcc -march=native -c a.c;",
    ):
        assert not judge(piece * (size // len(piece))).remote
    assert "too long" in judge(b"gcc -c " + b"x" * 200_000).reason
