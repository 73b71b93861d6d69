"""The C programs that read bytes from others, under the address and undefined-behaviour sanitisers: the client what a
master says, the jail its spec."""

import os
import random
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from fuzz.bytefuzz import ROUNDS, SEED, broken

from dgcc.master import wire
from dgcc.master.wire import Kind
from dgcc.store.jailspec import Bind, JailSpec, Overlay

ANSWER_S = 10.0
NATIVE = Path(__file__).parents[2] / "dgcc" / "native"
_SANITISED = {"ASAN_OPTIONS": "exitcode=99:detect_leaks=0", "UBSAN_OPTIONS": "halt_on_error=1:exitcode=99"}


def _compile(made: Path, *what: Path) -> Path:
    command = [
        "gcc",
        "-std=gnu11",
        "-D_GNU_SOURCE",
        "-g",
        "-O1",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
        f"-I{NATIVE}",
        "-o",
        made,
        *what,
    ]
    subprocess.run(command, check=True)
    return made


# ---- the client ------------------------------------------------------------------------------------------------


class Master:
    """A socket that answers each client with bytes, and closes."""

    def __init__(self, path: Path) -> None:
        self.answer = b""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._listener.settimeout(60)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                try:
                    client.settimeout(ANSWER_S)
                    size, _ = wire.HEADER.unpack(client.recv(wire.HEADER.size, socket.MSG_WAITALL))
                    client.recv(size, socket.MSG_WAITALL)
                    client.sendall(self.answer)
                    client.shutdown(socket.SHUT_WR)
                    client.recv(100)
                except OSError:
                    continue

    def close(self) -> None:
        self._listener.close()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _compile(tmp_path_factory.mktemp("client") / "client", *sorted(NATIVE.glob("client*.c")))


def _run(client: Path, path: Path) -> subprocess.CompletedProcess[bytes]:
    env = {"DGCC_SOCKET": str(path), "PATH": "/usr/bin:/bin", **_SANITISED}
    return subprocess.run([client, "/bin/echo", "echo", "by itself"], env=env, capture_output=True, timeout=ANSWER_S)


def test_the_client_and_what_masters_say(client: Path, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    master = Master(path)
    dice = random.Random(SEED)
    answers = [
        wire.encode_output(1, b"from afar\n") + wire.encode_end(0, 0),
        wire.encode_end(3, 0),
        wire.encode_end(0, 15),
        wire.encode(Kind.LOCAL),
        wire.encode(Kind.CONFIRM),
        wire.encode_output(2, bytes(70_000)) + wire.encode_end(0, 0),
    ]
    for number in range(120 * ROUNDS):
        master.answer = broken(dice, dice.choice(answers))
        ended = _run(client, path)
        said = f"DGCC_FUZZ_SEED={SEED}, number {number}: {master.answer[:200]!r}: {ended.stderr[-2000:]!r}"
        assert ended.returncode != 99 and b"Sanitizer" not in ended.stderr and b"runtime error" not in ended.stderr, (
            said
        )
    master.close()


@pytest.mark.parametrize(
    "answer",
    [
        wire.encode(Kind.SIGNALED, bytes(4)),
        wire.encode(Kind.SIGNALED, b"\x7f\0\0\0"),
        wire.encode(Kind.SIGNALED, b"\x80\0\0\0"),
        wire.encode(Kind.SIGNALED, b"\x0f\0\0\1"),
        wire.encode(Kind.EXIT, b"\0\1\0\0"),
        wire.encode(Kind.EXIT, bytes(5)),
        wire.encode(Kind.LOCAL, b"x") + wire.encode_end(0, 0),
        wire.encode(Kind.STATUS, bytes(4)) + wire.encode_end(0, 0),
    ],
)
def test_an_end_that_makes_no_sense_is_no_success(answer: bytes, client: Path, tmp_path: Path) -> None:
    """The client runs the command by itself instead."""
    master = Master(tmp_path / "socket")
    master.answer = answer
    ended = _run(client, tmp_path / "socket")
    assert ended.stdout.endswith(b"by itself\n") and ended.returncode == 0, ended
    master.close()


@pytest.mark.parametrize("answer", [b"\xff\xff\xff\xff\x12and no more", b"\4\0\0\0"])
def test_an_answer_that_breaks_off_ends_as_the_master_did(answer: bytes, client: Path, tmp_path: Path) -> None:
    master = Master(tmp_path / "socket")
    master.answer = answer
    ended = _run(client, tmp_path / "socket")
    assert ended.returncode == -signal.SIGTERM and b"by itself" not in ended.stdout, ended
    master.close()


# ---- the jail's spec -------------------------------------------------------------------------------------------

_READER = r"""
#include "jail.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdnoreturn.h>
void fail(const char *what, const char *which, int error, const char *hint)
{
    (void)hint; (void)error;
    fprintf(stderr, "%s %s\n", what, which ? which : "");
    exit(3);
}
int main(void)
{
    struct spec spec = {.result_fd = 1};
    spec_read(&spec, 0);
    size_t sum = 0;
    for (char **word = spec.argv; *word; word++) sum += strlen(*word);
    for (char **word = spec.env; *word; word++) sum += strlen(*word);
    for (size_t i = 0; i < spec.mount_count; i++) {
        sum += strlen(spec.mounts[i].path);
        for (size_t j = 0; j < spec.mounts[i].from_count; j++) sum += strlen(spec.mounts[i].from[j]);
    }
    printf("%zu\n", sum);
    return 0;
}
"""


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("reader")
    (place / "reader.c").write_text(_READER)
    return _compile(place / "reader", place / "reader.c", NATIVE / "jail_spec.c")


def test_the_jails_spec(reader: Path) -> None:
    spec = JailSpec(
        scratch=Path("/scratch"),
        program=b"/bin/sh",
        argv=(b"sh", b"-c", b"true"),
        env=(b"A=b", b"PATH=/bin"),
        cwd=b"/home/u",
        hostname=b"somewhere",
        binds=(Bind(b"/etc/passwd", b"/x/passwd"), Bind(b"/l", b"/x/l", True)),
        overlays=(Overlay(b"/usr", (b"/e/1", b"/e/2"), False), Overlay(b"/home/u", (b"/m/tree",))),
        tmpfs=(b"/run",),
        rlimits=(("core", 0), ("nofile", 1024)),
    )
    good = spec.encode()
    dice = random.Random(SEED)
    outcomes = set()
    for number in range(200 * ROUNDS):
        data = broken(dice, good) if number else good
        if dice.random() < 0.5 and not data.endswith(b"\0end\0\0"):
            data += b"\0end\0\0"  # so that it is read to its end
        ended = subprocess.run(
            [reader], input=data, capture_output=True, timeout=ANSWER_S, env={**os.environ, **_SANITISED}
        )
        outcomes.add(ended.returncode)
        assert ended.returncode in (0, 3), f"DGCC_FUZZ_SEED={SEED}, number {number}: {data!r}: {ended.stderr.decode()}"
    assert outcomes == {0, 3}
