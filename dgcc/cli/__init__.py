"""The command line programs."""

import signal

# Until a program has set up its own handling, Ctrl-C ends it as it ends any other, without a traceback.
signal.signal(signal.SIGINT, signal.SIG_DFL)
