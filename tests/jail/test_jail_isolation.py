"""What a job may see and do: itself, its project, the host's programs, and nothing else."""

import base64
import os
import socket
import threading
import time

import psutil
import pytest
from jail.jailplace import HOST_SYSTEM, OUTSIDE, Outcome, Place

from dgcc.store.entry import Kind
from dgcc.store.jail import Bind, JailFailed, Overlay, remove_scratch, run


@pytest.mark.parametrize(("uid", "gid"), [(1000, 1000), (1234567, 7654321), (0, 0), (1, 2)])
def test_job_sees_the_masters_user(place: Place, uid: int, gid: int) -> None:
    outcome = place.sh("id -u; id -g; stat -c %u:%g .", inside_uid=uid, inside_gid=gid)
    assert outcome.text.split() == [str(uid), str(gid), f"{uid}:{gid}"]


def test_job_is_an_unprivileged_user_on_the_host(place: Place) -> None:
    # What a process reads of its own map are the ids of the namespace around it: the host's.
    maps = place.sh("cat /proc/self/uid_map /proc/self/gid_map", inside_uid=0, inside_gid=0).text.split()
    assert maps == ["0", str(OUTSIDE[0]), "1", "0", str(OUTSIDE[1]), "1"]
    assert 0 not in OUTSIDE


@pytest.mark.parametrize("uid", [1000, 0])
def test_no_capability_in_any_set(place: Place, uid: int) -> None:
    status = place.sh("cat /proc/self/status", inside_uid=uid, inside_gid=uid).text
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert {name: int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {
        "CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapBnd": 0, "CapAmb": 0}  # fmt: skip
    assert fields["NoNewPrivs"] == "1"


@pytest.mark.parametrize("uid", [1000, 0])
def test_no_mount_no_chroot_no_device(place: Place, uid: int) -> None:
    for attempt in ("mount -t tmpfs x /tmp", "umount /tmp", "chroot /usr /bin/true", "mknod /tmp/disk b 8 0",
                    "hostname other", "chown 2:2 .", "setpriv --reuid 2 true"):  # fmt: skip
        outcome = place.sh(attempt, inside_uid=uid, inside_gid=uid, env=(b"PATH=/usr/sbin:/usr/bin",))
        assert outcome.result.exit_code not in (0, 127), attempt


def test_groups_of_the_slave_are_not_named(place: Place) -> None:
    groups = place.sh("id -G").text.split()
    assert set(groups) <= {"1000", "65534"}


def test_only_its_own_processes_are_visible(place: Place) -> None:
    outcome = place.sh("echo $$; ls -d /proc/[0-9]* | wc -l; kill -9 1; kill -0 1 && echo alive")
    assert outcome.text.split()[0] == "2"
    assert int(outcome.text.split()[1]) <= 4
    assert "alive" in outcome.text


def test_two_jobs_know_nothing_of_each_other(place: Place) -> None:
    """Of two masters, at the same paths and with the same user, as a slave runs them; one attacks."""
    other = place.top / "other"
    place.write("secret", "of the other", where=other)
    place.give_away(other)
    victim = place.spec(
        "echo here > /tmp/mark; echo here > /dev/shm/mark; exec 4> out; sleep 0.7; cat secret",
        overlays=(Overlay(place.inside, (os.fsencode(other),)),),
    )
    seen: list[Outcome] = []
    thread = threading.Thread(target=lambda: seen.append(place.do(victim)))
    thread.start()
    time.sleep(0.3)
    outcome = place.sh(
        "ls -A . /tmp /dev/shm; cat secret; cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c here;"
        "kill -9 -1; kill -0 -1 2>&1; for p in $(seq 3 400); do kill -9 $p; done 2>/dev/null; echo end"
    )
    thread.join()
    assert seen[0].text == "of the other" and seen[0].brief == [("out", Kind.FILE)]
    # Even its own shell was spared by its `kill -9 -1`, as process 1 of a jail is.
    assert "mark" not in outcome.text and "secret: No such file" in outcome.text


def test_first_process_shows_nothing_of_the_host(place: Place) -> None:
    outcome = place.sh(
        "ls /proc/1/fd /proc/1/root 2>&1 | grep -v denied; head -c 1 /proc/1/environ; echo end"
    )
    assert outcome.text.splitlines()[-1] == "end"
    assert "proc" not in outcome.text.replace("/proc/1/environ", "")


def test_network_is_loopback_alone(place: Place) -> None:
    found = [entry for entries in psutil.net_if_addrs().values() for entry in entries]
    hosts = [entry.address for entry in found if entry.family == socket.AF_INET and entry.address != "127.0.0.1"]
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = server.getsockname()[1]
        others = [(address, port) for address in (*hosts, "192.0.2.1")]
        place.write(
            "connect.py",
            f"""
import os, socket
print(sorted(name for _, name in socket.if_nameindex()))
for address in [("127.0.0.1", {port}), ("::1", {port}), *{others!r}]:
    try:
        socket.create_connection(address, 2)
        print("reached")
    except OSError as error:
        print(error.strerror)
with socket.create_server(("127.0.0.1", 0)) as own:
    socket.create_connection(own.getsockname()).close()
print("own loopback works")
""",
        )
        outcome = place.sh("/usr/bin/python3 connect.py")
    first, *tried, last = outcome.text.splitlines()
    assert (first, last) == ("['lo']", "own loopback works")
    no_ipv6 = "Address family not supported by protocol"
    assert len(tried) == 2 + len(others) and set(tried) <= {"Connection refused", "Network is unreachable", no_ipv6}


def test_abstract_socket_of_the_host_is_out_of_reach(place: Place) -> None:
    name = f"\0dgcc-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        place.write(
            "connect.py",
            f"""
import socket
try:
    socket.socket(socket.AF_UNIX).connect({name!r})
except OSError as error:
    print(error.strerror)
""",
        )
        assert place.sh("/usr/bin/python3 connect.py").text == "Connection refused\n"


