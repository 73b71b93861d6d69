"""What slaves do on disk and in jails once more as an ordinary user, whose files are all that it can change."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from anybody import open_to_all, readable_copy

USER = 12346  # any will do: it needs no entry in /etc/passwd

if os.geteuid() == 0:  # an ordinary user's own run of the tests is this already

    def test_everything_as_an_ordinary_user() -> None:
        top = Path(__file__).resolve().parents[2]
        python, more = sys.executable, {}
        with tempfile.TemporaryDirectory(prefix="dgcc-slave-") as name:
            if not open_to_all(top):
                Path(name).chmod(0o755)
                top, python, more = Path(name), "/usr/bin/python3", readable_copy(Path(name))
            done = subprocess.run(
                ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs", python, "-m",
                 "pytest", "-p", "no:cacheprovider", "--durations=8", str(top / "tests/slave")],
                cwd=top, capture_output=True, text=True,
                env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1", **more},
            )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert " passed" in done.stdout.splitlines()[-1]
