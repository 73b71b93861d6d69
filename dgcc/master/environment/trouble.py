"""What goes wrong with environments, as a type."""

from dgcc.store.errors import StoreError


class EnvironmentTrouble(StoreError):
    """A compiler or program cannot be sent; the message is one sentence that says which, and why."""