@pytest.mark.parametrize("directory", ["/tmp", "/var/tmp", "/dev/shm"])
def test_temporary_directories_are_private(place: Place, directory: str) -> None:
    mark = f"dgcc-test-{os.getpid()}"
    with open(f"{directory}/{mark}", "w"):
        try:
            outcome = place.sh(f"stat -c %a {directory}; ls -A {directory}; echo > {directory}/{mark}-inside")
        finally:
            os.unlink(f"{directory}/{mark}")
    assert outcome.text == "1777\n"
    assert not os.path.exists(f"{directory}/{mark}-inside")


def test_nothing_of_the_host_can_be_written(place: Place) -> None:
    outcome = place.sh(
        "for d in / /usr /usr/bin /etc /bin /dev /home /home/someone; do"
        " if echo > $d/dgcc-test-file; then echo wrote $d; fi; done 2>&1"
        " | grep -v -e Read-only -e denied; echo end"
    )
    assert outcome.text == "end\n"
    assert not os.path.exists("/usr/dgcc-test-file")


def test_only_what_is_bound_is_there(place: Place) -> None:
    names = set(place.sh("ls -A /").text.split())
    bound = {os.fsdecode(bind.inside)[1:] for bind in HOST_SYSTEM if os.path.lexists(bind.host)}
    assert names == bound | {"dev", "proc", "tmp", "var", "home"}
    assert place.sh("ls -A /home /home/someone /var").text.split() == [
        "/home:",
        "someone",
        "/home/someone:",
        "project",
        "/var:",
        "tmp",
    ]


def test_top_level_links_stay_links(place: Place) -> None:
    if os.path.islink("/bin"):
        assert place.sh("readlink /bin").text == os.readlink("/bin") + "\n"
    place.top.joinpath("link").symlink_to("/usr/lib")
    binds = (*HOST_SYSTEM, Bind(b"/opt/link", os.fsencode(place.top / "link")))
    assert place.sh("readlink /opt/link", binds=binds).text == "/usr/lib\n"


def test_links_among_the_hosts_directories(place: Place) -> None:
    """As for a project that is reached through a link: where the host lacks the link, has it, has another."""
    link = place.top / "link"
    link.symlink_to(os.fsdecode(place.inside))
    at = (b"/usr/src/way", b"/home/someone/other/way", b"/usr/lib/no/way")
    binds = (*HOST_SYSTEM, *(Bind(path, os.fsencode(link)) for path in at))
    for path in at:
        outcome = place.sh(f"readlink {path.decode()}; echo > {path.decode()}/made; ls", binds=binds)
        assert outcome.text == f"{place.inside.decode()}\nmade\n"
    assert set(os.listdir("/usr/lib")) <= set(place.sh("ls /usr/lib", binds=binds).text.split())
    twice = (*HOST_SYSTEM, Bind(b"/srv/way", os.fsencode(link)), Bind(b"/srv/way", os.fsencode(link)))
    assert place.sh("readlink /srv/way", binds=twice).text == f"{place.inside.decode()}\n"
    with pytest.raises(
        JailFailed, match="cannot make the link /usr/lib: .*something else of this host is in"
    ):
        place.sh("true", binds=(*HOST_SYSTEM, Bind(b"/usr/lib", os.fsencode(link))))


def test_devices(place: Place) -> None:
    outcome = place.sh(
        "ls /dev; echo gone > /dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c;"
        " echo x > /dev/full; echo to-stdout > /dev/stdout; echo on 3 | cat /dev/fd/0"
    )
    lines = outcome.text.splitlines()
    devices = "fd full null random shm stderr stdin stdout tty urandom zero"
    assert lines[:12] == [*devices.split(), "4"]
    assert lines[12] == "4" and "echo: I/O error" in lines[13]
    assert lines[14:] == ["to-stdout", "on 3"]


def test_host_name(place: Place) -> None:
    assert place.sh("uname -n", hostname=b"builder").text == "builder\n"
    assert place.sh("uname -n").text == os.uname().nodename + "\n"


