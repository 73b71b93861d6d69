"""Python names and literals for IDL ones. Runs in omniidl's own Python."""

import keyword


def python_name(identifier):
    """The Python name of an IDL identifier: the mapping puts an underscore before a keyword."""
    return f"_{identifier}" if keyword.iskeyword(identifier) else identifier


def variable(scoped_name):
    """The script's own variable for a scope; IDL names never start with an underscore."""
    return "_" + "_".join(scoped_name)


def text(chars):
    """The literal of an IDL string: omniidl hands the file's bytes over as ISO-8859-1 characters."""
    try:
        return repr(chars.encode("latin-1").decode("utf-8"))
    except UnicodeError:
        return repr(chars)
