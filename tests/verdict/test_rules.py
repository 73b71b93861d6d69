"""Rules: how they are read from files, what they match, and which recipes they let go."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from verdict.verdictkit import ROOT, TREE, judge

from dgcc.cli.config import ConfigError, load
from dgcc.cli.rules import load_rules
from dgcc.master.verdict.commandnames import command_names
from dgcc.master.verdict.decide import Verdict
from dgcc.master.verdict.rules import Rule, Rules, Where, pattern, travelling


@pytest.mark.parametrize(
    ("glob", "fits", "fails"),
    [
        (b"protoc*", b"protoc protoc-gen protoc3", b"xprotoc a/protoc"),
        (b"gen/*.h", b"gen/a.h gen/.h", b"gen/a/b.h gen/a.c xgen/a.h"),
        (b"src/**", b"src src/a src/a/b", b"srcx xsrc"),
        (b"**/test", b"test a/test a/b/test", b"atest test/a"),
        (b"a/**/b", b"a/b a/x/b a/x/y/b", b"ab a/xb"),
        (b"[ab]?", b"ax b1", b"c1 a a/"),
        (b"[!a]x", b"bx", b"ax /x"),
        (b"a.b", b"a.b", b"axb"),
    ],
)
def test_globs(glob: bytes, fits: bytes, fails: bytes) -> None:
    assert [text for text in fits.split() if not pattern(glob).fullmatch(text)] == []
    assert [text for text in fails.split() if pattern(glob).fullmatch(text)] == []


@given(st.binary(max_size=12))
def test_any_glob_is_a_pattern(glob: bytes) -> None:
    pattern(glob).fullmatch(b"x")


def both(tmp_path: Path, project: str, user: str = "") -> Rules:
    (tmp_path / "dgcc.toml").write_text(project)
    (tmp_path / "user.toml").write_text(user)
    return load_rules(str(tmp_path).encode(), tmp_path / "user.toml")


def test_all_of_a_file(tmp_path: Path) -> None:
    rules = both(
        tmp_path,
        'ignore = ["private/**"]\nsecrets = ["MY_*"]\n[[rule]]\ncommand = "protoc*"\ntarget = "gen/*.h"\n'
        'directory = "src/**"\nwhere = "remote"\ninputs = ["data/*.txt"]\nenvironment = ["/opt/sdk/"]\n',
        'naming = "host"\nsecrets = ["OTHER"]\n[[rule]]\ncommand = "ar"\nwhere = "local"\n',
    )
    assert rules.ignore == (b"private/**",)
    assert rules.project == (
        Rule(Where.REMOTE, b"protoc*", b"gen/*.h", b"src/**", (b"data/*.txt",), (b"/opt/sdk",), "dgcc.toml, rule 1"),
    )
    assert rules.user == (Rule(Where.LOCAL, b"ar", origin="user.toml, rule 1"),)
    assert rules.is_secret(b"MY_X") and rules.is_secret(b"OTHER") and rules.is_secret(b"GITHUB_TOKEN")
    assert not Rules().is_secret(b"MY_X")
    assert load(tmp_path / "user.toml")["naming"] == "host"


def test_no_file_is_no_rule(tmp_path: Path) -> None:
    assert load_rules(tmp_path, tmp_path / "none.toml") == Rules()
    assert not Rules()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("rules = []", ("dgcc.toml: unknown key 'rules'", "ignore, rule, secrets")),
        ("ignore = 'x'", ("dgcc.toml: 'ignore' must be a list of strings",)),
        ("secrets = ['']", ("'secrets' must be",)),
        ("rule = 1", ("'rule' must be written as [[rule]]",)),
        ("[[rule]]\nwhere = 'away'\ncommand = 'x'", ("[[rule]] 1: 'where' is 'away'", '"remote", "local", "never"')),
        ("[[rule]]\ncommand = 'x'", ("[[rule]] 1: 'where' is missing",)),
        ("[[rule]]\nwhere = 'local'\n", ("it matches nothing", "command, target, directory")),
        ("[[rule]]\nwhere = 'local'\ncmd = 'x'", ("unknown key 'cmd'", "known are where, command")),
        ("[[rule]]\nwhere = 'local'\ncommand = 3", ("'command' must be a string, not 3",)),
        ("[[rule]]\nwhere = 'local'\ncommand = ''", ("'command' is empty",)),
        ("[[rule]]\nwhere = 'local'\ncommand = 'x'\ninputs = ['a']", ("'inputs' goes with where = \"remote\" only",)),
        ("[[rule]]\nwhere = 'remote'\ncommand = 'x'\ninputs = ['../a']", ("relative to the project's root",)),
        ("[[rule]]\nwhere = 'remote'\ncommand = 'x'\nenvironment = ['a']", ("must be an absolute path",)),
        ("[[rule]]\nwhere = 'remote'\ncommand = 'x'\nenvironment = ['/']", ("not '/' itself",)),
        ("[[rule]\n", ("dgcc.toml:",)),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as error:
        both(tmp_path, text)
    assert all(part in str(error.value) for part in ("dgcc.toml", *parts)), str(error.value)
    assert "\n" not in str(error.value)


def test_the_users_file_may_have_rules_and_settings_but_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "user.toml").write_text("[[rule]]\nwhere = 'local'\ncommand = 'x'\n")
    assert load(tmp_path / "user.toml") == load(tmp_path / "none.toml")
    (tmp_path / "user.toml").write_text("rulez = 1\n")
    with pytest.raises(ConfigError, match="unknown setting 'rulez'; known are .*rule"):
        load(tmp_path / "user.toml")


def test_files_that_are_no_configuration(tmp_path: Path) -> None:
    file = tmp_path / "dgcc.toml"
    with pytest.raises(ConfigError, match="it is no regular file"):
        load_rules(tmp_path, tmp_path)
    os.mkfifo(file)
    with pytest.raises(ConfigError, match="it is no regular file"):
        load_rules(tmp_path, tmp_path / "none")
    file.unlink()
    file.symlink_to("/dev/zero")
    with pytest.raises(ConfigError, match="it is no regular file"):
        load_rules(tmp_path, tmp_path / "none")
    file.unlink()
    file.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        load_rules(tmp_path, tmp_path / "none")
    file.write_bytes(b"# \xff")
    with pytest.raises(ConfigError, match=r"dgcc.toml: it is no text in UTF-8 \(at byte 3\)"):
        load_rules(tmp_path, tmp_path / "none")


@pytest.mark.parametrize(
    ("line", "names"),
    [
        (b"gcc -c foo.c", b"sh gcc"),
        (b"cd x && LC_ALL=C /usr/bin/gcc -c x.c; echo a | sed b", b"sh cd gcc echo sed"),
        (b"if test -f x; then (protoc x); else ! make; fi", b"sh test protoc make"),
        (b"x=`date`; for i in a; do ./gen $i; done", b"sh date gen"),
        (b"exec env X=1 ./tool \\\n a", b"sh tool"),
    ],
)
def test_names_of_commands(line: bytes, names: bytes) -> None:
    assert set(names.split()) <= set(command_names(b"/bin/sh", (b"sh", b"-c", line)))


def ruled(line: str, *rules: Rule, user: tuple[Rule, ...] = (), target: bytes = b"", cwd: bytes = ROOT) -> Verdict:
    return judge(line, rules=Rules(rules, user), target=target, cwd=cwd)


REMOTE = Rule(Where.REMOTE, b"*", origin="dgcc.toml, rule 1")


def test_which_rule_decides() -> None:
    local, never = Rule(Where.LOCAL, b"gcc", origin="L"), Rule(Where.NEVER, b"gcc", origin="N")
    assert ruled("gcc -c foo.c", local).reason == 'a rule says "local" (L)'
    assert ruled("gcc -c foo.c", REMOTE, local).remote
    assert ruled("gcc -c foo.c", local, REMOTE).rule == "L"
    assert ruled("gcc -c foo.c", REMOTE, user=(never,)).reason == 'a rule says "never" (N)'
    assert ruled("gcc -c foo.c", Rule(Where.LOCAL, b"g++")).remote
    assert not ruled("cd src && gcc -c foo.c", local).remote
    by_target = Rule(Where.LOCAL, target=b"gen/*.o", origin="T")
    assert not ruled("gcc -c foo.c", by_target, target=b"gen/foo.o").remote
    assert not ruled("gcc -c foo.c", by_target, target=b"../gen/foo.o", cwd=ROOT + b"/src").remote
    assert ruled("gcc -c foo.c", by_target, target=b"foo.o").remote
    by_place = Rule(Where.LOCAL, b"gcc", directory=b"src/**", origin="D")
    assert ruled("gcc -c foo.c", by_place).remote
    assert not ruled("gcc -c foo.c", by_place, cwd=ROOT + b"/src/deep").remote


@pytest.mark.parametrize(
    ("line", "inputs", "programs"),
    [
        ("ar rcs libx.a old.o foo.c", b"old.o foo.c", b"/usr/bin/ar"),
        ("rm -f libx.a; ar cru lib.a old.o && ranlib lib.a", b"lib.a old.o", b"/usr/bin/ar /usr/bin/ranlib"),
        ("gcc -o prog old.o lib.a -lm", b"old.o lib.a", b""),
        ("gcc -o prog foo.c", b"foo.c", b""),
        ("g++ -shared -o libx.so old.o -Wl,--version-script=include/config.h", b"old.o include/config.h", b""),
        ("/bin/sh ./libtool --tag=CC --mode=link gcc -g -o prog old.lo -lm", b"libtool old.lo old.o .libs/old.o", b""),
        ("protoc --out=gen -Iinclude data/table.txt", b"data/table.txt", b"/usr/bin/protoc"),
        ("python3 scripts/gen.sh data/table.txt > gen.h", b"scripts/gen.sh data/table.txt", b"/usr/bin/python3"),
        ("scripts/gen.sh data/table.txt && touch gen.stamp", b"scripts/gen.sh data/table.txt", b""),
        ("/bin/sh scripts/gen.sh @data/table.txt", b"scripts/gen.sh data/table.txt", b""),
        ("cd src && ../scripts/gen.sh ../data/table.txt", b"scripts/gen.sh data/table.txt", b""),
        ("./scripts/gen.sh && touch test1.ok", b"scripts/gen.sh", b""),
    ],
)
def test_recipes_that_a_rule_lets_go(line: str, inputs: bytes, programs: bytes) -> None:
    verdict = ruled(line, REMOTE)
    assert verdict.remote, verdict.reason
    assert verdict.reason == "a rule says so (dgcc.toml, rule 1)" and verdict.rule == "dgcc.toml, rule 1"
    assert set(verdict.inputs) >= {ROOT + b"/" + name for name in inputs.split()}
    assert set(verdict.needs.programs) == set(programs.split())


@pytest.mark.parametrize(
    ("line", "fragment"),
    [
        ("sudo install x /usr", "sudo is nothing that a slave could do"),
        ("ssh host true", "ssh is nothing"),
        ("make -C sub", "another build"),
        ("protoc data/table.txt > /tmp/x.h", "outside the project"),
        ("protoc --out=/opt/gone/x data/table.txt", "outside the project and not there"),
        ("nowhere-to-be-found x", "is not found"),
        ("protoc x; echo done", "go on after a failure"),
        ("protoc $(cat list)", "only the shell can tell"),
        ("ar rcs libx.a *.o", "wildcard"),
        ("protoc x &", "background"),
        ("echo hello", "nothing that is worth a journey"),
        ("protoc < /proc/cpuinfo", "this machine's own"),
        ("protoc .git/HEAD", "version control"),
    ],
)
def test_what_no_rule_lets_go(line: str, fragment: str) -> None:
    verdict = ruled(line, REMOTE)
    assert not verdict.remote and fragment in verdict.reason, verdict.reason


def test_what_a_rule_names_besides() -> None:
    rule = Rule(Where.REMOTE, b"protoc", inputs=(b"data/*.txt", b"**/deep/*.c"), environment=(b"/outside/include",))
    verdict = ruled("cd src && protoc x", rule)
    assert set(verdict.inputs) == {ROOT + b"/data/table.txt", ROOT + b"/src/deep/x.c"}
    assert verdict.needs.paths == (b"/outside/include",)
    gone = Rule(Where.REMOTE, b"protoc", inputs=(b"none/*",), origin="R")
    assert ruled("protoc x", gone).reason == "nothing in the project matches 'none/*' (R)"
    gone = Rule(Where.REMOTE, b"protoc", environment=(b"/opt/gone",))
    assert "/opt/gone does not exist" in ruled("protoc x", gone).reason


def test_a_link_by_a_rule() -> None:
    verdict = ruled("gcc -o prog old.o -L. -L/usr/lib -L/outside/include -l:lib.a -lm -Wl,-lz", REMOTE)
    assert verdict.needs.links and verdict.needs.libraries == ((0, b":lib.a"), (0, b"m"), (0, b"z"))
    assert verdict.inputs == (ROOT + b"/old.o", ROOT + b"/lib.a")
    assert verdict.needs.paths == (b"/outside/include",) and verdict.outputs == (ROOT + b"/prog",)
    thin = type(TREE)(TREE.files, TREE.directories, texts={ROOT + b"/lib.a": b"!<thin>\nx"})
    assert "thin archive" in judge("gcc -o prog lib.a", rules=Rules((REMOTE,)), machine=thin).reason


def test_a_script_brings_its_interpreter() -> None:
    script = type(TREE)(TREE.files, TREE.directories, texts={ROOT + b"/scripts/gen.sh": b"#! /usr/bin/env python3\n"})
    verdict = judge("scripts/gen.sh", rules=Rules((REMOTE,)), machine=script)
    assert verdict.needs.programs == (b"/usr/bin/python3",)


def test_secrets_do_not_travel() -> None:
    entries = (b"PATH=/bin", b"AWS_SECRET_ACCESS_KEY=x", b"GITHUB_TOKEN=x", b"SSH_AUTH_SOCK=x", b"DB_PASSWORD=x",
               b"KEY=1", b"KEYBOARD=x", b"MONKEY=x", b"TOKENIZER=x", b"CFLAGS=-O2", b"CC=gcc", b"odd")  # fmt: skip
    kept = {b"PATH", b"KEY", b"KEYBOARD", b"MONKEY", b"TOKENIZER", b"CFLAGS", b"CC", b"odd"}
    assert {entry.partition(b"=")[0] for entry in travelling(entries, Rules())} == kept
    assert travelling((b"A=1", b"B=2"), Rules(secrets=("A",))) == (b"B=2",)
    verdict = judge('gcc -DT="$MY_TOKEN" -c foo.c', env={b"MY_TOKEN": b"x"})
    assert verdict.reason == "it uses MY_TOKEN of the environment, which is a secret and never travels"
    assert judge('gcc -DT="$MY_TOKEN" -c foo.c').remote
