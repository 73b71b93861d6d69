"""What every test may rely on, whatever starts the tests: no make around them, and signals as a shell has them."""

import os
import signal
from pathlib import Path

for _name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MAKE_TERMOUT", "MAKE_TERMERR"):
    os.environ.pop(_name, None)
# A shell's background job ignores these, and what it starts would, too.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
# Python sets this for itself where the locale is C (PEP 538).
if not any(entry.startswith(b"LC_CTYPE=") for entry in Path("/proc/self/environ").read_bytes().split(b"\0")):
    os.environ.pop("LC_CTYPE", None)
