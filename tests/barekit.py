"""A host with nothing on it but Python and DGCC: no shell, no compiler, no /usr/include; for slaves of tests.

It exists only as mounts of one process: this file, run as a program, makes them, goes to live in there and becomes
the given command. When that ends, nothing is left. Needs root, but the command can be an ordinary user's.
"""

import ctypes
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

_TOP = Path(__file__).resolve().parents[1]
_PACKAGES = ("msgspec", "pathspec", "psutil", "zstandard")  # what setup.cfg says that DGCC needs, and no more
_SITE = "opt/dgcc/lib/python{}.{}/site-packages".format(*sys.version_info[:2])
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_PYTHON = os.path.realpath(sys.executable)

SLAVE = "/opt/dgcc/bin/dgcc-slave"
PYTHON = "/opt/dgcc/bin/python"

_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
_CLONE_NEWNS = 0x00020000
_MNT_DETACH = 2


def command(place: Path, argv: Sequence[str], *, store: Path | None = None, user: int | None = None) -> list[str]:
    """The command that runs `argv` on a bare host.

    place: an empty directory, or none yet, over which the host is mounted, unseen by others. store: a directory
    that the host shares with this one, at the same path. user: whom the command runs as, by default root. The
    network is this host's; the environment is what the command is given, so that should be little.
    """
    place.mkdir(parents=True, exist_ok=True)
    if store:
        store.mkdir(parents=True, exist_ok=True)
        if user is not None:
            os.chown(store, user, user)
    order = {
        "place": str(place),
        "argv": list(argv),
        "store": str(store) if store else None,
        "user": user,
        "packages": str(_site_packages()),
        "libraries": _libraries(),
    }
    return [sys.executable, "-I", __file__, json.dumps(order)]


@functools.cache
def _site_packages() -> Path:
    return Path(sysconfig.get_path("purelib"))


@functools.cache
def _libraries() -> list[str]:
    """The shared libraries of everything that is on a bare host, and the loader, by the loader's own answer."""
    objects = [Path(_PYTHON), *Path(sysconfig.get_path("stdlib")).glob("lib-dynload/*.so")]
    for top in (_TOP / "dgcc", *(_site_packages() / name for name in _PACKAGES)):
        objects += top.rglob("*.so")
    answer = subprocess.run(["ldd", *objects], env={"LC_ALL": "C"}, capture_output=True, text=True, check=True)
    assert "not found" not in answer.stdout, answer.stdout
    return sorted(set(re.findall(r"(?:=> |^\t)(/\S+) \(0x", answer.stdout, re.MULTILINE)))


class _Host:
    """The mounts of one bare host, made from outside, below `place`."""

    def __init__(self, place: str) -> None:
        self._top = place
        self._libc = ctypes.CDLL(None, use_errno=True)

    def make(self, order: dict) -> None:
        """Mount everything; the process is in there afterwards."""
        self._call("unshare", _CLONE_NEWNS)
        self._mount("", "/", "", _MS_REC | _MS_PRIVATE)
        self._mount("bare", self._top, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=755")
        self._python(Path(order["packages"]), order["libraries"])
        self._devices()
        for name in ("tmp", "dev/shm"):
            self._mount("bare", self._new(name), "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=1777")
        self._mount("proc", self._new("proc"), "proc", 0)
        if order["store"]:
            self._bind(order["store"], order["store"], writable=True)
        self._call("chdir", self._top.encode())
        self._mount("", self._top, "", _MS_REMOUNT | _MS_BIND | _MS_RDONLY)
        self._call("pivot_root", b".", b".")
        self._call("umount2", b".", _MNT_DETACH)
        os.chdir("/")

    def _python(self, packages: Path, libraries: list[str]) -> None:
        """An installation as pip makes it, in /opt/dgcc."""
        for name in ("bin", "lib", "lib64"):
            if os.path.islink(f"/{name}"):
                os.makedirs(self._at(f"usr/{name}"))
                os.symlink(f"usr/{name}", self._at(name))
        for file in (_PYTHON, *libraries):
            inside = self._at(file)
            os.makedirs(os.path.dirname(inside), exist_ok=True)
            shutil.copy(file, inside)
        standard = sysconfig.get_path("stdlib")
        self._bind(standard, standard)
        self._bind(str(_TOP / "dgcc"), f"{_SITE}/dgcc")
        for name in _PACKAGES:
            self._bind(str(packages / name), f"{_SITE}/{name}")
        os.makedirs(self._at("opt/dgcc/bin"))
        os.symlink(_PYTHON, self._at(PYTHON))
        self._write("opt/dgcc/pyvenv.cfg", f"home = {os.path.dirname(_PYTHON)}\ninclude-system-site-packages = false\n")
        starter = f"#!{PYTHON}\nimport sys\nfrom dgcc.cli.slave import main\nsys.exit(main())\n"
        os.chmod(self._write(SLAVE, starter), 0o755)

    def _devices(self) -> None:
        for name in _DEVICES:
            self._bind(f"/dev/{name}", f"dev/{name}", writable=True)
        self._mount("devpts", self._new("dev/pts"), "devpts", 0, "newinstance,ptmxmode=0666,mode=620")
        os.symlink("pts/ptmx", self._at("dev/ptmx"))

    def _at(self, path: str) -> str:
        return f"{self._top}/{path.lstrip('/')}"

    def _new(self, path: str) -> str:
        os.makedirs(self._at(path))
        return self._at(path)

    def _write(self, path: str, text: str) -> str:
        Path(self._at(path)).write_text(text)
        return self._at(path)

    def _bind(self, source: str, path: str, *, writable: bool = False) -> None:
        inside = self._at(path)
        if os.path.isdir(source):
            os.makedirs(inside)
        else:
            os.makedirs(os.path.dirname(inside), exist_ok=True)
            Path(inside).touch()
        self._mount(source, inside, "", _MS_BIND)
        if not writable:
            self._mount("", inside, "", _MS_REMOUNT | _MS_BIND | _MS_RDONLY)

    def _mount(self, source: str, target: str, kind: str, flags: int, data: str = "") -> None:
        self._call("mount", *(word.encode() for word in (source, target, kind)), flags, data.encode())

    def _call(self, name: str, *arguments: bytes | int) -> None:
        if getattr(self._libc, name)(*(ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments)) < 0:
            number = ctypes.get_errno()
            sys.exit(f"barekit: {name}{arguments}: {os.strerror(number)}; a bare host needs root's capabilities")


def _main() -> None:
    order = json.loads(sys.argv[1])
    _Host(order["place"]).make(order)
    if order["user"] is not None:
        os.setgroups([])
        os.setgid(order["user"])
        os.setuid(order["user"])
    os.execv(order["argv"][0], order["argv"])


if __name__ == "__main__":
    _main()
