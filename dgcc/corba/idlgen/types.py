"""IDL types as expressions in the words of dgcc.corba.builtin.stub. Runs in omniidl's own Python."""

from omniidl import idltype

from .refusal import refuse

_BASIC = {
    idltype.tk_short: "SHORT", idltype.tk_ushort: "USHORT", idltype.tk_long: "LONG", idltype.tk_ulong: "ULONG",
    idltype.tk_longlong: "LONGLONG", idltype.tk_ulonglong: "ULONGLONG", idltype.tk_float: "FLOAT",
    idltype.tk_double: "DOUBLE", idltype.tk_boolean: "BOOLEAN", idltype.tk_char: "CHAR", idltype.tk_octet: "OCTET",
}

_REFUSED = {
    idltype.tk_any: "any", idltype.tk_TypeCode: "TypeCode", idltype.tk_Principal: "Principal",
    idltype.tk_union: "union", idltype.ot_unionforward: "union", idltype.tk_longdouble: "long double",
    idltype.tk_wchar: "wchar", idltype.tk_wstring: "wstring", idltype.tk_fixed: "fixed",
    idltype.tk_value: "valuetype", idltype.tk_value_box: "valuetype", idltype.tk_native: "native",
    idltype.tk_abstract_interface: "abstract interface", idltype.tk_local_interface: "local interface",
}

_BY_ID = (idltype.tk_struct, idltype.tk_enum, idltype.tk_except, idltype.tk_alias, idltype.ot_structforward)


def expression(type_, where):
    """The expression for a type; `where` is the declaration that uses it, for the message if it is refused."""
    kind = type_.kind()
    if kind in _REFUSED:
        refuse(where, _REFUSED[kind])
    if kind in _BASIC:
        return f"_s.{_BASIC[kind]}"
    if kind == idltype.tk_string:
        return f"_s.string({type_.bound()})"
    if kind == idltype.tk_sequence:
        return f"_s.sequence({expression(type_.seqType(), where)}, {type_.bound()})"
    if kind == idltype.tk_objref:
        return f"_s.objref({'::'.join(type_.scopedName())!r}, {_repo_id(type_)!r})"
    if kind not in _BY_ID:
        refuse(where, str(type_))
    return f"_s.named({_repo_id(type_)!r})"


def sized(type_, declarator):
    """The expression for a declarator's type: the type, or an array of it."""
    made = expression(type_, declarator)
    for size in reversed(declarator.sizes()):
        made = f"_s.array({made}, {size})"
    return made


def is_void(type_):
    """Whether an operation's result is none."""
    return type_.kind() == idltype.tk_void


def _repo_id(type_):
    if type_.scopedName() == ["CORBA", "Object"]:
        return "IDL:omg.org/CORBA/Object:1.0"
    return type_.decl().repoId()
