"""What tests of environments share: a compiler that is a script, and environments laid out in a directory."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from dgcc.master.environment.environments import Environments
from dgcc.store.cache import DigestCache
from dgcc.store.entry import Kind
from dgcc.store.environment import layer_name

Make = Callable[..., Environments]
ENVIRON = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "xterm"}


def environments_in(kept: Path, clock: Callable[[], float] | None = None, **environ: str) -> Environments:
    """Environments that keep what they learn in `kept`."""
    cache = DigestCache(kept / "digests.sqlite")
    more = {"clock": clock} if clock is not None else {}
    return Environments(cache, {**ENVIRON, **environ}, answers=kept / "answers", **more)


def lay_out(environments: Environments, key: bytes, root: bytes) -> None:
    """Make the entries of an environment in the directory `root`, which may have those of others already."""
    environment = environments.entries(layer_name(key))
    assert environment is not None
    for entry in environment.entries:
        path = root + b"/" + entry.path
        if entry.kind is Kind.DIRECTORY:
            os.makedirs(path, exist_ok=True)
        elif entry.kind is Kind.SYMLINK:
            if not os.path.islink(path):
                os.symlink(entry.link, path)
        elif not os.path.exists(path):
            places = [(index, place) for index in environments.indexes for place in index.paths(entry.digest)]
            index, place = places[0]
            shutil.copyfile(os.path.join(index.root, place), path)
            os.chmod(path, entry.mode)


_FAKE = """#!/bin/sh
# {remark}
for word; do
    case $word in
    -print-search-dirs) echo "libraries: =/nowhere:{place}/lib"; exit ;;
    -print-file-name=*) ls {place}/lib/"${{word#*=}}" 2>&1; exit ;;
    -print-resource-dir) echo /nowhere; exit ;;
    -print-*) echo "${{word#*=}}"; exit ;; esac
done
cat >&2 <<END
clang version 99
Found candidate GCC installation: {place}/installed/12
ignoring nonexistent directory "{place}/later"
#include "..." search starts here:
#include <...> search starts here:
 {place}/headers
$([ ! -d {place}/later ] || echo " {place}/later")
End of search list.
END
"""


class FakeCompiler:
    """A compiler that is a script, with headers in a directory of its own."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.headers = place / "headers"
        (self.headers / "sub").mkdir(parents=True)
        (self.headers / "a.h").write_text("#define A 1\n")
        (self.headers / "sub/b.h").write_text("#define B 1\n")
        (self.headers / "link.h").symlink_to("a.h")
        (place / "installed/12").mkdir(parents=True)
        (place / "installed/12/crtbegin.o").write_text("an object")
        self.driver = place / "gcc"
        self.upgrade("first")

    def upgrade(self, remark: str) -> None:
        """Replace it, as a package manager does."""
        new = self.place / "gcc.new"
        new.write_text(_FAKE.format(remark=remark, place=self.place))
        new.chmod(0o755)
        os.replace(new, self.driver)
