"""A real driver under the hook, with a fake master behind the real client socket."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dgcc.master.clients import Client, ClientServer
from dgcc.master.driver import CLIENT, HOOK, driver_environment
from dgcc.master.wire import Request

Answer = Callable[[Client, Request], None]

# Whatever runs these tests may itself be a make.
_OF_AN_OUTER_MAKE = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MAKE_TERMOUT", "MAKE_TERMERR"}


def plain_environment(**more: str) -> dict[str, str]:
    """Our environment without what an outer make put there."""
    kept = {name: value for name, value in os.environ.items() if name not in _OF_AN_OUTER_MAKE}
    return {**kept, "LC_ALL": "C.UTF-8", **more}


def run_local(client: Client, request: Request) -> None:
    """The verdict of most tests."""
    client.run_local()


@dataclass
class Master:
    """Answers every request with `answer`, and keeps what it was told."""

    answer: Answer = run_local
    requests: list[Request] = field(default_factory=list)
    pids: list[int] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    gone: list[Client] = field(default_factory=list)
    local_ends: list[int] = field(default_factory=list)
    confirmed: list[tuple[int, int]] = field(default_factory=list)
    failed: list[tuple[int, int]] = field(default_factory=list)
    usage: list[tuple[int, float, int]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)  # how many requests there had been at the beginning of each

    def on_batch(self) -> None:
        self.batches.append(len(self.requests))

    def on_request(self, client: Client, request: Request) -> None:
        self.requests.append(request)
        self.pids.append(client.pid)
        self.clients.append(client)
        self.answer(client, request)

    def on_gone(self, client: Client) -> None:
        self.gone.append(client)

    def on_local_end(self, client: Client) -> None:
        self.local_ends.append(client.pid)

    def on_confirmed(self, client: Client, wait_status: int) -> None:
        self.confirmed.append((client.pid, wait_status))

    def on_failed(self, pid: int, wait_status: int) -> None:
        self.failed.append((pid, wait_status))

    def on_usage(self, pid: int, cpu_s: float, memory: int) -> None:
        self.usage.append((pid, cpu_s, memory))


@dataclass
class Outcome:
    """What a driver did, and what the master saw of it."""

    code: int
    out: str
    err: str
    master: Master

    @property
    def targets(self) -> list[str]:
        """The targets of the recipes seen, in order of their names."""
        return sorted(request.target.decode() for request in self.master.requests)

    @property
    def lines(self) -> list[str]:
        """What the recipes seen would execute, without the shell: sorted."""
        return sorted(b" ".join(request.argv[-1:] if is_shell(request) else request.argv).decode()
                      for request in self.master.requests)


def is_shell(request: Request) -> bool:
    """Whether make gave the recipe to a shell."""
    return os.path.basename(request.program) in (b"sh", b"bash", b"dash")


def hooked(environment: Mapping[str, str], socket_path: Path) -> dict[str, str]:
    """The environment in which the driver is started."""
    return driver_environment(
        ["make"], [], environment, socket_path=socket_path, hook=HOOK, client=CLIENT, jobs=1
    )


async def drive(
    cwd: Path, command: Sequence[str], master: Master, server: ClientServer,
    environment: Mapping[str, str] | None = None, merge: bool = False,
) -> Outcome:
    """Run a driver to its end under an open server."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=hooked(environment or plain_environment(), server.path),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT if merge else asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    # The last local end and failure report come by other descriptors than the driver's end.
    for _ in range(3):
        await asyncio.sleep(0.005)
    assert process.returncode is not None
    return Outcome(process.returncode, out.decode(), (err or b"").decode(), master)


def build(
    cwd: Path, *command: str, answer: Answer = run_local,
    environment: Mapping[str, str] | None = None, merge: bool = False,
) -> Outcome:
    """Run a driver to its end under a master of its own."""

    async def run() -> Outcome:
        master = Master(answer)
        server = ClientServer(master)
        await server.start()
        try:
            return await drive(cwd, command, master, server, environment, merge)
        finally:
            await server.close()
            assert server.refused == 0

    return asyncio.run(run())


def write(directory: Path, **files: str) -> None:
    """Write files into a directory; a `__` in a name stands for a dot, `___` for a slash."""
    for name, text in files.items():
        path = directory / name.replace("___", "/").replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if text.startswith("#!"):
            path.chmod(0o755)
