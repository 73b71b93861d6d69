"""Every byte in which a remote job's outputs differ from those at home is found, and told in the file's own terms."""

import io
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgcc.corba import DGCC
from dgcc.master.compare import Difference, Made, describe, differences, ending, made_of, printed
from dgcc.master.compare.content import first_difference
from dgcc.master.comparison import Comparison
from dgcc.master.work import RemoteResult
from dgcc.store.entry import Kind

SOURCE = "int f(int x) { return x + 1; }\nconst char *name(void) { return \"%s\"; }\n"


def where(remote: bytes, home: bytes) -> str:
    return first_difference(io.BytesIO(remote), io.BytesIO(home))


def compiled(tmp_path: Path, *options: str, text: str = "one", name: str = "a.c") -> bytes:
    (tmp_path / name).write_text(SOURCE % text)
    subprocess.run(["gcc", "-c", *options, name, "-o", "out.o"], cwd=tmp_path, check=True)
    return (tmp_path / "out.o").read_bytes()


def archive(tmp_path: Path, *members: tuple[str, bytes], options: str = "rcsD") -> bytes:
    (tmp_path / "lib.a").unlink(missing_ok=True)
    for name, data in members:
        (tmp_path / name).write_bytes(data)
        os.utime(tmp_path / name, (1, 1))  # with U, an archive tells the times of its members
    subprocess.run(["ar", options, "lib.a", *(name for name, _ in members)], cwd=tmp_path, check=True)
    return (tmp_path / "lib.a").read_bytes()


# ---- where contents differ ---------------------------------------------------------------------------------------


def test_objects_differ_by_section(tmp_path):
    plain, other = compiled(tmp_path), compiled(tmp_path, text="two")
    assert where(plain, plain) == ""
    told = where(plain, other)
    assert told.startswith(".rodata differs at offset 0x0 (byte 0x")
    assert told.endswith("remote 'one', here 'two'")


def test_what_the_compiler_says_of_itself_is_read_as_text(tmp_path):
    told = where(compiled(tmp_path, "-g", "-mtune=generic"), compiled(tmp_path, "-g", "-mtune=haswell"))
    assert ".debug_str differs at offset 0x" in told or "also in" in told
    told = where(compiled(tmp_path, "-g0"), compiled(tmp_path, "-g"))
    assert told.startswith("sections only here: .debug_info, ") and told.endswith(" more")
    told = where(compiled(tmp_path, "-ffunction-sections"), compiled(tmp_path, "-ffunction-sections", name="b.cc"))
    assert told.startswith("sections only remote: .text.f, ")


def test_further_sections_are_named(tmp_path):
    changed = bytearray(compiled(tmp_path))
    plain = bytes(changed)
    for word in (b"one\0", b"GCC: ("):
        changed[plain.index(word)] ^= 1
    told = where(bytes(changed), plain)
    assert told.startswith(".rodata differs at offset 0x0 ") and told.endswith("; also in .comment")


def test_instructions_are_shown_as_bytes(tmp_path):
    plain = compiled(tmp_path, "-O2")
    at = plain.index(b"\x8d\x47\x01")  # lea 1(%rdi), %eax, on x86-64
    changed = bytearray(plain)
    changed[at + 2] = 2
    told = where(bytes(changed), plain)
    assert told.startswith(".text differs at offset 0x") and "remote 02 c3" in told and "here 01 c3" in told


def test_object_headers_count_too(tmp_path):
    plain = compiled(tmp_path)
    changed = bytearray(plain)
    changed[7] ^= 9  # the OS ABI
    assert where(bytes(changed), plain).startswith("differs at byte 0x7, outside all sections: ")
    assert where(plain + b"more", plain) == (
        f"differs at byte {len(plain):#x}, outside all sections: it ends there here "
        f"({len(plain) + 4} bytes remote, {len(plain)} here)"
    )
    changed = bytearray(plain)
    changed[18:20] = b"\xb7\0"
    assert where(bytes(changed), plain) == "remote for AArch64, here for x64"


def test_archives_differ_by_member_and_then_by_section(tmp_path):
    one, two = compiled(tmp_path), compiled(tmp_path, text="two")
    long = "a_name_that_is_longer_than_ar_can_hold.o"
    told = where(archive(tmp_path, ("a.o", one), (long, two)), archive(tmp_path, ("a.o", one), (long, one)))
    assert told.startswith(f"member {long}: .rodata differs at offset 0x0 ")
    told = where(archive(tmp_path, ("a.o", one)), archive(tmp_path, ("b.o", one)))
    assert told == "the member a.o remote is b.o here"
    told = where(archive(tmp_path, ("a.o", one), ("b.o", one)), archive(tmp_path, ("a.o", one)))
    assert told == "there is one more member remote: b.o"
    told = where(archive(tmp_path, ("t", b"some text")), archive(tmp_path, ("t", b"some test")))
    assert told == "member t: differs at byte 0x7: remote 'some text', here 'some test'"


