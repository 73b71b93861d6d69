"""Jobs as a slave runs them: what they see, what comes back of what they did, and what never does."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from slave.jobkit import Slave
from slave.systemkit import copy_in, entries_of, with_libraries

from dgcc.corba import DGCC
from dgcc.slave.outputs import WithheldUsed, Written, collect
from dgcc.store.entry import WITHHELD_MARK, Kind

PROJECT = b"/home/someone/project"


@pytest.fixture
def slave(top: Path, base: Path) -> Iterator[Slave]:
    made = Slave(top, base)
    yield made
    made.close()


def tree(place: Path, **files: str) -> Path:
    """A directory with these files; `__` in a name stands for a slash, `_` for a dot."""
    for name, content in files.items():
        path = place / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return place


# ---- The system ----------------------------------------------------------------------------------------------


def test_nothing_of_the_host_can_be_reached(slave: Slave, top: Path, base: Path) -> None:
    slave.layer(PROJECT, tree(top / "project", a_c="int a;\n"))
    done = slave.sh("find / -path /proc -prune -o -print", PROJECT)
    seen = set(done.text.splitlines())
    given = {"/" + os.fsdecode(entry.path) for entry in entries_of(base)}
    identity = {"/etc", "/etc/passwd", "/etc/group", "/etc/hosts"}
    devices = "fd full null random shm stderr stdin stdout tty urandom zero"
    private = {"/", "/dev", "/tmp", "/var", "/var/tmp", *(f"/dev/{name}" for name in devices.split())}
    project = {"/home", "/home/someone", "/home/someone/project", "/home/someone/project/a.c"}
    assert seen == given | identity | private | project
    hosts = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
    assert slave.sh("cat /etc/hosts", PROJECT).text == hosts


def test_proc_leads_nowhere_else(slave: Slave, top: Path, base: Path) -> None:
    """What is behind the links of /proc: the jail's own files and pipes, for each process that can be seen."""
    slave.layer(PROJECT, tree(top / "project", a_c="int a;\n"))
    done = slave.sh("find /proc -type l -not -path '/proc/*/ns/*' -printf '%l\\n' 2>/dev/null", PROJECT)
    given = {"/" + os.fsdecode(entry.path) for entry in entries_of(base)} | {os.fsdecode(PROJECT), "/", "/dev/null"}
    links = {link for link in done.text.splitlines() if link.startswith("/")}
    assert {"/usr/bin/find", os.fsdecode(PROJECT), "/"} <= links
    # There is no /sys, and what is in /proc is looked at here.
    assert {link for link in links - given if not link.startswith(("/proc", "/sys"))} == set()
    assert slave.sh("find /proc/1/root/ /proc/1/cwd/ 2>&1", PROJECT).text.count("Permission denied") == 2
    roots = slave.sh("for p in /proc/[0-9]*; do ls $p/root/ 2>/dev/null; done", PROJECT).text.split()
    assert set(roots) == set(slave.sh("ls /", PROJECT).text.split())


def test_the_system_cannot_be_changed(slave: Slave, top: Path) -> None:
    slave.layer(PROJECT, tree(top / "project"))
    done = slave.sh(
        "for d in / /usr /usr/bin /etc /var /home; do (echo > $d/made) 2>/dev/null && echo $d; done;"
        "chmod 777 /usr/bin/find /etc/passwd 2>/dev/null || echo no",
        PROJECT,
    )
    assert (done.text, done.outputs) == ("no\n", {})


def test_the_topmost_environment_counts(top: Path, base: Path) -> None:
    upper = tree(top / "upper", usr__share__note="upper\n", etc__extra="extra\n", opt__tool="tool\n")
    lower = tree(top / "lower", usr__share__note="lower\n", usr__share__more="more\n", note="top\n")
    (upper / "usr/share/link").symlink_to("more")
    slave = Slave(top, upper, base, lower)
    slave.layer(PROJECT, tree(top / "project"))
    done = slave.sh("cd /usr/share && cat note more link /opt/tool /etc/extra /note; ls /etc", PROJECT)
    assert done.text == "upper\nmore\nmore\ntool\nextra\ntop\nextra\ngroup\nhosts\npasswd\n"
    slave.close()


