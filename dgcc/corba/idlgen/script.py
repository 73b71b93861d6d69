"""Walk the declarations of an IDL file and write the stub script. Runs in omniidl's own Python."""

from omniidl import idlast, idltype, idlvisitor

from .names import python_name, text, variable
from .refusal import refuse
from .types import expression, is_void, sized

#: Where declarations outside of any module go, as omniORBpy has it.
GLOBAL = "_GlobalIDL"


class Script(idlvisitor.AstVisitor):
    """The lines of a script, and the top-level modules that it defines and those that it needs."""

    def __init__(self):
        self.lines = []
        self.modules = []
        self.needed = []
        self._scopes = []      # variables of the scopes around the declaration being visited

    def _write(self, line):
        self.lines.append(line)

    def _scope(self):
        if not self._scopes:
            self._define_module([GLOBAL])
            return variable([GLOBAL])
        return self._scopes[-1]

    def _define_module(self, scoped_name):
        if len(scoped_name) == 1 and scoped_name[0] not in self.modules:
            self.modules.append(scoped_name[0])
        line = f"{variable(scoped_name)} = _s.module({'.'.join(map(python_name, scoped_name))!r})"
        if line not in self.lines:
            self._write(line)

    def visitAST(self, node):
        for declaration in node.declarations():
            self._visit(declaration)

    def _visit(self, declaration):
        if declaration.mainFile():
            declaration.accept(self)
        elif isinstance(declaration, idlast.DeclRepoId):
            name = declaration.scopedName()[0] if isinstance(declaration, idlast.Module) else GLOBAL
            if name != "CORBA" and name not in self.needed:
                self.needed.append(name)
                self._write(f"_s.require(__name__, {name!r})")

    def visitModule(self, node):
        self._define_module(node.scopedName())
        self._scopes.append(variable(node.scopedName()))
        for declaration in node.definitions():
            self._visit(declaration)
        self._scopes.pop()

    # ---- Types and constants

    def visitConst(self, node):
        kind = node.constKind()
        value = node.value()
        if kind in (idltype.tk_wchar, idltype.tk_wstring, idltype.tk_fixed, idltype.tk_longdouble):
            expression(node.constType().unalias(), node)
        if kind == idltype.tk_enum:
            # An item's repository id differs from its enum's, so it is looked up where it was put.
            literal = f"_s.item({list(map(python_name, value.scopedName()))!r})"
        elif kind == idltype.tk_boolean:
            literal = repr(bool(value))
        elif kind == idltype.tk_string:
            literal = text(value)
        else:
            literal = repr(value)
        self._write(f"{self._scope()}.{python_name(node.identifier())} = {literal}")

    def visitTypedef(self, node):
        if node.constrType():
            node.aliasType().decl().accept(self)
        for one in node.declarators():
            self._write(f"_s.typedef({self._scope()}, {python_name(one.identifier())!r}, {one.repoId()!r}, "
                        f"{sized(node.aliasType(), one)})")

    def visitEnum(self, node):
        items = ", ".join(repr(python_name(item.identifier())) for item in node.enumerators())
        self._write(f"_s.enum({self._scope()}, {python_name(node.identifier())!r}, {node.repoId()!r}, {items})")

    def visitStruct(self, node):
        self._members("Struct", node)

    def visitException(self, node):
        self._members("UserException", node)

    def _members(self, base, node):
        own = variable(node.scopedName())
        found = [(python_name(one.identifier()), one, member.memberType())
                 for member in node.members() for one in member.declarators()]
        names = [name for name, _, _ in found]
        self._write(f"\n\nclass {own}(_s.{base}):")
        self._write(f"    def __init__({', '.join(['self', *names])}):")
        if base == "UserException":
            self._write(f"        _s.UserException.__init__({', '.join(['self', *names])})")
        for name in names:
            self._write(f"        self.{name} = {name}")
        if base == "Struct" and not names:
            self._write("        pass")
        self._write(f"\n\n_s.struct({self._scope()}, {python_name(node.identifier())!r}, {node.repoId()!r}, {own})")
        self._scopes.append(own)
        for member in node.members():
            if member.constrType():
                member.memberType().decl().accept(self)
        self._scopes.pop()
        pairs = "".join(f", ({name!r}, {sized(type_, one)})" for name, one, type_ in found)
        self._write(f"_s.members({node.repoId()!r}, {own}{pairs})")

    def visitForward(self, node):
        if node.abstract() or node.local():
            refuse(node, "abstract interface" if node.abstract() else "local interface")

    def visitStructForward(self, node):
        # A sequence of a struct that is yet to come needs its descriptor now: announce it.
        self._write(f"_s.forward({'::'.join(node.scopedName())!r}, {node.repoId()!r})")

    # ---- Interfaces

    def visitInterface(self, node):
        if node.abstract() or node.local():
            refuse(node, "abstract interface" if node.abstract() else "local interface")
        own = variable(node.scopedName())
        bases = "".join(f", {base.fullDecl().repoId()!r}" for base in map(_without_typedefs, node.inherits()))
        self._write(f"\n{own} = _s.interface({self._scope()}, {python_name(node.identifier())!r}, "
                    f"{node.repoId()!r}{bases})")
        self._scopes.append(own)
        for declaration in node.contents():
            if isinstance(declaration, idlast.Operation):
                self._operation(node, declaration)
            elif isinstance(declaration, idlast.Attribute):
                self._attribute(node, declaration)
            else:
                declaration.accept(self)
        self._scopes.pop()
        self._write(f"_s.seal({node.repoId()!r})")

    def _operation(self, interface, node):
        if node.contexts():
            refuse(node, "context clause")
        ins = [expression(one.paramType(), one) for one in node.parameters() if one.is_in()]
        outs = [] if is_void(node.returnType()) else [expression(node.returnType(), node)]
        outs += [expression(one.paramType(), one) for one in node.parameters() if one.is_out()]
        raises = [f"_s.named({one.repoId()!r})" for one in node.raises()]
        parts = [repr(interface.repoId()), repr(node.identifier()), *map(_tuple, (ins, outs, raises))]
        if node.oneway():
            parts.append("oneway=True")
        if python_name(node.identifier()) != node.identifier():
            parts.append(f"python_name={python_name(node.identifier())!r}")
        self._write(f"_s.operation({', '.join(parts)})")

    def _attribute(self, interface, node):
        for one in node.declarators():
            parts = [repr(interface.repoId()), repr(one.identifier()), sized(node.attrType(), one)]
            if node.readonly():
                parts.append("readonly=True")
            if python_name(one.identifier()) != one.identifier():
                parts.append(f"python_name={python_name(one.identifier())!r}")
            self._write(f"_s.attribute({', '.join(parts)})")

    # ---- What is not covered

    def visitUnion(self, node):
        refuse(node, "union")

    def visitUnionForward(self, node):
        refuse(node, "union")

    def visitNative(self, node):
        refuse(node, "native")

    def visitValueForward(self, node):
        refuse(node, "valuetype")

    def visitValue(self, node):
        refuse(node, "valuetype")

    def visitValueBox(self, node):
        refuse(node, "valuetype")

    def visitValueAbs(self, node):
        refuse(node, "valuetype")


def _tuple(expressions):
    return f"({', '.join(expressions)}{',' if len(expressions) == 1 else ''})"


def _without_typedefs(declaration):
    while isinstance(declaration, idlast.Declarator):
        declaration = declaration.alias().aliasType().decl()
    return declaration
