"""What a failed remote job lacked is read from the messages that real programs print."""

import os
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgcc.master.missing import MOST, lacking, search_directories, withheld

CWD = b"/p/build"
PATH = (b"/usr/local/bin", b"/usr/bin")
# What is at home and not on the slave.
HOME = {
    b"/p/build/foo.h", b"/p/src/sub/deep/c.h", b"/p/src/foo/bar.h", b"/p/build/x.bin", b"/p/build/x.o",
    b"/usr/bin/foo", b"/usr/lib/libfoo.so", b"/opt/lib/libbaz.a", b"/opt/lib/libx.so.1", b"/p/build/my file.txt",
    b"/p/gen/tool.py", b"/p/src/pkg/mod.py", b"/p/src/pkg2/__init__.py", b"/usr/share/perl5/Foo/Bar.pm",
    b"/usr/libexec/cc1", b"/p/src/list.rsp", b"/p/build/nosuch", b"/p/build/f\xc3\xbcr.h",
}  # fmt: skip
SEEN = {b"/p/build/a.c", b"/p/src/sub/b.h", b"/p/build/scripted", b"/usr/bin/cat", b"/p/build/Makefile"}
DIRECTORIES = (CWD, b"/p/src", b"/opt/lib", b"/usr/share/perl5", b"/p/src/sub")

