"""For programs that start often: imported first, it makes the loading of the rest quick; who imports it calls `loaded`.

Python's collector of garbage, which finds none then, takes 8 ms. asyncio is imported without ssl: that takes 7 ms, and
TLS is omniORB's matter here. asyncio itself provides for a Python without it; who imports ssl later gets it as ever.
"""

import gc
import sys

gc.disable()


def loaded() -> None:
    """Collect garbage from here on."""
    gc.enable()


if "ssl" not in sys.modules and "asyncio" not in sys.modules:
    sys.modules["ssl"] = None  # type: ignore[assignment]
    try:
        import asyncio  # noqa: F401
    finally:
        del sys.modules["ssl"]
