"""All tests of the jail once more as an ordinary user, whose jails stand on user namespaces alone."""

import os
import subprocess
import sys
from pathlib import Path

from anybody import as_user

USER = 12345  # any will do: it needs no entry in /etc/passwd

if os.geteuid() == 0:  # an ordinary user's own run of the tests is this already

    def test_everything_as_an_ordinary_user() -> None:
        here = Path(__file__).parent
        done = subprocess.run(
            [*as_user(USER), "--no-new-privs",
             sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--durations=8", str(here)],
            cwd=here.parents[1], capture_output=True, text=True,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert " passed" in done.stdout.splitlines()[-1]
