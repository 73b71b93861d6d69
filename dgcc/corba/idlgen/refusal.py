"""What the mapping of this project does not cover, said with file and line. Runs in omniidl's own Python."""


class Refused(Exception):
    """IDL that the back end cannot compile."""


def refuse(decl, what):
    """Raise Refused for the declaration `decl`; `what` names the construct."""
    where = f"{decl.file()}:{decl.line()}"
    raise Refused(f"{where}: {what}: not covered by DGCC's CORBA engine; write the interface without it")
