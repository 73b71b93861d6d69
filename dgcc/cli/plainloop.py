"""Imports asyncio without ssl, for programs that start often: it takes 7 ms, and TLS is omniORB's matter here.

asyncio itself provides for a Python without ssl. Who imports ssl later gets it as ever.
"""

import sys

if "ssl" not in sys.modules and "asyncio" not in sys.modules:
    sys.modules["ssl"] = None  # type: ignore[assignment]
    try:
        import asyncio  # noqa: F401
    finally:
        del sys.modules["ssl"]