# As printed by gcc 12, binutils 2.40, clang 14, lld, dash, bash 5.2, busybox, coreutils 9.1, python 3.11, perl 5.36,
# make 4.3 and mawk.
MESSAGES = [
    ("a.c:1:10: fatal error: foo.h: No such file or directory\n    1 | #include \"foo.h\"\n", "/p/build/foo.h"),
    ("In file included from a.c:1:\n../src/sub/b.h:1:10: fatal error: deep/c.h: No such file or directory",
     "/p/src/sub/deep/c.h"),
    ("\x1b[01m\x1b[Ka.c:1:10:\x1b[m\x1b[K \x1b[01;31m\x1b[Kfatal error: \x1b[m\x1b[K"
     "foo/bar.h: No such file or directory\n"
     "    1 | #include \x1b[01;31m\x1b[K\"foo/bar.h\"\x1b[m\x1b[K\n", "/p/src/foo/bar.h"),
    ("a.c:1:10: schwerwiegender Fehler: foo/bar.h: Datei oder Verzeichnis nicht gefunden", "/p/src/foo/bar.h"),
    ("a.c:1:10: 致命的エラー: foo.h: そのようなファイルやディレクトリはありません", "/p/build/foo.h"),
    ("a.c:1:10: fatal error: foo.h: Permission denied", "/p/build/foo.h"),
    ("a.c:1:10: fatal error: 'foo.h' file not found\n#include \"foo.h\"\n         ^~~~~~~", "/p/build/foo.h"),
    ("\x1b[1ma.c:1:10: \x1b[0m\x1b[0;1;31mfatal error: \x1b[0m\x1b[1m'foo/bar.h' file not found\x1b[0m",
     "/p/src/foo/bar.h"),
    ("clang: error: no such file or directory: 'x.o'", "/p/build/x.o"),
    ("<command-line>: fatal error: foo.h: No such file or directory", "/p/build/foo.h"),
    ("gcc: fatal error: cannot read spec file ‘x.bin’: No such file or directory", "/p/build/x.bin"),
    ("gcc: fatal error: cannot execute ‘/usr/libexec/cc1’: execvp: No such file or directory", "/usr/libexec/cc1"),
    ("x.s: Assembler messages:\nx.s:1: Error: file not found: x.bin", "/p/build/x.bin"),
    ("x.s:1: Error: can't open x.bin for reading: No such file or directory", "/p/build/x.bin"),
    ("/usr/bin/ld: cannot find -lfoo: No such file or directory\ncollect2: error: ld returned 1 exit status",
     "/usr/lib/libfoo.so"),
    ("/usr/bin/ld: cannot find -lbaz: No such file or directory", "/opt/lib/libbaz.a"),
    ("/usr/bin/ld: cannot find -l:libx.so.1: No such file or directory", "/opt/lib/libx.so.1"),
    ("/usr/bin/ld: cannot find x.o: No such file or directory", "/p/build/x.o"),
    ("/usr/bin/ld: cannot find @list.rsp: No such file or directory", "/p/src/list.rsp"),
    ("/usr/bin/ld: cannot open linker script file x.bin: No such file or directory", "/p/build/x.bin"),
    ("ld.lld: error: unable to find library -lfoo", "/usr/lib/libfoo.so"),
    ("ld.lld: error: cannot open x.o: No such file or directory", "/p/build/x.o"),
    ("./prog: error while loading shared libraries: libx.so.1: cannot open shared object file: No such file",
     "/opt/lib/libx.so.1"),
    ("sh: 1: foo: not found", "/usr/bin/foo"),
    ("/bin/sh: line 3: foo: command not found", "/usr/bin/foo"),
    ("/bin/sh: foo: not found", "/usr/bin/foo"),
    ("bash: Zeile 1: foo: Kommando nicht gefunden.", "/usr/bin/foo"),
    ("env: ‘foo’: No such file or directory", "/usr/bin/foo"),
    ("/usr/bin/env: 'foo': Permission denied", "/usr/bin/foo"),
    ("xargs: foo: No such file or directory", "/usr/bin/foo"),
    ("make: foo: No such file or directory", "/usr/bin/foo"),
    ("sh: 1: ../gen/tool.py: Permission denied", "/p/gen/tool.py"),
    ("sh: 1: cannot open nosuch: No such file", "/p/build/nosuch"),
    ("sh: 1: .: cannot open ./nosuch: No such file", "/p/build/nosuch"),
    ("bash: line 1: /usr/bin/foo: bad interpreter: No such file or directory", "/usr/bin/foo"),
    ("cat: nosuch: No such file or directory", "/p/build/nosuch"),
    ("cat: 'my file.txt': Permission denied", "/p/build/my file.txt"),
    ("sed: can't read my file.txt: No such file or directory", "/p/build/my file.txt"),
    ("cp: der Aufruf von stat für 'my file.txt' ist nicht möglich: Datei oder Verzeichnis nicht gefunden",
     "/p/build/my file.txt"),
    ("cp: cannot stat 'nosuch': No such file or directory", "/p/build/nosuch"),
    ("grep: nosuch: No such file or directory", "/p/build/nosuch"),
    ("awk: cannot open nosuch (No such file or directory)", None),  # without quotes, and like any other word
    ("awk: cannot open x.bin (No such file or directory)", "/p/build/x.bin"),
    ("objcopy: 'x.o': No such file", "/p/build/x.o"),
    ("Traceback (most recent call last):\n  File \"<string>\", line 1, in <module>\n"
     "FileNotFoundError: [Errno 2] No such file or directory: 'foo.h'", "/p/build/foo.h"),
    ("PermissionError: [Errno 13] Permission denied: '/p/src/foo/bar.h'", "/p/src/foo/bar.h"),
    ("python3: can't open file '/p/gen/tool.py': [Errno 2] No such file or directory", "/p/gen/tool.py"),
    ("ModuleNotFoundError: No module named 'pkg.mod'", "/p/src/pkg/mod.py"),
    ("ModuleNotFoundError: No module named 'pkg2'", "/p/src/pkg2/__init__.py"),
    ("OSError: libx.so.1: cannot open shared object file: No such file or directory", "/opt/lib/libx.so.1"),
    ("Can't open perl script \"x.bin\": No such file or directory", "/p/build/x.bin"),
    ("Can't locate Foo/Bar.pm in @INC (@INC contains: /etc/perl) at -e line 1.", "/usr/share/perl5/Foo/Bar.pm"),
    ("make: *** No rule to make target 'foo.h', needed by 'a.o'.  Stop.", "/p/build/foo.h"),
    ("make[1]: *** Keine Regel, um „foo.h“, benötigt von „a.o“, zu erstellen.  Schluss.", "/p/build/foo.h"),
    ("tool: error opening \"für.h\"", "/p/build/für.h"),
    ("protoc: x.bin: File not found.", "/p/build/x.bin"),
    ("config=/p/src/foo/bar.h could not be used", "/p/src/foo/bar.h"),
    ("a.c:3:5: error: ‘foo’ undeclared (first use in this function)", None),
    ("a.c: In function ‘main’:\na.c:3:5: error: expected ‘;’ before ‘return’", None),
    ("cat: a.c: No such file or directory", None),
    ("cat: gone.h: No such file or directory", None),
    ("", None),
]  # fmt: skip


def find(messages: bytes, directories=DIRECTORIES, home=HOME, seen=SEEN, interpreter=lambda path: None):
    return lacking(messages, CWD, directories, PATH, (home | seen).__contains__, seen.__contains__, interpreter)


@pytest.mark.parametrize(("message", "expected"), MESSAGES)
def test_real_messages_name_what_was_lacking(message, expected):
    assert find(message.encode()) == (() if expected is None else (expected.encode(),))


def test_a_line_about_a_missing_file_counts_before_all_others():
    text = b"reading x.bin\nwriting x.o\ncat: foo.h: No such file or directory\n"
    assert find(text) == (b"/p/build/foo.h",)
    assert set(find(b"reading x.bin\nwriting x.o\n")) == {b"/p/build/x.bin", b"/p/build/x.o"}


def test_a_script_that_is_not_found_lacks_its_interpreter():
    def interpreter(path):
        return b"/usr/bin/foo" if path == b"/p/build/scripted" else None

    assert find(b"sh: 1: ./scripted: not found", interpreter=interpreter) == (b"/usr/bin/foo",)
    assert find(b"bash: line 1: ./scripted: cannot execute: required file not found",
                interpreter=interpreter) == (b"/usr/bin/foo",)  # fmt: skip


