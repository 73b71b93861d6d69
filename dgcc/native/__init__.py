"""The C parts: hook, client and jail, and how they are built."""
