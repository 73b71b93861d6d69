"""Trouble for a real farm, and the proof that it did no harm.

Every case ends in `Chaos.survived`: the tree is a plain build's, the exit code is right, the farm's slots are all free;
and in the end of `chaos`, when nothing may be left: no process, mount, socket or temporary file.

DGCC_CHAOS=full, as `make chaos` sets it, has the waits that a user has, and more and longer trouble. Otherwise the
waits are a quarter as long, by the configuration file.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from chaos.network import Network
from farmkit import Built, Farm, differing, processes_with, snapshot, wait_for
from msgspec.structs import asdict

from dgcc.naming.deadlines import Deadlines
from dgcc.store.scratch import in_memory

FULL = os.environ.get("DGCC_CHAOS") == "full"
WAITS = Deadlines() if FULL else Deadlines(
    connect=1, call=5, bulk=10, probe=1, peer=1, answer=4, lease=3, late=1, look=2.5, goodbye=0.5
)  # fmt: skip


def _settings(waits: Deadlines) -> str:
    return "[deadlines]\n" + "".join(f"{name} = {value}\n" for name, value in asdict(waits).items())


def slow_project(place: Path, count: int, seconds: float = 0.3) -> None:
    """Compiles that take a while, so that trouble finds them under way (unless S=0), and a link of them at home."""
    place.mkdir(exist_ok=True)
    names = [f"f{i}" for i in range(count)]
    (place / "Makefile").write_text(
        f"S = {seconds}\n"
        f"all.o: {' '.join(n + '.o' for n in names)}\n\t$(LD) -r -o $@ $^\n"
        f"%.o: %.c shared.h\n\t$(CC) -g -c -o $@ $< && sleep $(S)\n"
    )
    (place / "shared.h").write_text("#define SHARED 1\n")
    for name in names:
        (place / f"{name}.c").write_text(f'#include "shared.h"\nint {name}(void) {{ return SHARED + __LINE__; }}\n')


def moving_project(place: Path, count: int, size: int) -> None:
    """Recipes that read and write `size` bytes each, by a rule that sends them to slaves: transfers to be cut."""
    place.mkdir(exist_ok=True)
    names = [f"m{i}" for i in range(count)]
    (place / "dgcc.toml").write_text('[[rule]]\ncommand = "dd"\nwhere = "remote"\ninputs = ["*.in"]\n')
    all_of_them = " ".join(f"{name}.out" for name in names)
    (place / "Makefile").write_text(f"all: {all_of_them}\n%.out: %.in\n\tdd if=$< of=$@ bs=1M status=none\n")
    for name in names:
        (place / f"{name}.in").write_bytes(os.urandom(size))


@dataclass
class Chaos:
    """A farm, and places for projects and for what its processes leave behind."""

    farm: Farm
    top: Path
    wanted: dict[str, Any] = field(default_factory=dict)

    @property
    def project(self) -> Path:
        """Where the project lies that is built."""
        return self.top / "project"

    @property
    def outputs(self) -> list[Path]:
        """The outputs that are there already."""
        return [*self.project.glob("f*.o"), *self.project.glob("m*.out")]

    def set_waits(self, **changed: float) -> None:
        """Change the waits of processes that are started from here on."""
        (self.farm.directory / ".config/dgcc/config.toml").write_text(_settings(WAITS.changed(changed)))

    def plan(self, make: Callable[..., None], *arguments: Any) -> None:
        """Make the project, and learn by a plain build in another place of the same path what is to come out."""
        make(self.project, *arguments)
        before = snapshot(self.project)
        assert self.farm.plain(self.project, "-j8", "S=0").code == 0
        self.wanted = snapshot(self.project)
        for path in self.wanted.keys() - before.keys():
            (self.project / path).unlink()

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[bytes]:
        """Start dgcc-master on the project."""
        return self.farm.start_master(self.project, *arguments, **more)

    def under_way(self, count: int = 1) -> None:
        """Wait until so many outputs are there."""
        wait_for(lambda: len(self.outputs) >= count, f"{count} outputs", 60)

    def survived(self, built: Built, *, code: int = 0, said: Sequence[str] = ()) -> None:
        """As `came_out`, and the farm is at rest."""
        self.came_out(built, code=code, said=said)
        self.slots_are_free()

    def came_out(self, built: Built, *, code: int = 0, said: Sequence[str] = ()) -> None:
        """The build came to the end that it should; `said` are words of its summary that name the trouble."""
        assert built.code == code, built.err
        assert "Traceback" not in built.err and "a mistake of" not in built.err, built.err
        if code == 0:
            assert differing(self.wanted, snapshot(self.project)) == set(), built.err
            assert built.jobs["failed"] == 0, built.err
        assert all(f["reason"] for f in built.report.get("fallbacks", [])), "a fallback without a reason"
        summary = "\n".join(built.err.splitlines()[-20:])
        for words in said:
            assert words in summary, f"not named in the summary: {words}\n{built.err}"
        assert not list(self.project.rglob(".dgcc*")), "temporary files are left in the tree"

    def status(self) -> dict[str, Any]:
        """What `dgcc status` says of the farm."""
        asked = self.farm.run("dgcc", "status", "--naming", self.farm.naming, *self.farm.how("desk"), "--json")
        return json.loads(asked.stdout) if asked.returncode == 0 else {"masters": [], "slaves": []}

    def slots_are_free(self, seconds: float = 20) -> None:
        """Every living slave has all slots free, keeps nothing and serves nobody."""
        alive = {name for name, process in self.farm.slaves.items() if process.poll() is None}

        def at_rest() -> bool:
            found = {slave["name"]: slave for slave in self.status()["slaves"]}
            return alive <= found.keys() and all(
                found[n]["idle"] == found[n]["slots"] > 0 == found[n]["waiting"] == found[n]["kept"]
                and not found[n]["masters"] for n in alive
            )  # fmt: skip

        wait_for(at_rest, f"all slots of {sorted(alive)} are free", seconds)


def _mounts(top: Path) -> set[str]:
    return {line for line in Path("/proc/self/mounts").read_text().splitlines() if str(top) in line}


def _sockets(top: Path) -> list[str]:
    listed = Path("/proc/net/unix").read_text().splitlines()
    return [line for line in listed if str(top) in line]


class Names:
    """omniNames at an address and with a log of one's own, which can be killed, and started anew without its log."""

    def __init__(self, top: Path, host: str = "127.0.0.1", prefix: Sequence[str] = ()) -> None:
        self.host, self.port, self._top, self._prefix = host, _free_port(), top, prefix
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        log = self._top / f"names-{time.monotonic_ns()}"
        log.mkdir()
        self.process = subprocess.Popen(
            [*self._prefix, "omniNames", "-start", str(self.port), "-logdir", str(log),
             "-ORBendPoint", f"giop:tcp:{self.host}:{self.port}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        service = f"NameService=corbaloc::{self.host}:{self.port}/NameService"
        ask = [*self._prefix, "nameclt", "-ORBInitRef", service, "list"]
        wait_for(lambda: subprocess.run(ask, capture_output=True).returncode == 0, "omniNames is up")

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def chaos(
    top: Path, *slaves: str, slots: int = 2, net: Network | None = None, waits: Deadlines = WAITS
) -> Iterator[Chaos]:
    """A farm with these slaves; when it has been stopped, nothing of it may be left.

    net: the masters and the naming service are on its first host, each slave on a further one.
    """
    directory = top / "farm"
    for name in ("run", "tmp", ".config/dgcc"):
        (directory / name).mkdir(parents=True, mode=0o700)
    (directory / ".config/dgcc/config.toml").write_text(_settings(waits))
    names = Names(top, "10.78.0.1", net.on(1)) if net else Names(top)
    try:
        made = Farm(names, directory)
        made.environment = {"XDG_RUNTIME_DIR": str(directory / "run"), "TMPDIR": str(directory / "tmp")}
        if net:
            made.on = {name: net.on(number) for number, name in enumerate(("master", *slaves), 1)}
        place = Chaos(made, top)
        try:
            made.start_slaves(*slaves, slots=slots)
            yield place
            _restart_killed(made)
        finally:
            if net:
                net.heal()
            made.stop_all()
    finally:
        names.kill()
    nothing_left(top)


def _restart_killed(farm: Farm) -> None:
    """What a slave that was killed has left, its next start on the same store removes; so each is started once more."""
    stores = {path.parent.name for path in (farm.directory / "store").glob("*/jobs")}
    living = {name for name, process in farm.slaves.items() if process.poll() is None}
    for name in stores - living:
        farm.slaves.pop(name, None)
    farm.start_slaves(*(stores - living))


def nothing_left(top: Path) -> None:
    """No process, mount, socket or temporary file of a farm in `top`, whose processes were all told to end."""
    farm = top / "farm"
    wait_for(lambda: not processes_with(str(farm)), "no process is left", 15)
    assert _mounts(top) == set(), "mounts are left"
    assert _sockets(farm) == []
    assert [path for name in ("run", "tmp") for path in (farm / name).iterdir()] == [], "temporary files are left"
    for store in farm.glob("store/*"):
        assert not in_memory(store / "jobs").exists(), f"scratch of {store.name} is left in memory"
        assert not list(store.glob("jobs/*")), f"scratch of {store.name} is left"


def family(process: subprocess.Popen[bytes] | psutil.Process) -> list[psutil.Process]:
    """All living processes below this one."""
    found = []
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(process.pid).children(recursive=True):
            if lives(child):
                found.append(child)
    return found


def lives(process: psutil.Process) -> bool:
    """Whether a process has not ended."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def jails_asleep(slave: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The keepers of a slave's jails whose job has come to its `sleep`."""
    return [jail for jail in psutil.Process(slave.pid).children() if any(_asleep(each) for each in family(jail))]


def _asleep(process: psutil.Process) -> bool:
    try:
        return bool(process.name() == "sleep")
    except psutil.Error:
        return False


def stopped_for(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Stop a process with all its threads, and let it go on after `seconds`, from a thread of its own."""
    process.send_signal(signal.SIGSTOP)
    threading.Timer(seconds, lambda: process.poll() is None and process.send_signal(signal.SIGCONT)).start()