def test_bind_of_a_file_and_of_what_is_missing(place: Place) -> None:
    note = place.write("note", "read me", where=place.top)
    place.top.chmod(0o755)
    there = Bind(b"/srv/note", os.fsencode(note))
    absent = Bind(b"/srv/absent", b"/no/such/file", optional=True)
    outcome = place.sh("cat /srv/note; echo > /srv/note; ls /srv", binds=(*HOST_SYSTEM, there, absent))
    assert outcome.text.startswith("read me") and outcome.text.endswith("note\n")
    assert note.read_text() == "read me"
    with pytest.raises(JailFailed, match="cannot open, for a bind, /no/such/file: No such file or directory"):
        place.sh("true", binds=(Bind(b"/srv/absent", b"/no/such/file"),))


def test_private_directories_on_request(place: Place) -> None:
    outcome = place.sh(
        "echo > /home/someone/.cache/x && ls -A /home/someone/.cache", tmpfs=(b"/home/someone/.cache",)
    )
    assert outcome.text == "x\n"


def test_private_home_around_the_project(place: Place) -> None:
    outcome = place.sh("echo > ../.cache && ls -A .. && echo > made", tmpfs=(b"/home/someone",))
    assert (outcome.text, [c.path for c in outcome.changes]) == (".cache\nproject\n", [b"made"])


def test_setuid_programs_give_nothing(place: Place) -> None:
    flags = place.sh(
        "grep -E ' /(usr|etc|tmp|home/someone/project) ' /proc/self/mountinfo | cut -d' ' -f5,6"
    ).text
    assert flags
    assert all("nosuid" in line for line in flags.splitlines()), flags


def test_files_made_belong_to_the_jobs_identity(place: Place) -> None:
    spec = place.spec("echo > made")
    run(spec, merge=True, deadline_s=60, max_output=1 << 16)
    status = (spec.upper(0) / "made").stat()
    remove_scratch(spec.scratch)
    assert (status.st_uid, status.st_gid) == OUTSIDE


def test_layers_are_read_only_to_the_job(place: Place) -> None:
    """Through any way that there is: only the upper directory changes."""
    place.write("file", "text", 0o644)
    before = (place.lower / "file").stat()
    outcome = place.sh(
        "chmod 777 file .; touch -d 2001-01-01 file; echo more >> file; ln file second; truncate -s 0 second;"
        "mv file x;"
        "/usr/bin/python3 -c 'import os; os.setxattr(\"x\", \"user.a\", b\"1\"); fd = os.open(\"x\", os.O_RDWR);"
        " os.write(fd, b\"y\")'"
    )
    after = (place.lower / "file").stat()
    assert (place.lower / "file").read_text() == "text" and os.listdir(place.lower) == ["file"]
    assert (before.st_mode, before.st_mtime_ns, before.st_nlink) == (after.st_mode, after.st_mtime_ns, after.st_nlink)
    assert os.listxattr(place.lower / "file") == []
    assert {os.fsdecode(change.path) for change in outcome.changes} >= {"x", "second", "file"}


def test_the_jobs_environment_acts_inside_the_jail_only(place: Place) -> None:
    """Neither the jail's own processes nor any of the slave's see it, whatever it holds."""
    place.write(
        "evil.c",
        """
#include <stdio.h>
#include <unistd.h>
__attribute__((constructor)) static void mark(void)
{
    char name[64];
    snprintf(name, sizeof name, "/home/someone/project/loaded-%d", getpid());
    fclose(fopen(name, "w"));
}
""",
    )
    place.write("bin/ls", "#!/bin/sh\necho mine\n", 0o755)
    project = place.inside.decode()
    made = place.sh("gcc -shared -fPIC evil.c -o evil.so && cat evil.so | base64 -w0").text
    place.lower.joinpath("evil.so").write_bytes(base64.b64decode(made))
    mark = f"mark-{os.getpid()}-{time.monotonic_ns()}"
    env = (b"LD_PRELOAD=" + place.inside + b"/evil.so", b"PATH=" + place.inside + b"/bin:/usr/bin:/bin",
           b"LD_LIBRARY_PATH=" + place.inside, b"GCC_EXEC_PREFIX=" + place.inside, b"MARK=" + mark.encode(),
           b"PYTHONPATH=" + place.inside)  # fmt: skip
    seen: list[Outcome] = []
    spec = place.spec("ls; sleep 0.5", env=env)
    thread = threading.Thread(target=lambda: seen.append(place.do(spec)))
    thread.start()
    time.sleep(0.3)
    holders = []
    for process in psutil.process_iter():
        try:
            if mark in str(process.environ()) or any("evil.so" in m.path for m in process.memory_maps()):
                holders.append(process.name())
        except psutil.Error:
            continue
    thread.join()
    assert "dgcc-jail" not in holders and not {name for name in holders if "python" in name}
    assert seen[0].text == "mine\n"
    loaded = [name for name, _ in seen[0].brief if name.startswith("loaded-")]
    assert loaded and "loaded-1" not in loaded  # by the command and its children, as it asked
    assert not os.path.exists(project)
