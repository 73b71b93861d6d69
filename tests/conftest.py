"""What every test may rely on, whatever starts the tests: no make around them, and signals as a shell has them."""

import atexit
import os
import shutil
import signal
import tempfile
from pathlib import Path

from hypothesis import settings

# On a busy machine an example may take as long as it likes.
settings.register_profile("busy", parent=settings.default, deadline=None)
settings.load_profile("busy")
for _name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MAKE_TERMOUT", "MAKE_TERMERR"):
    os.environ.pop(_name, None)
# What masters learn is not taken from the user's own builds, nor left among it.
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="dgcc-test-cache-")
atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)
# A shell's background job ignores these, and what it starts would, too.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
# Python sets this for itself where the locale is C (PEP 538).
if not any(entry.startswith(b"LC_CTYPE=") for entry in Path("/proc/self/environ").read_bytes().split(b"\0")):
    os.environ.pop("LC_CTYPE", None)
