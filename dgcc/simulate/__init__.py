"""The simulator: recorded builds on farms that nobody has, decided by the real Overseer. See __main__.py."""
