"""DGCC, a compile farm: run a project's Makefile on every free CPU of the network."""

__version__ = "0.1.0"
