"""The one way in which reading a recipe ends early: it stays at home, and this says why."""


class StaysHome(Exception):
    """A recipe is not fit to travel.

    The message is one short human sentence without a full stop; it reaches the user as the verdict's reason.
    """


def show(text: bytes, limit: int = 100) -> str:
    """Return `text` as printable characters of at most about `limit`, for use in a reason."""
    printable = text[: limit + 1].decode("utf-8", "replace")
    if not printable.isprintable():
        printable = "".join(c if c.isprintable() else "?" for c in printable)
    return printable if len(text) <= limit else printable[:limit] + "..."
