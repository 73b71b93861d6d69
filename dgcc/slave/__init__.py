"""The slave: one process per build host, running jobs for masters."""
