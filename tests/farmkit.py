"""A real farm for tests: omniNames, slaves and masters as processes, and trees to compare afterwards."""

import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import barekit
import pytest
import warmstore
from anybody import as_user

from dgcc.naming.server import OwnNames
from dgcc.store.scratch import in_memory

BIN = Path(sys.executable).parent
TOP = Path(__file__).resolve().parents[1]


def needs_root(what: str) -> None:
    """Skip the test where it is not run by root, saying what it lacks."""
    if os.geteuid() != 0:
        pytest.skip(f"needs root: {what}")


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 20.0) -> Any:
    """Wait until `condition()` is true and return its value; fail after `seconds`, naming `what`."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"after {seconds} s still not: {what}")


@dataclass
class Built:
    """A finished dgcc-master."""

    code: int
    out: str
    err: str
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def jobs(self) -> dict[str, int]:
        """The report's counts."""
        return dict(self.report["jobs"])


@dataclass
class Farm:
    """One naming service with slaves, run as `user` (a numeric id) if that is given."""

    names: Any  # an OwnNames, or what else has `host` and `port`
    directory: Path
    user: int | None = None
    trust: Path | None = None  # certificates by name, for a farm with TLS; the master's is `desk`
    slaves: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)  # what every process has besides
    on: dict[str, list[str]] = field(default_factory=dict)  # by slave, or "master": the prefix of its commands
    _reports: dict[int, Path] = field(default_factory=dict)  # of each master, by process id

    @property
    def naming(self) -> str:
        """The naming service's address for --naming."""
        return f"{self.names.host}:{self.names.port}"

    def _env(self) -> dict[str, str]:
        environment = dict(os.environ, HOME=str(self.directory), XDG_CACHE_HOME=str(self.directory / "cache"))
        environment.pop("MAKEFLAGS", None)
        environment.pop("MAKELEVEL", None)
        return {**environment, **self.environment}

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of DGCC's commands to its end."""
        whole = [*self.on.get("master", []), str(BIN / command), *arguments]
        return subprocess.run(whole, env=self._env(), capture_output=True, text=True, timeout=60)

    def _popen(self, command: list[str], **more: Any) -> subprocess.Popen[bytes]:
        environment = {**self._env(), **more.pop("env", {})}
        if self.user is not None:
            command = [*as_user(self.user), *command]
        command = [*self.on.get(more.pop("host", "master"), []), *command]
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True, **more)

    def _popen_bare(self, argv: list[str], store: Path, **more: Any) -> subprocess.Popen[bytes]:
        host = self.directory / "hosts" / store.name
        command = barekit.command(host, argv, store=store, user=self.user)
        return subprocess.Popen(command, env={"HOME": "/tmp"}, stdin=subprocess.DEVNULL, start_new_session=True, **more)

    def how(self, name: str) -> list[str]:
        """The options by which a member speaks with the farm."""
        if self.trust is not None:
            return ["--tls", str(self.trust / name)]
        return [] if self.names.host.startswith("127.") else ["--insecure"]

    def log(self, name: str) -> str:
        """What a slave has said so far."""
        return (self.directory / f"{name}.log").read_text()

    def start_slave(
        self, name: str, *more: str, slots: int = 1, bare: bool = False, warm: bool = True
    ) -> subprocess.Popen[bytes]:
        """Start a slave and wait until it is bound. bare: on a host with nothing but Python and DGCC (barekit).

        warm: with the environments that earlier farms of this test run have brought to their slaves.
        """
        bound = self._launch(name, *more, slots=slots, bare=bare, warm=warm)
        bound()
        return self.slaves[name]

    def start_slaves(self, *names: str, slots: int = 1, bare: bool = False) -> None:
        """Start slaves at the same time, and wait until all are bound."""
        for bound in [self._launch(name, slots=slots, bare=bare, warm=True) for name in names]:
            bound()

    def _launch(self, name: str, *more: str, slots: int, bare: bool, warm: bool) -> Callable[[], None]:
        """Start a slave; what is returned waits until it is bound."""
        store = self.directory / "store" / name
        if warm:
            warmstore.warm(self.directory, name, self.user)
        arguments = ["--naming", self.naming, "--name", name, "--slots", str(slots), "--store", str(store),
                     "--owner-load", "off",  # whatever else is going on here, beside the tests
                     *self.how(name), *more]  # fmt: skip
        with (self.directory / f"{name}.log").open("ab") as log:
            before = log.tell()
            if bare:
                process = self._popen_bare([barekit.SLAVE, *arguments], store, stdout=log, stderr=log)
            else:
                process = self._popen([str(BIN / "dgcc-slave"), *arguments], host=name, stdout=log, stderr=log)
        self.slaves[name] = process
        up = f"slave '{name}' offers"

        def bound() -> None:
            wait_for(lambda: up in self.log(name)[before:] or process.poll() is not None, f"{name} is up")
            assert process.poll() is None, self.log(name)

        return bound

    def stop_slave(self, name: str, number: int = signal.SIGTERM) -> int:
        """End a slave and return its exit status."""
        process = self.slaves.pop(name)
        if process.poll() is None:
            process.send_signal(number)
        return process.wait(20)

    def stop_all(self) -> None:
        """End all slaves, stopped ones as well, and keep what they have of environments."""
        for process in self.slaves.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self.slaves.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        warmstore.keep(self.directory, self.user)

    def start_master(self, cwd: Path, *arguments: str, naming: bool = True, **more: Any) -> subprocess.Popen[bytes]:
        """Start dgcc-master in `cwd`, for `finish`."""
        report = self.directory / f"report-{len(self._reports)}.json"
        report.unlink(missing_ok=True)
        # -v, so that a failing test shows why each recipe went where it went; every line begins with "dgcc: ".
        command = [str(BIN / "dgcc-master"), "-v", "--report", str(report)]
        if naming:
            command += ["--naming", self.naming, *self.how("desk")]
        master = self._popen([*command, *arguments], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
        self._reports[master.pid] = report
        return master

    def finish(self, master: subprocess.Popen[bytes], seconds: float = 300) -> Built:
        """Wait for a master started by start_master."""
        try:
            out, err = master.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            said = (error.stderr or b"").decode(errors="replace")[-5000:]
            raise AssertionError(f"after {seconds} s the build has not ended; its last words:\n{said}") from error
        path = self._reports[master.pid]
        report = json.loads(path.read_text()) if path.exists() else {}
        return Built(master.returncode, out.decode(), err.decode(), report)

    def master(self, cwd: Path, *arguments: str, **more: Any) -> Built:
        """Run dgcc-master in `cwd`."""
        return self.finish(self.start_master(cwd, *arguments, **more))

    def plain(self, cwd: Path, *arguments: str, driver: str = "make", **more: Any) -> Built:
        """Run plain make in `cwd`, in the same environment."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = self._popen([driver, *arguments], cwd=cwd, **pipes, **more)
        out, err = process.communicate(timeout=1800)
        return Built(process.returncode, out.decode(), err.decode())

    def give(self, path: Path) -> None:
        """Hand a tree to the farm's user."""
        if self.user is not None:
            subprocess.run(["chown", "-R", f"{self.user}:{self.user}", str(path)], check=True)


@contextmanager
def farm(directory: Path, *slaves: str, slots: int = 1, user: int | None = None, bare: bool = False) -> Iterator[Farm]:
    """A farm with these slaves, `bare` or not, in `directory`; everything is stopped at the end."""
    directory.mkdir(parents=True, exist_ok=True)
    with OwnNames() as names:
        made = Farm(names, directory, user)
        made.give(directory)
        try:
            made.start_slaves(*slaves, slots=slots, bare=bare)
            yield made
        finally:
            made.stop_all()
            # What a slave that was killed has left in memory, its next start would remove.
            for store in directory.glob("store/*"):
                shutil.rmtree(in_memory(store / "jobs", uid=user), ignore_errors=True)


def snapshot(top: Path) -> dict[str, tuple[Any, ...]]:
    """Every path below `top`: its kind, mode, and content's digest or link's target."""
    found: dict[str, tuple[Any, ...]] = {}
    for directory, names, files in os.walk(top):
        for name in names + files:
            path = Path(directory) / name
            status = path.lstat()
            shown = str(path.relative_to(top))
            if stat.S_ISLNK(status.st_mode):
                found[shown] = ("link", os.readlink(path))
            elif stat.S_ISDIR(status.st_mode):
                found[shown] = ("directory", stat.S_IMODE(status.st_mode))
            else:
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                found[shown] = ("file", stat.S_IMODE(status.st_mode), digest)
    return found


def differing(a: dict[str, Any], b: dict[str, Any]) -> set[str]:
    """The paths at which two snapshots differ."""
    return {path for path in a.keys() | b.keys() if a.get(path) != b.get(path)}


def fresh_copy(pristine: Path, place: Path) -> None:
    """Make `place` an exact copy of `pristine`, whatever was there."""
    shutil.rmtree(place, ignore_errors=True)
    subprocess.run(["cp", "-a", str(pristine), str(place)], check=True)


def source(name: str, directory: Path) -> Path:
    """Unpack a Debian source package."""
    subprocess.run([str(TOP / ".ci" / "source"), name, str(directory)], check=True)
    return directory


def source_version(name: str) -> str:
    """The version of a Debian source package that `source` has unpacked."""
    (description,) = (TOP / ".cache" / "sources" / name).glob("*.dsc")
    return description.stem.partition("_")[2]


def processes_with(word: str) -> list[str]:
    """The command lines of all processes that have `word` in theirs or in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
                if word.encode() in command or word.encode() in (entry / "environ").read_bytes():
                    found.append(command.replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue
    return found
