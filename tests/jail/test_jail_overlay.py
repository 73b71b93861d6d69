"""What a job does to the project: it sees the tree at its place and changes it; all of that is reported."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from jail.jailplace import HOST_SYSTEM, ROOT, Place

from dgcc.store.entry import Kind
from dgcc.store.jail import (
    Bind,
    Change,
    Ignored,
    JailFailed,
    Overlay,
    changes,
    remove_scratch,
    run,
)

F, D, L, X = Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK, Kind.GONE


@pytest.fixture(autouse=True)
def _lower_is_never_altered(place: Place) -> Iterator[None]:
    """Checked after each test, against what the test itself put there before its first job."""
    original = place.spec
    seen: list[tuple[Path, dict[str, object]]] = []

    def spec(*args: object, **kwargs: object) -> object:
        made = original(*args, **kwargs)  # type: ignore[arg-type]
        seen.append((place.lower, picture(place.lower)))
        return made

    place.spec = spec  # type: ignore[method-assign,assignment]
    yield
    assert seen
    for path, before in seen[-1:]:
        assert picture(path) == before


def picture(top: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for directory, names, files in os.walk(top):
        for name in (".", *names, *files):
            path = Path(directory, name)
            status = path.lstat()
            content: object = None
            if stat.S_ISREG(status.st_mode):
                content = path.read_bytes()
            elif stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            found[str(path)] = (status.st_mode, status.st_mtime_ns, content)
    return found


PLACES = (
    *(b"/tmp/x", b"/tmp", b"/var/tmp/a/b", b"/home/someone/x", b"/root", b"/root/x", b"/opt/x", b"/x"),
    *(b"/usr/src/x", b"/usr/src/no/such/place", b"/usr/lib/x/y", b"/usr/include", b"/etc/x", b"/mnt/no/such"),
    b"/srv/a:b,c\\d e\nf",
    b"/" + b"/".join([b"d" * 200] * 15),
)


@pytest.mark.parametrize("inside", PLACES)
def test_project_may_lie_anywhere(place: Place, inside: bytes) -> None:
    place.write("dir/source", "text")
    outcome = place.sh("cat dir/source; cp dir/source copy; pwd", cwd=inside,
                       overlays=(Overlay(inside, (os.fsencode(place.lower),)),))  # fmt: skip
    assert (outcome.text, outcome.brief) == (f"text{os.fsdecode(inside)}\n", [("copy", F)])


def test_mount_points_leave_the_rest_of_the_host_visible(place: Place) -> None:
    other = place.top / "other"
    place.write("note", "second", where=other)
    place.give_away(other)
    overlays = (Overlay(b"/usr/share/x/y", (os.fsencode(place.lower),)),
                Overlay(b"/usr/share/z", (os.fsencode(other),)),
                Overlay(b"/usr/share/x/w/v", (os.fsencode(other),)))  # fmt: skip
    outcome = place.sh("ls /usr/share; ls /usr/share/x /usr/share/x/w; cat /usr/share/z/note; echo > made",
                       cwd=b"/usr/share/x/y", overlays=overlays)  # fmt: skip
    lines = outcome.text.splitlines()
    assert set(lines) >= set(os.listdir("/usr/share")) - {""}
    assert lines[-7:] == ["/usr/share/x:", "w", "y", "", "/usr/share/x/w:", "v", "second"]
    assert outcome.brief == [("made", F)]


def test_nested_roots(place: Place) -> None:
    inner, tools = place.top / "inner", place.top / "tools"
    place.write("inner-file", where=inner)
    place.write("tool", where=tools)
    place.give_away(inner, tools)
    top = place.inside
    overlays = (Overlay(top, (os.fsencode(place.lower),)),
                Overlay(top + b"/deep/tools", (os.fsencode(tools),), writable=False),
                Overlay(top + b"/deep/inner", (os.fsencode(inner),)))  # fmt: skip
    script = "echo > deep/inner/a; echo > b; mv b deep/inner/c; ls deep/*; echo > deep/tools/x"
    spec = place.spec(script, overlays=overlays)
    result = run(spec, merge=True, deadline_s=60, max_output=1 << 16)
    text = b"".join(data for _, data in result.chunks).decode()
    assert text.startswith("deep/inner:\na\nc\ninner-file\n\ndeep/tools:\ntool\n") and "Read-only" in text
    assert [c.path for c in changes(spec.upper(2), [inner])] == [b"a", b"c"]
    assert changes(spec.upper(0), [place.lower]) == []
    remove_scratch(spec.scratch)


def test_many_lower_layers(place: Place) -> None:
    layers = []
    for i in range(60):
        layer = place.top / f"layer-{i}"
        place.write("who", str(i), where=layer)
        place.write(f"own/{i}", where=layer)
        place.give_away(layer)
        layers.append(os.fsencode(layer))
    outcome = place.sh("cat who; ls own | wc -l; rm own/7 own/8; echo > own/8",
                       overlays=(Overlay(place.inside, tuple(layers)),))  # fmt: skip
    assert outcome.text == "060\n"
    assert outcome.brief == [("own/7", X), ("own/8", F)]


def test_read_only_overlay(place: Place) -> None:
    place.write("file", "text")
    second = place.top / "second"
    place.write("more", where=second)
    place.give_away(second)
    for lower in ((place.lower,), (place.lower, second)):
        overlay = Overlay(place.inside, tuple(os.fsencode(path) for path in lower), writable=False)
        outcome = place.sh("cat file; ls; echo > made; rm file", overlays=(overlay,))
        assert outcome.text.startswith("textfile\n") and outcome.text.count("Read-only file system") == 2


def test_create_change_delete(place: Place) -> None:
    for name in ("kept", "changed", "deleted", "sub/deleted", "sub/kept", "gone/a", "gone/b/c"):
        place.write(name, name)
    outcome = place.sh(
        "echo 12345 >> changed; echo > made; rm deleted sub/deleted; rm -r gone; mkdir -p new/er"
    )
    assert outcome.brief == [
        ("changed", F), ("deleted", X), ("gone", X), ("made", F), ("new", D), ("new/er", D),
        ("sub/deleted", X),
    ]  # fmt: skip
    assert outcome.change("changed").size == len("changed12345\n")


def test_nothing_done_is_nothing_reported(place: Place) -> None:
    place.write("a/b/c", "text")
    assert (
        place.sh("cat a/b/c; ls -lR; touch /tmp/x; touch made; rm made; mkdir a/d; rmdir a/d").changes == []
    )


def test_modes_and_times(place: Place) -> None:
    place.write("script", "x", 0o644)
    place.write("dir/file", "x")
    outcome = place.sh(
        "chmod 755 script; chmod 2750 dir; touch -d @1000000000.5 stamp; chmod 4711 stamp; chmod 700 ."
    )
    assert outcome.brief == [(".", D), ("dir", D), ("script", F), ("stamp", F)]
    assert (outcome.change("script").mode, outcome.change("dir").mode) == (0o755, 0o2750)
    assert outcome.change("stamp") == Change(b"stamp", F, 0o4711, 1_000_000_000_500_000_000)
    assert outcome.change(".").mode == 0o700


def test_links(place: Place) -> None:
    place.write("file", "text")
    (place.lower / "old").symlink_to("file")
    outcome = place.sh("ln -s ../any\\ where link; ln -sf elsewhere old; ln file hard; ln -s /etc/passwd abs")
    assert outcome.brief == [("abs", L), ("file", F), ("hard", F), ("link", L), ("old", L)]
    assert outcome.change("link").link == b"../any where"
    assert outcome.change("old").link == b"elsewhere"
    assert outcome.change("hard").size == 4


def test_renames(place: Place) -> None:
    place.write("one/a", "a")
    place.write("one/b/c", "c")
    place.write("file", "f")
    outcome = place.sh("mv one two; mv file two/b/")
    assert outcome.brief == [
        ("file", X), ("one", X), ("two", D), ("two/a", F), ("two/b", D), ("two/b/c", F), ("two/b/file", F),
    ]  # fmt: skip
    assert outcome.change("two/b/c").size == 1


def test_directory_made_anew_hides_what_was_below(place: Place) -> None:
    for name in ("d/a", "d/b", "d/sub/x", "d/sub/y", "d/sub/deep/z", "d/other/q"):
        place.write(name, "old")
    outcome = place.sh("rm -r d; mkdir d d/sub d/sub/deep; echo new > d/b; echo new > d/sub/y")
    assert outcome.brief == [
        ("d/a", X),
        ("d/other", X),
        ("d/b", F),
        ("d/sub/x", X),
        ("d/sub/y", F),
        ("d/sub/deep/z", X),
    ]


def test_kinds_replaced(place: Place) -> None:
    place.write("file", "x")
    place.write("dir/a/b", "x")
    place.write("link-target", "x")
    (place.lower / "link").symlink_to("link-target")
    outcome = place.sh("rm -r file dir link; mkdir -p file/sub; echo > file/sub/x; echo > dir; mkdir link")
    assert outcome.brief == [("dir", X), ("dir", F), ("file", X), ("file", D), ("link", X), ("link", D),
                             ("file/sub", D), ("file/sub/x", F)]  # fmt: skip


def test_changes_applied_in_order_make_the_jobs_tree(place: Place) -> None:
    for name in ("a/b/c", "a/d", "e", "f/g", "h/i/j", "k"):
        place.write(name, name)
    script = (
        "rm -r a; echo > a; mkdir -p z/y; echo 1 > z/y/x; rm e; mkdir e; echo > e/e; rm f/g; mkdir f/g;"
              "echo > f/g/g; mv h m; chmod 600 k; ln -s k l;"
              "find . ! -type d | sort; find . -type d | sort")  # fmt: skip
    spec = place.spec(script)
    result = run(spec, merge=True, deadline_s=60, max_output=1 << 16)
    copy = place.top / "copy"
    os.system(f"cp -a {place.lower} {copy}")
    for change in changes(spec.upper(0), [place.lower]):
        path = os.fsencode(copy) + b"/" + change.path
        if change.kind is X:
            os.system(f"rm -r {os.fsdecode(path)}")
        elif change.kind is D:
            os.makedirs(path, exist_ok=True)
        elif change.kind is L:
            os.symlink(change.link, path)
        else:
            Path(os.fsdecode(path)).write_bytes((spec.upper(0) / os.fsdecode(change.path)).read_bytes())
    leaves = sorted(f"./{p.relative_to(copy)}" for p in copy.rglob("*") if not p.is_dir() or p.is_symlink())
    directories = sorted([".", *(f"./{p.relative_to(copy)}" for p in copy.rglob("*") if p.is_dir())])
    assert b"".join(data for _, data in result.chunks).decode().splitlines() == leaves + directories
    remove_scratch(spec.scratch)


def test_what_cannot_come_home_is_named(place: Place) -> None:
    place.write("bind.py", "import socket; socket.socket(socket.AF_UNIX).bind('sock')")
    outcome = place.sh("mkfifo pipe; /usr/bin/python3 bind.py")
    assert outcome.changes == []
    assert outcome.ignored == [Ignored(b"pipe", "a named pipe"), Ignored(b"sock", "a socket")]


def test_unreadable_files_are_read_and_keep_their_mode(place: Place) -> None:
    spec = place.spec("mkdir shut; echo text > shut/file; chmod 0 shut/file; chmod 0 shut")
    run(spec, merge=True, deadline_s=60, max_output=1 << 16)
    found = changes(spec.upper(0), [place.lower])
    assert [(c.path, c.kind, c.mode) for c in found] == [(b"shut", D, 0), (b"shut/file", F, 0)]
    assert (spec.upper(0) / "shut/file").read_text() == "text\n"
    remove_scratch(spec.scratch)
    assert not spec.scratch.exists()


def test_odd_names(place: Place) -> None:
    (place.lower / os.fsdecode(b"old \xff:,\\")).mkdir()
    make_file = "printf 'old \\377:,\\\\/b\\303\\244r \\377' | xargs -0 touch"
    outcome = place.sh("mkdir 'new\n:,\\'; " + make_file)
    assert [c.path for c in outcome.changes] == [b"new\n:,\\", b"old \xff:,\\/b\xc3\xa4r \xff"]


def test_compiler_style_replacement_of_a_read_only_output(place: Place) -> None:
    place.write("out.o", "old", 0o444)
    outcome = place.sh("echo new > out.tmp && mv -f out.tmp out.o")
    assert outcome.brief == [("out.o", F)]
    assert outcome.change("out.o").size == 4


def test_missing_lower_directory_is_the_hosts_failure(place: Place) -> None:
    with pytest.raises(JailFailed, match="dgcc-jail: cannot .* the lower directory /no/such: No such file"):
        place.sh("true", overlays=(Overlay(place.inside, (b"/no/such",)),))


def test_scratch_in_use_is_refused(place: Place) -> None:
    spec = place.spec("true")
    (spec.scratch / "upper-0").mkdir()
    with pytest.raises(JailFailed, match="scratch must be an empty directory"):
        place.do(spec)


def test_file_in_the_way_of_a_mount_point(place: Place) -> None:
    note = place.write("note", where=place.top)
    binds = (*HOST_SYSTEM, Bind(b"/srv/note", os.fsencode(note)))
    with pytest.raises(JailFailed, match="mount point /srv/note/x"):
        place.sh("true", binds=binds, tmpfs=(b"/srv/note/x",))


@pytest.mark.parametrize("path", [b"relative", b"/a/../b", b"/a//b", b"/a/", b"/a/.", b"/", b"/a" * 3000])
def test_paths_must_be_absolute_and_normal(place: Place, path: bytes) -> None:
    with pytest.raises(JailFailed, match="the spec has a"):
        place.sh("true", overlays=(Overlay(path, (os.fsencode(place.lower),)),))


def test_host_links_do_not_lead_out(place: Place) -> None:
    outside = place.top / "outside"
    outside.mkdir(mode=0o777)
    host = place.top / "host"
    host.mkdir()
    (host / "plain").touch()
    (host / "way").symlink_to(outside)
    place.top.chmod(0o755)
    place.give_away(host)
    outcome = place.sh("echo > /srv/way/x/made; ls /srv /srv/way/x", tmpfs=(b"/srv/way/x",),
                       binds=(*HOST_SYSTEM, Bind(b"/srv", os.fsencode(host))))  # fmt: skip
    assert outcome.text == "/srv:\nplain\nway\n\n/srv/way/x:\nmade\n"
    assert list(outside.iterdir()) == []


def test_files_of_another_owner_are_read_only(place: Place) -> None:
    """What does not belong to the job cannot be changed, as outside; it does not break the job either."""
    if ROOT:
        place.write("foreign", "x")
        spec = place.spec("cat foreign; echo y >> foreign; echo $?")
        os.chown(place.lower / "foreign", 0, 0)
        assert place.do(spec).text.startswith("xsh: 1: cannot create foreign: ")
    else:
        outcome = place.sh("wc -l < passwd; echo y >> passwd", overlays=(Overlay(place.inside, (b"/etc",)),))
        assert "cannot create passwd" in outcome.text and outcome.changes == []
