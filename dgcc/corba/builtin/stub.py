"""What the generated stubs are written in: one function per kind of IDL declaration.

A stub script (X_idl.py, from X.idl) calls these in the order of the IDL. They make the Python classes of the
mapping, put them where they belong, and tell the extension how values travel. Types refer to each other by
repository id, so scripts need no imports of each other but `require`.
"""

import importlib
import sys
from types import ModuleType
from typing import Any

import dgcc.corba._orb as _orb
from dgcc.corba.builtin import PortableServer, registry
from dgcc.corba.builtin.CORBA import Object, UserException
from dgcc.corba.builtin.values import Enum, EnumItem, Struct

__all__ = ["Struct", "UserException"]

SHORT, USHORT = _orb.basic("short"), _orb.basic("unsigned short")
LONG, ULONG = _orb.basic("long"), _orb.basic("unsigned long")
LONGLONG, ULONGLONG = _orb.basic("long long"), _orb.basic("unsigned long long")
FLOAT, DOUBLE = _orb.basic("float"), _orb.basic("double")
BOOLEAN, CHAR, OCTET = _orb.basic("boolean"), _orb.basic("char"), _orb.basic("octet")

string = _orb.string
sequence = _orb.sequence
array = _orb.array

_modules: dict[str, ModuleType] = {}
_skeletons: dict[str, type] = {}
_operations: dict[str, dict[str, Any]] = {}


# ---- Modules ---------------------------------------------------------------------------------------------------

def module(name: str) -> ModuleType:
    """The IDL module of this dotted name, and with it its skeleton module, made if it is new."""
    for full in (name, _poa_name(name)):
        if full not in _modules:
            made = _modules[full] = ModuleType(full, f"IDL module {full}")
            parent, _, last = full.rpartition(".")
            if parent:
                setattr(_modules[parent], last, made)
    return _modules[name]


def _poa_name(name: str) -> str:
    first, dot, rest = name.partition(".")
    return f"{first}__POA{dot}{rest}"


def expose(own_name: str, scripts: list[str]) -> None:
    """Make the Python module `own_name`, the face of an IDL module, that module as `scripts` beside it define it."""
    parent, _, name = own_name.rpartition(".")
    for script in scripts:
        importlib.import_module(f"{parent}.{script}" if parent else script)
    face, made = sys.modules[own_name], _modules[name]
    made.__spec__, made.__file__ = face.__spec__, face.__file__
    sys.modules[own_name] = made
    for full, inner in list(_modules.items()):
        if full.startswith(name + "."):
            sys.modules[f"{parent}.{full}" if parent else full] = inner


def require(own_name: str, module_name: str) -> None:
    """Import the stubs of a module that the IDL file of the script `own_name` includes."""
    parent = own_name.rpartition(".")[0]
    importlib.import_module(f"{parent}.{module_name}" if parent else module_name)


def _place(scope: Any, name: str, made: type) -> None:
    made.__name__ = name
    made.__qualname__ = name if isinstance(scope, ModuleType) else f"{scope.__qualname__}.{name}"
    made.__module__ = scope.__name__ if isinstance(scope, ModuleType) else scope.__module__
    setattr(scope, name, made)


# ---- Types -----------------------------------------------------------------------------------------------------

def named(repo_id: str) -> Any:
    """The descriptor of a struct, enum, exception or typedef that was declared before."""
    return registry.TYPES[repo_id]


def objref(name: str, repo_id: str) -> Any:
    """The descriptor of references to an interface, declared or not."""
    if repo_id not in registry.TYPES:
        registry.TYPES[repo_id] = _orb.objref(name, repo_id)
    return registry.TYPES[repo_id]


def typedef(scope: Any, name: str, repo_id: str, type_: Any) -> None:
    """A typedef. The mapping gives it no class to make instances of; its name tells its repository id."""
    registry.TYPES[repo_id] = type_
    _place(scope, name, type(name, (), {"_NP_RepositoryId": repo_id, "__init__": _no_instances}))


def _no_instances(self: Any) -> None:
    raise TypeError(f"{type(self).__name__} is an IDL typedef: use the Python type that it maps to")


def enum(scope: Any, name: str, repo_id: str, *items: str) -> None:
    """An enum: its items become names in the scope that it is declared in."""
    dotted = scope.__name__ if isinstance(scope, ModuleType) else f"{scope.__module__}.{scope.__qualname__}"
    made = tuple(EnumItem(item, value, dotted) for value, item in enumerate(items))
    for item in made:
        setattr(scope, str(item), item)
    setattr(scope, name, Enum(repo_id, made))
    registry.TYPES[repo_id] = _orb.enumeration(name, made)