def test_a_toolchain_in_places_that_are_private_in_a_jail(top: Path, base: Path) -> None:
    tools = tree(
        top / "tools", tmp__tools__a="a\n", var__tmp__tools__b="b\n", var__lib__c="c\n", home__someone__d="d\n",
        dev__null="no\n", proc__version="no\n",
    )  # fmt: skip
    slave = Slave(top, tools, base)
    slave.layer(PROJECT, tree(top / "project"))
    done = slave.sh(
        "cat /tmp/tools/a /var/tmp/tools/b /var/lib/c ~/d; echo x > /tmp/x; echo y > /var/tmp/y; cat /tmp/x /var/tmp/y;"
        "cat /dev/null; echo made > made; ls /home/someone",
        PROJECT,
    )
    assert done.text == "a\nb\nc\nd\nx\ny\nd\nproject\n" and list(done.outputs) == ["/home/someone/project/made"]
    slave.close()


@pytest.mark.parametrize("uid", [1234, 0, 65534])
def test_the_user_has_a_name(slave: Slave, top: Path, uid: int) -> None:
    slave.layer(PROJECT, tree(top / "project"))
    script = "id -un; id -gn; cat /etc/passwd"
    lines = slave.sh(script, PROJECT, uid=uid, gid=uid).text.splitlines()
    names = {1234: ["someone"] * 2, 0: ["root"] * 2, 65534: ["nobody", "nogroup"]}[uid]
    assert lines[:2] == names
    own = next(line for line in lines[2:] if line.split(":")[2] == str(uid))
    assert own.split(":")[5] == "/home/someone"
    odd = [b"HOME=/a:b\nroot::0:0::/:/bin/sh", b"USER=x:y", b"LOGNAME=", b"PATH=/usr/bin:/bin"]
    lines = slave.sh(script, PROJECT, uid=1234, gid=1234, env=odd).text.splitlines()
    assert lines[:2] == ["user", "user"] and "user:x:1234:1234::/:/bin/sh" in lines and len(lines) == 5


# ---- Layers --------------------------------------------------------------------------------------------------


def test_layers_that_can_only_be_read(slave: Slave, top: Path) -> None:
    """One around the project, one within it, one within the system: none can be changed, nothing comes back."""
    around, within, share = b"/home/someone", PROJECT + b"/vendor", b"/usr/share/data"
    slave.layer(within, tree(top / "vendor", lib_h="vendor\n"))
    slave.layer(PROJECT, tree(top / "project", a_c="project\n"))
    slave.layer(around, tree(top / "around", inc__top_h="around\n"))
    slave.layer(share, tree(top / "share", note="share\n"))
    done = slave.sh(
        "cat a.c vendor/lib.h ../inc/top.h /usr/share/data/note; echo > made;"
        "for d in vendor .. ../inc /usr/share/data /usr/share; do (echo > $d/made) 2>/dev/null && echo $d; done;"
        "rm -f a.c; chmod 600 vendor/lib.h 2>/dev/null || echo no",
        PROJECT,
        readonly=(around, within, share),
    )
    assert done.text == "project\nvendor\naround\nshare\nno\n"
    assert set(done.outputs) == {"/home/someone/project/made", "/home/someone/project/a.c"}


def test_what_changed_in_two_roots_comes_back_by_root(slave: Slave, top: Path) -> None:
    slave.layer(b"/other/root", tree(top / "other", old="old\n"))
    slave.layer(PROJECT, tree(top / "project", a_c="int a;\n"))
    done = slave.sh("echo 1 > made; echo 2 > /other/root/made; chmod 600 /other/root/old", PROJECT)
    found = {path: entry.kind for path, entry in done.outputs.items()}
    assert found == {
        "/other/root/made": Kind.FILE, "/other/root/old": Kind.FILE, "/home/someone/project/made": Kind.FILE,
    }  # fmt: skip
    assert [output.touched for output in done.result.files if output.what.path == b"old"] == [True]


# ---- Withheld files ------------------------------------------------------------------------------------------

WITHHELD = "secret content of a file that nobody has asked for\n" * 100


