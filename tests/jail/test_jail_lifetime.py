"""Nothing stays behind: no process and no mount, however job, jail or caller end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from jail.jailplace import Place

from dgcc.store.jail import JailDeadline, JailFailed, remove_scratch, run


def alive(mark: str) -> list[int]:
    """Processes with `mark` as a whole word of their command line."""
    found = []
    for process in psutil.process_iter():
        try:
            if mark in process.cmdline():
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def eventually(condition: Callable[[], object]) -> bool:
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return bool(condition())


@pytest.fixture
def mark() -> str:
    return f"3600.{os.getpid()}{time.monotonic_ns() % 10**9}"


def test_background_processes_end_with_the_command(place: Place, mark: str) -> None:
    outcome = place.sh(f"sleep {mark} >/dev/null 2>&1 & (setsid sleep {mark} &) ; echo started")
    assert outcome.text == "started\n"
    assert alive(mark) == []


def test_background_process_that_holds_the_output_ends_too(place: Place, mark: str) -> None:
    assert place.sh(f"sleep {mark} & exit 7").result.exit_code == 7
    assert alive(mark) == []


def test_zombies_of_others_are_reaped(place: Place) -> None:
    orphan = "(sh -c 'exit 0' &); i=$((i+1))"
    outcome = place.sh(f"i=0; while [ $i -lt 20 ]; do {orphan}; done; sleep 0.05; ls -d /proc/[0-9]*")
    assert len(outcome.text.split()) <= 4


def test_deadline_leaves_nothing(place: Place, mark: str) -> None:
    spec = place.spec(f"trap '' TERM INT HUP; sleep {mark} & sleep {mark}")
    with pytest.raises(JailDeadline):
        run(spec, merge=True, deadline_s=0.2, max_output=1 << 16)
    assert alive(mark) == []
    remove_scratch(spec.scratch)


def mounts_naming(text: str) -> list[str]:
    """Mounts that mention `text` in any mount namespace that we may look into."""
    seen, found = set(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            namespace = os.readlink(process / "ns/mnt")
            if namespace in seen:
                continue
            seen.add(namespace)
            found += [line for line in (process / "mountinfo").read_text().splitlines() if text in line]
        except OSError:
            continue
    return found


def ended(process: psutil.Process) -> bool:
    """Gone, but for a parent that takes its time to notice: ours were given to the host's first process."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def jail_in_a_process(place: Place, mark: str) -> "subprocess.Popen[bytes]":
    """A Python process that runs a job sleeping for `mark` seconds, and has begun to."""
    spec = place.spec(f"sleep {mark} & sleep {mark}", hostname=mark.encode())
    code = f"""
from pathlib import PosixPath
from dgcc.store.jail import *
try:
    run({spec!r}, merge=True, deadline_s=60, max_output=1)
except JailFailed as error:
    print(error, flush=True)
"""
    caller = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert eventually(lambda: len([pid for pid in alive(mark) if pid != caller.pid]) >= 2)
    return caller


def jails_of(caller: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    return [p for p in psutil.Process(caller.pid).children() if p.name() == "dgcc-jail"]


def test_kill_of_the_jail_leaves_nothing(place: Place, mark: str) -> None:
    caller = jail_in_a_process(place, mark)
    (jail,) = jails_of(caller)
    (init,) = jail.children()
    assert mounts_naming(place.inside.decode())
    jail.send_signal(signal.SIGKILL)
    said = caller.communicate(timeout=20)[0].decode()
    assert said == "dgcc-jail ended (SIGKILL) without a result\n"
    assert eventually(lambda: not alive(mark) and ended(init))
    assert mounts_naming(place.inside.decode()) == []


def test_kill_of_the_jails_first_process_is_the_hosts_failure(place: Place, mark: str) -> None:
    caller = jail_in_a_process(place, mark)
    (jail,) = jails_of(caller)
    jail.children()[0].send_signal(signal.SIGKILL)
    assert "killed by signal Killed" in caller.communicate(timeout=20)[0].decode()
    assert alive(mark) == []


def test_kill_of_the_caller_leaves_nothing(place: Place, mark: str) -> None:
    caller = jail_in_a_process(place, mark)
    (jail,) = jails_of(caller)
    caller.kill()
    caller.communicate()
    assert eventually(lambda: not alive(mark) and ended(jail))
    assert mounts_naming(place.inside.decode()) == []


def test_stopped_jail_still_meets_its_deadline(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dgcc.store.jail._END_GRACE_S", 0.2)
    spec = place.spec("kill -STOP $$")
    with pytest.raises(JailDeadline):
        run(spec, merge=True, deadline_s=0.2, max_output=1 << 16)
    remove_scratch(spec.scratch)


def test_failure_leaves_nothing_mounted(place: Place) -> None:
    with pytest.raises(JailFailed, match="cannot enter the working directory /nowhere: No such file"):
        place.sh("true", cwd=b"/nowhere")
    assert mounts_naming(str(place.top)) == []
    assert mounts_naming(place.inside.decode()) == []
