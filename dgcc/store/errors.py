"""The errors of the store, each a type of its own, so that the caller's policy can follow from the type."""

import os


def shown(path: bytes) -> str:
    """A path as text for a message: undecodable bytes and control characters are escaped."""
    text = os.fsdecode(path).encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class StoreError(Exception):
    """Base of all errors of the store."""


class BadPath(StoreError):
    """A path that no entry may have, or that would lead through something that is not a directory."""


class BadEntry(BadPath):
    """What is said to lie at a path cannot: it has a mode, size, digest or link that nothing has."""


class BadDigest(StoreError):
    """Content does not have the digest that it was sent under."""


class BadVersion(StoreError):
    """A version was asked for that the layer never had."""


class UnknownLayer(StoreError):
    """The source holds no layer of this name."""


class UnknownBlob(StoreError):
    """Nobody here has content of this digest (any more)."""

    def __init__(self, digest: bytes) -> None:
        super().__init__(f"no content with digest {digest.hex()}")
        self.digest = digest


class StoreBusy(StoreError):
    """Another process uses this directory."""


class WatchError(StoreError):
    """The tree cannot be watched; the message says what to change."""


class BadPattern(StoreError):
    """A pattern of files to be ignored makes no sense; the message says what to do."""


class TreeTooLarge(StoreError):
    """A root holds more than it may; the message says how to narrow it."""


class WriteBackError(StoreError):
    """An output of a job cannot be written at home."""

    def __init__(self, path: bytes, reason: str) -> None:
        super().__init__(f"{shown(path)}: {reason}")
        self.path = path
        self.reason = reason


class BadOutput(WriteBackError):
    """An output is not what it is said to be, or not where it may be: whoever sent it is to blame."""