def test_archives_differ_by_what_they_say_of_members(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    mine = archive(tmp_path, ("a.txt", b"x"), options="rcsU")
    os.chmod(tmp_path / "a.txt", 0o755)
    theirs = archive(tmp_path, ("a.txt", b"x"), options="rcsU")
    assert where(theirs, mine) == "member a.txt: mode '100755' remote, '100644' here"


def test_texts_differ_by_line():
    assert where(b"a.o: a.c\n b.h\n", b"a.o: a.c\n c.h\n") == "differs at line 2: remote ' b.h', here ' c.h'"
    assert where(b"a\n", b"a\nb\n") == "differs after line 2: remote '', here 'b'".replace("after", "at")
    assert where(b"a\nb", b"a") == "differs after line 1: there is more remote"
    long = b"x" * 500
    told = where(long + b"1\n", long + b"2\n")
    assert len(told) < 120 and "x1', here ..." in told


def test_other_bytes_differ_by_place():
    assert where(b"\0\1\2\3", b"\0\1\xff\3") == "differs at byte 0x2: remote 02 03, here ff 03"
    assert where(b"\0abc", b"\0abd") == "differs at byte 0x3: remote 'abc', here 'abd'"
    assert where(b"\0ab", b"\0abc") == "differs at byte 0x3: it ends there remote (3 bytes remote, 4 here)"
    assert where(b"", b"\0").startswith("differs at byte 0x0: it ends there remote")


def test_large_files_are_compared_in_pieces():
    size = 5 << 20
    home = bytearray(size)
    assert where(bytes(home), bytes(home)) == ""
    home[4_500_000] = 1
    assert where(bytes(size), bytes(home)).startswith(f"differs at byte {4_500_000:#x}: ")


@given(st.sampled_from([b"", b"\x7fELF", b"!<arch>\n", b"\x7fELF\2\1\1" + b"\0" * 9, b"text\n"]),
       st.binary(max_size=200), st.binary(max_size=200))  # fmt: skip
def test_any_two_contents_differ_unless_they_are_equal(magic, ours, theirs):
    assert bool(where(magic + ours, magic + theirs)) == (ours != theirs)


@given(st.data())
def test_damaged_objects_and_archives_are_told_apart(tmp_path_factory, data):
    plain = _objects(tmp_path_factory)[data.draw(st.integers(0, 1))]
    changed = bytearray(plain)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(plain) - 1))] = data.draw(st.integers(0, 255))
    changed = changed[: data.draw(st.integers(1, len(plain)))]
    assert bool(where(bytes(changed), plain)) == (bytes(changed) != plain)


_OBJECTS: list[bytes] = []


def _objects(factory) -> list[bytes]:
    if not _OBJECTS:
        directory = factory.mktemp("objects")
        one = compiled(directory)
        _OBJECTS.extend((one, archive(directory, ("a.o", one), ("another_member_with_a_long_name.o", one))))
    return _OBJECTS


# ---- outputs and the disk ----------------------------------------------------------------------------------------


@pytest.fixture
def top(tmp_path: Path) -> bytes:
    (tmp_path / "same").write_text("text\n")
    (tmp_path / "same").chmod(0o644)
    (tmp_path / "dir").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to("same")
    return os.fsencode(tmp_path)


