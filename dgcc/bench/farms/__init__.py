"""The farms that are compared, each in a file: how its daemons are started, and how a build uses it."""