def test_no_more_than_a_handful_is_named():
    home = {b"/p/build/%d.h" % number for number in range(100)}
    text = b"\n".join(b"cat: %d.h: No such file or directory" % number for number in range(100))
    found = find(text, home=home)
    assert len(found) == MOST and found[0] == b"/p/build/0.h"


def test_neither_the_system_nor_what_is_above_the_project_is_named():
    home = {b"/usr", b"/p", b"/p/build", b"/dev/null", b"/proc/self/maps", b"/"}
    text = b"ls: cannot access '/usr': No such file or directory\ncat: /dev/null: No such file or directory\n"
    text += b"ls: cannot access '/p/build/.': No such file\ncat: /proc/self/maps: Permission denied\ncat: /p: not found"
    assert find(text, home=home, seen=set()) == ()


def test_private_files_are_not_sent_because_a_message_names_them(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/u")
    home = {b"/home/u/.ssh/id", b"/home/u/x.h", b"/srv/y.h"}
    text = b"cat: %b: No such file or directory\n"
    assert find(text % b"/home/u/.ssh/id", home=home) == ()
    assert find(text % b"/home/u/x.h", home=home) == (b"/home/u/x.h",)
    assert find(b"a.c:1:2: error: #error see /srv/y.h\n", home=home) == ()
    assert find(b"a.c:1:2: error: #error see /srv/y.h\n", (*DIRECTORIES, b"/srv"), home=home) == (b"/srv/y.h",)
    secret = tmp_path / "key"
    secret.write_text("")
    named = os.fsencode(secret)
    secret.chmod(0o600)
    assert find(text % named, home={named}) == ()
    secret.chmod(0o644)
    assert find(text % named, home={named}) == (named,)


def test_the_search_stays_short_for_endless_output():
    asked = 0

    def exists(path):
        nonlocal asked
        asked += 1
        return False

    text = b"\n".join(b"cat: nothing%d.txt: No such file or directory" % number for number in range(200_000))
    assert lacking(text, CWD, DIRECTORIES, PATH, exists, exists) == ()
    assert 1000 < asked <= 5_000


def test_search_directories_come_from_inputs_and_options():
    found = search_directories(
        (b"sh", b"-c", b"cd . && cc -Iinc -I ../up -isystem /opt/i --sysroot=/s -L'lib' -c a.c"), (b"/p/src/a.c",), CWD
    )
    assert found == (CWD, b"/p/src", b"/p/build/inc", b"/p/up", b"/opt/i", b"/s", b"/p/build/lib")


def test_the_trouble_with_a_withheld_file_names_it():
    assert withheld("withheld: /p/src/a b: c.c") == b"/p/src/a b: c.c"
    assert withheld("withheld: /p/\udcff") == b"/p/\xff"
    assert withheld("the jail could not be set up: /p/x") is None
    assert withheld("withheld: a.c") is None


@given(st.binary(max_size=300))
def test_any_bytes_are_accepted(messages):
    for path in lacking(messages, CWD, DIRECTORIES, PATH, lambda path: True, lambda path: False):
        assert path[:1] == b"/" and os.path.normpath(path) == path


def test_messages_of_the_programs_of_this_machine(tmp_path):
    """The same, with what gcc, as, ld and sh really say here."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.c").write_text('#include "a.h"\n')
    (tmp_path / "bin.s").write_text('.incbin "data.bin"\n')
    (tmp_path / "m.c").write_text("int main(void) { return 0; }\n")
    cwd = os.fsencode(tmp_path)
    at_home = {b"src/a.h", b"data.bin", b"libq.a", b"extra.o", b"input.txt", b"tool"}
    home = {os.path.join(cwd, name) for name in at_home}
    for argv, expected in (
        (["gcc", "-c", "src/a.c"], b"src/a.h"),
        (["gcc", "-fdiagnostics-color=always", "-c", "src/a.c"], b"src/a.h"),
        (["gcc", "-c", "bin.s"], b"data.bin"),
        (["gcc", "m.c", "-L.", "-lq"], b"libq.a"),
        (["gcc", "m.c", "extra.o"], b"extra.o"),
        (["sh", "-c", "cat < input.txt"], b"input.txt"),
        (["sh", "-c", "./tool"], b"tool"),
        (["cat", "input.txt"], b"input.txt"),
    ):
        run = subprocess.run(argv, cwd=tmp_path, capture_output=True)
        assert run.returncode
        words = [os.fsencode(word) for word in argv]
        inputs = [os.path.join(cwd, word) for word in words if word.endswith((b".c", b".s"))]
        found = lacking(run.stderr, cwd, search_directories(words, inputs, cwd), (b"/usr/bin",),
                        home.__contains__, lambda path: False)  # fmt: skip
        assert found == (os.path.join(cwd, expected),), (argv, run.stderr)
