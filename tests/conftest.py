"""What every test may rely on, whatever starts the tests: no make around them, and signals as a shell has them."""

import os
import signal

for _name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MAKE_TERMOUT", "MAKE_TERMERR"):
    os.environ.pop(_name, None)
# A shell's background job ignores these, and what it starts would, too.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
