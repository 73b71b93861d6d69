"""The back end for omniidl: `omniidl -p dgcc/corba -b idlgen.dgccpy -Wbout=DIR FILE.idl` writes Python stubs.

For X.idl it writes the script X_idl.py, and for each of its top-level modules M the files M.py and M__POA.py, by
which the stubs are imported. Several IDL files may add to one module. Runs in omniidl's own Python.
"""

import os
import re
import sys

from .refusal import Refused
from .script import Script

_HEAD = '''"""Stubs made from {source} by DGCC's back end for omniidl: change the IDL, not this."""

from dgcc.corba.builtin import stub as _s

'''

_FACE = '''"""The stubs of an IDL module, made by DGCC's back end for omniidl."""

from dgcc.corba.builtin import stub as _s

_SCRIPTS = {scripts!r}
_s.expose(__name__, _SCRIPTS)
'''


def run(tree, args):
    """Called by omniidl with the syntax tree of one IDL file and the arguments of -Wb."""
    out = "."
    for argument in args:
        key, _, value = argument.partition("=")
        if key != "out":
            sys.stderr.write(f"omniidl: dgccpy has no option '{argument}'; use -Wbout=DIR\n")
            sys.exit(1)
        out = value
    script = Script()
    try:
        tree.accept(script)
    except Refused as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    source = os.path.basename(tree.file())
    name = re.sub(r"\W", "_", os.path.splitext(source)[0]) + "_idl"
    _write(os.path.join(out, name + ".py"), _HEAD.format(source=source) + "\n".join(script.lines) + "\n")
    for module in script.modules:
        for face in (module, module + "__POA"):
            path = os.path.join(out, face + ".py")
            _write(path, _FACE.format(scripts=_scripts_of(path, name)))


def _scripts_of(path, name):
    """The scripts that define a module: those that its face names already, and `name`."""
    known = []
    if os.path.exists(path):
        with open(path, encoding="utf-8") as face:
            known = re.findall(r"'(\w+_idl)'", face.read())
    return known if name in known else [*known, name]


def _write(path, content):
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)
