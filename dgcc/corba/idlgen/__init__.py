"""Stubs from IDL: the back end for omniidl (dgccpy) and the command that runs it.

    python -m dgcc.corba.idlgen FILE.idl... OUT

This package is also imported by Debian's own python3, in which omniidl runs, so importing it loads nothing.
"""
