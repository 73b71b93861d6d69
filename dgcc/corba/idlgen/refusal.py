"""What the mapping of this project does not cover, said with file and line. Runs in omniidl's own Python."""


class Refused(Exception):
    """IDL that the back end cannot compile."""


def refuse(decl, what):
    """Raise Refused for the declaration `decl`; `what` names the construct."""
    raise Refused(f"{decl.file()}:{decl.line()}: {what}: not covered by DGCC's CORBA engine (use omniORBpy, or write it without)")
