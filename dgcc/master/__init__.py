"""The master: one process per build, in the project directory."""