def test_equal_outputs_are_equal(top):
    spool = top + b"/spool"
    Path(os.fsdecode(spool)).write_text("text\n")
    assert differences([
        Made(top + b"/same", Kind.FILE, 0o644, b"text\n"),
        Made(top + b"/same", Kind.FILE, 0o644, spool=spool),
        Made(top + b"/same", Kind.FILE, 0o644, touched=True),
        Made(top + b"/dir", Kind.DIRECTORY, 0o755),
        Made(top + b"/link", Kind.SYMLINK, 0o777, link=b"same"),
        Made(top + b"/gone", Kind.GONE),
        Made(top + b"/same/below", Kind.GONE),
    ], changed=[top + b"/same"]) == []  # fmt: skip


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (Made(b"same", Kind.FILE, 0o644, b"test\n"), "differs at line 1: remote 'test', here 'text'"),
        (Made(b"same", Kind.FILE, 0o755, b"text\n"), "remote mode 0755, here 0644"),
        (Made(b"same", Kind.FILE, 0o600, touched=True), "remote mode 0600, here 0644"),
        (Made(b"same", Kind.FILE, 0o755, b"\n"),
         "differs at line 1: remote '', here 'text'; remote mode 0755, here 0644"),
        (Made(b"same", Kind.FILE, 0o644, spool=b"/nowhere"), "cannot be read: No such file or directory"),
        (Made(b"dir", Kind.DIRECTORY, 0o700), "remote mode 0700, here 0755"),
        (Made(b"dir", Kind.FILE, 0o755), "remote: a file, here: a directory"),
        (Made(b"link", Kind.FILE, 0o644, b"text\n"), "remote: a file, here: a symbolic link"),
        (Made(b"link", Kind.SYMLINK, 0o777, link=b"x\xff"), "remote it links to 'x\\xff', here to 'same'"),
        (Made(b"same", Kind.GONE), "remote: nothing, here: a file"),
        (Made(b"missing", Kind.FILE, 0o644), "is missing here; the remote job made it"),
        (Made(b"same/below", Kind.FILE, 0o644), "is missing here; the remote job made it"),
    ],
)
def test_each_kind_of_difference_is_told(top, made, expected):
    path = top + b"/" + made.path
    made = Made(path, made.kind, made.mode, made.data, made.spool, made.link, made.touched)
    assert differences([made]) == [Difference(path, expected)]


def test_what_only_the_home_run_did_is_a_difference(top):
    changed = [top + b"/dir", top + b"/gone", top + b"/same"]
    found = differences([Made(top + b"/same", Kind.FILE, 0o644, b"text\n")], changed)
    assert [describe(each, top) for each in found] == [
        "dir: was written here, and left alone by the remote job",
        "gone: was removed here, and left alone by the remote job",
    ]


def test_outputs_are_read_from_a_result(top, tmp_path):
    def output(path, kind, *, size=0, data=b"", link=b"", touched=False):
        digest = b"\1" * 32 if kind is DGCC.FILE else b""
        return DGCC.Output(top, DGCC.Entry(path, kind, 0o644, 1, size, digest, link), touched, data, False)

    files = [output(b"a.o", DGCC.FILE, size=3, data=b"abc"), output(b"big", DGCC.FILE, size=9),
             output(b"l", DGCC.SYMLINK, link=b"a.o"), output(b"old", DGCC.FILE, size=4, touched=True)]  # fmt: skip
    result = DGCC.Result(1, DGCC.ENDED, "", 0, 0, 0.0, 0.0, 0, 0, 0, [], files)
    assert made_of(result, {1: tmp_path / "spool"}) == [
        Made(top + b"/a.o", Kind.FILE, 0o644, b"abc"),
        Made(top + b"/big", Kind.FILE, 0o644, spool=os.fsencode(tmp_path / "spool")),
        Made(top + b"/l", Kind.SYMLINK, 0o644, link=b"a.o"),
        Made(top + b"/old", Kind.FILE, 0o644, touched=True),
    ]


def test_endings_and_prints_are_compared():
    assert ending(0, 0, 0) is None and ending(0, 9, 9) is None and ending(2, 0, 2 << 8) is None
    told = ending(0, 0, 1 << 8)
    assert told is not None and describe(told) == "remote it ended with exit code 0, here with exit code 1"
    told = ending(1, 0, 11)
    assert told is not None and describe(told) == "remote it ended with exit code 1, here with signal 11"
    assert printed(b"warning: x\n", b"warning: x\n", "stderr") is None
    told = printed(b"\x1b[1mwarning\n", b"warning\n", "stderr")
    assert told is not None
    assert describe(told) == "stderr: differs at line 1: remote '\\x1b[1mwarning', here 'warning'"


def test_a_build_collects_what_differs(top, tmp_path):
    def result(data: bytes, exit_code: int = 0):
        entry = DGCC.Entry(b"same", DGCC.FILE, 0o644, 1, len(data), b"\1" * 32, b"")
        output = DGCC.Output(top, entry, False, data, False)
        return RemoteResult(DGCC.Result(1, DGCC.ENDED, "", exit_code, 0, 0.0, 0.0, 0, 0, 0, [], [output]), {})

    found = Comparison()
    found.add("same", top, result(b"text\n"), 0)
    assert (found.jobs, found.different) == (1, [])
    found.add("same", top, result(b"test\n"), 1 << 8)
    assert found.jobs == 2 and [each.target for each in found.different] == ["same", "same"]
    assert "exit code 0, here with exit code 1" in found.different[0].where
    assert "differs at line 1: remote 'test', here 'text'" in found.different[1].where
    assert found.different[1].path == str(tmp_path / "same")
