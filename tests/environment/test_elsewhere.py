"""An environment laid out in an empty directory is all that a compile there needs, and the object is that of home."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from environment.environmentkit import environments_in, lay_out

from dgcc.master.verdict.needs import Needs, Toolchain

_C = '#include <math.h>\n#include <stdio.h>\nint main(int c, char **v) { printf("%f\\n", pow(c, 2.5)); return 0; }\n'
_CXX = """#include <iostream>
#include <thread>
#include <vector>
int main() { std::vector<int> v(3); std::thread t([] {}); t.join(); std::cout << v.size() << std::endl; }
"""
_COMMANDS = """
cc -O2 -g -c a.c -o c.o
g++ -O2 -g -c a.cc -o cc.o
cc -S -flto -frandom-seed=1 a.c -o lto.s
c99 -c a.c -o c99.o
cc -o first c.o -lm && ./first > first.out
g++ -o second cc.o -pthread && ./second > second.out
cc -flto -frandom-seed=1 -O2 -o third a.c -lm
ar rcD all.a c.o cc.o && nm all.a > names.out
cc -finput-charset=latin1 -c latin.c -o latin.o
TZ=Asia/Tokyo date -d @0 > date.out
find . -name 'a.*' | sort | xargs grep -c int | sed s/:/=/ | awk -F= '{print $2}' > tools.out
bash -c 'printf %s "${BASH_VERSINFO[0]}"' > bash.out
"""


_PATH = "/usr/local/bin:/usr/bin:/bin"


def _room() -> str | None:
    """A file system in memory that has room for some hundred megabytes of programs, and lets them run."""
    try:
        space = os.statvfs("/dev/shm")
    except OSError:
        return None
    return "/dev/shm" if space.f_bavail * space.f_frsize > 1 << 30 and not space.f_flag & os.ST_NOEXEC else None


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, kept: Path) -> Iterator[Path]:
    """A directory that holds the environments of gcc, and nothing else but /tmp and /dev/null."""
    place = Path(tempfile.mkdtemp(dir=_room() or tmp_path_factory.mktemp("elsewhere")))
    environments = environments_in(kept)
    try:
        for key in environments.prepare(Needs((Toolchain(b"/usr/bin/gcc"),), links=True)):
            lay_out(environments, key, os.fsencode(place))
    finally:
        environments.close()
    (place / "tmp").mkdir()
    (place / "dev").mkdir()
    (place / "dev/null").write_bytes(b"")
    yield place
    shutil.rmtree(place)


def run_there(root: Path, *command: str, cwd: str = "/") -> subprocess.CompletedProcess[str]:
    """Run a command with `root` as its root directory."""
    as_root = [] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user"]
    chroot = shutil.which("chroot", path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert chroot is not None
    entered = ["/usr/bin/env", "-i", f"--chdir={cwd}", f"PATH={_PATH}", "LC_ALL=C.UTF-8", *command]
    return subprocess.run([*as_root, chroot, root, *entered], capture_output=True, text=True, check=False)


def fill(place: Path) -> None:
    place.mkdir(parents=True)
    (place / "a.c").write_text(_C)
    (place / "a.cc").write_text(_CXX)
    (place / "latin.c").write_bytes(b'char text[] = "\xe9";\n')


def test_what_is_made_elsewhere_is_what_is_made_at_home(root: Path, tmp_path: Path) -> None:
    here = tmp_path / "work"
    there = root / here.relative_to("/")  # the same path, as it shows in debug information
    fill(here)
    fill(there)
    env = {"PATH": _PATH, "LC_ALL": "C.UTF-8"}
    at_home = subprocess.run(["sh", "-exc", _COMMANDS], cwd=here, env=env, capture_output=True, text=True, check=False)
    elsewhere = run_there(root, "sh", "-exc", _COMMANDS, cwd=str(here))
    assert at_home.returncode == 0, at_home.stderr
    assert elsewhere.returncode == 0, elsewhere.stderr
    made = sorted(path.name for path in here.iterdir())
    assert made == sorted(path.name for path in there.iterdir())
    assert len(made) > 15
    for name in made:
        assert (here / name).read_bytes() == (there / name).read_bytes(), name


def test_a_mistake_is_told_in_the_same_words(root: Path, tmp_path: Path) -> None:
    for place in (tmp_path / "wrong", root / "wrong"):
        place.mkdir()
        (place / "w.c").write_text('#include "absent.h"\nint f(void) { return x }\n')
    command = ["g++", "-Wall", "-fdiagnostics-color=always", "-c", "w.c"]
    at_home = subprocess.run(
        command, cwd=tmp_path / "wrong", env={"LC_ALL": "C.UTF-8", "PATH": _PATH}, capture_output=True, text=True
    )
    elsewhere = run_there(root, *command, cwd="/wrong")
    assert (elsewhere.returncode, elsewhere.stderr) == (at_home.returncode, at_home.stderr)
    assert "absent.h" in elsewhere.stderr