def item(path: list[str]) -> EnumItem:
    """The enum item that a constant is defined as, by its scoped name."""
    for count in range(len(path) - 1, 0, -1):
        found: Any = _modules.get(".".join(path[:count]))
        if found is not None:
            for name in path[count:]:
                found = getattr(found, name)
            return found
    return getattr(_modules["_GlobalIDL"], path[-1])


def forward(name: str, repo_id: str) -> None:
    """A struct that is declared before it is defined, so that it may contain sequences of itself."""
    _forward[repo_id] = registry.TYPES[repo_id] = _orb.structure(name, repo_id)


_forward: dict[str, Any] = {}


def struct(scope: Any, name: str, repo_id: str, made: Any) -> None:
    """A struct or exception, whose class the script has defined. Its members follow, because they may use it."""
    _place(scope, name, made)
    made._NP_RepositoryId = repo_id
    made._idl_name = f"{made.__module__}.{made.__qualname__}"
    registry.TYPES[repo_id] = _forward.pop(repo_id, None) or _orb.structure(name, repo_id)


def members(repo_id: str, made: Any, *pairs: tuple[str, Any]) -> None:
    """The members of a struct or exception: (name, type) in order."""
    names = tuple(name for name, _ in pairs)
    made._members = names
    _orb.set_members(registry.TYPES[repo_id], made, names, tuple(type_ for _, type_ in pairs))


# ---- Interfaces ------------------------------------------------------------------------------------------------

def _without_ancestors(classes: list[type], default: type) -> tuple[type, ...]:
    """The classes to inherit from: none that another one of them brings along."""
    return tuple(
        one for one in classes if not any(one is not other and issubclass(other, one) for other in classes)
    ) or (default,)


def interface(scope: Any, name: str, repo_id: str, *base_ids: str) -> Any:
    """An interface: the class of that name, the class of its references, and its skeleton in ...__POA."""
    kind = _without_ancestors([_interfaces[base] for base in base_ids], _Interface)
    made = type(name, kind, {"_NP_RepositoryId": repo_id})
    _place(scope, name, made)
    _interfaces[repo_id] = made
    stub_bases = _without_ancestors([registry.STUBS[base] for base in base_ids], Object)
    stub: Any = type(name, stub_bases, {"__slots__": (), "_NP_RepositoryId": repo_id})
    _place(scope, f"_objref_{name}", stub)
    registry.STUBS[repo_id] = stub
    skeleton_bases = _without_ancestors([_skeletons[base] for base in base_ids], PortableServer.Servant)
    skeleton = type(name, skeleton_bases, {"_NP_RepositoryId": repo_id})
    outer = _modules[_poa_name(made.__module__)]
    for part in made.__qualname__.split(".")[:-1]:  # an interface cannot be declared in another one
        outer = getattr(outer, part)
    _place(outer, name, skeleton)
    _skeletons[repo_id] = skeleton
    _operations[repo_id] = {}
    for base in base_ids:
        _operations[repo_id].update(_operations[base])
    objref(name, repo_id)
    seal(repo_id)
    return made


class _Interface:
    """The base of interface classes: names to narrow to, and scopes of what is declared in an interface."""

    _NP_RepositoryId = Object._NP_RepositoryId
    _nil = None


_interfaces: dict[str, type] = {Object._NP_RepositoryId: _Interface}


def operation(
    repo_id: str, name: str, ins: tuple[Any, ...], outs: tuple[Any, ...], raises: tuple[Any, ...] = (),
    oneway: bool = False, python_name: str = "",
) -> None:
    """An operation of an interface. `outs` is the result, if there is one, then out and inout parameters."""
    python_name = python_name or name
    described = _orb.operation(name, python_name, ins, outs, raises, oneway)
    _operations[repo_id][name] = described

    def method(self: Any, *args: Any) -> Any:
        return self._invoke(described, args)

    stub = registry.STUBS[repo_id]
    method.__name__ = python_name
    method.__qualname__ = f"{stub.__qualname__}.{python_name}"
    setattr(stub, python_name, method)


def attribute(repo_id: str, name: str, type_: Any, readonly: bool = False, python_name: str = "") -> None:
    """An attribute of an interface: _get_ and _set_ operations, and a property of its references."""
    operation(repo_id, f"_get_{name}", (), (type_,))
    if not readonly:
        operation(repo_id, f"_set_{name}", (type_,), ())
    stub = registry.STUBS[repo_id]
    get, put = getattr(stub, f"_get_{name}"), None if readonly else getattr(stub, f"_set_{name}")
    setattr(stub, python_name or name, property(get, put))


def seal(repo_id: str) -> None:
    """All operations of an interface are declared: its servants can be dispatched to."""
    ids = tuple(
        cls._NP_RepositoryId for cls in _interfaces[repo_id].__mro__ if hasattr(cls, "_NP_RepositoryId")
    )
    _skeletons[repo_id]._idl_interface = _orb.interface(repo_id, ids, _operations[repo_id])  # type: ignore[attr-defined]