@pytest.mark.parametrize(
    "script",
    [
        "chmod 644 data/big",
        "chmod 644 data/big; cat data/big > copy",
        "chmod 644 data/big; (echo start; cat data/big) > copy; chmod 0 data/big",
        "mv data/big elsewhere",
        "mv data/big elsewhere; chmod 644 elsewhere",
        "chmod 600 data/big && echo more >> data/big",
        "echo before > aaa; chmod +r data/big; exit 1",
    ],
)
def test_a_withheld_file_never_comes_back(slave: Slave, top: Path, script: str) -> None:
    slave.layer(PROJECT, tree(top / "project", data__big=WITHHELD, data__small="small\n"), withheld=[b"data/big"])
    done = slave.sh(script, PROJECT)
    assert (done.result.how, done.result.trouble) == (DGCC.HOST_FAILED, "withheld: /home/someone/project/data/big")
    assert not done.result.files


def test_a_withheld_file_is_there_but_cannot_be_read(slave: Slave, top: Path) -> None:
    slave.layer(PROJECT, tree(top / "project", data__big=WITHHELD), withheld=[b"data/big"])
    done = slave.sh("stat -c '%s' data/big; cat data/big", PROJECT)
    assert done.text.startswith(f"{len(WITHHELD)}\n") and "Permission denied" in done.text
    assert (done.result.how, done.result.exit_code, done.result.files) == (DGCC.ENDED, 1, [])


def test_a_withheld_file_may_be_replaced_or_removed(slave: Slave, top: Path) -> None:
    files = tree(top / "project", big=WITHHELD, other=WITHHELD)
    slave.layer(PROJECT, files, withheld=[b"big", b"other"])
    done = slave.sh("rm -f big; echo new > big; rm -f other", PROJECT)
    assert {path: entry.kind for path, entry in done.outputs.items()} == {
        "/home/someone/project/big": Kind.FILE, "/home/someone/project/other": Kind.GONE,
    }  # fmt: skip


@pytest.mark.parametrize("before", [0, 1, 100, (1 << 20) - 40, (1 << 20) - 16, (1 << 20) - 1, 1 << 20, 3 << 20])
def test_the_mark_is_found_anywhere_in_a_file(top: Path, before: int) -> None:
    (top / "lower").mkdir()
    (top / "upper").mkdir()
    layer = Written(PROJECT, top / "lower", top / "upper", lambda _: False)
    (top / "upper/out").write_bytes(bytes(before) + WITHHELD_MARK + bytes(5))
    with pytest.raises(WithheldUsed, match="^withheld: /home/someone/project/out$"):
        collect([layer], [])
    (top / "upper/out").write_bytes(bytes(before) + WITHHELD_MARK[:-1] + bytes(5))
    files: list[Any] = []
    collect([layer], files)
    assert [output.what.size for output in files] == [before + len(WITHHELD_MARK) + 4]


# ---- Terminals, troubles -------------------------------------------------------------------------------------


def test_a_job_has_the_terminal_that_its_recipe_has(slave: Slave, top: Path) -> None:
    slave.layer(PROJECT, tree(top / "project"))
    script = "for fd in 0 1 2; do test -t $fd && echo $fd; done"
    assert slave.sh(script, PROJECT).text == ""
    assert slave.sh(script, PROJECT, out_tty=True, err_tty=True, columns=80, rows=24).text == "1\n2\n"
    assert slave.sh(script, PROJECT, merge=False, err_tty=True).text == "2\n"


def test_an_environment_that_is_not_to_be_had(slave: Slave, top: Path) -> None:
    slave.layer(PROJECT, tree(top / "project"))
    slave.needs[0].key = bytes(32)
    result = slave.sh("true", PROJECT).result
    assert result.how == DGCC.PROTOCOL_FAILED and result.trouble == "environment/" + "00" * 32


def test_bytes_are_counted_for_the_job_that_caused_them(slave: Slave, top: Path) -> None:
    slave.layer(PROJECT, tree(top / "project"))
    assert slave.sh("true", PROJECT).result.received > 100_000
    assert slave.sh("true", PROJECT).result.received == 0


def test_programs_come_from_any_of_the_environments(top: Path, base: Path) -> None:
    ls = copy_in(top / "ls", with_libraries("/bin/ls", "/usr/bin/env"))
    slave = Slave(top, ls, base)
    slave.layer(PROJECT, tree(top / "project", a_c="x\n"))
    assert slave.sh("env -i A=1 ls -1", PROJECT).text == "a.c\n"
    slave.close()
