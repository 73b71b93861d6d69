"""What IDL enums, structs and exceptions have in common as Python classes."""

from typing import Any


class EnumItem:
    """One value of an IDL enum, at `_v` in its order. There is one object per value, so `is` and `==` agree."""

    __slots__ = ("_n", "_scope", "_v")

    def __init__(self, name: str, value: int, scope: str = "") -> None:
        self._n = name
        self._v = value
        self._scope = scope

    def __str__(self) -> str:
        return self._n

    def __repr__(self) -> str:
        return f"{self._scope}.{self._n}" if self._scope else self._n

    def __lt__(self, other: "EnumItem") -> bool:
        return self._v < other._v if isinstance(other, EnumItem) else NotImplemented

    def __reduce__(self) -> Any:
        raise TypeError(f"{self!r}: an IDL enum's item cannot be copied")

    def __copy__(self) -> "EnumItem":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "EnumItem":
        return self


class Enum:
    """An IDL enum: its items in order."""

    def __init__(self, repo_id: str, items: tuple[EnumItem, ...]) -> None:
        self._NP_RepositoryId = repo_id
        self._items = items

    def _item(self, value: int) -> EnumItem:
        return self._items[value]


class Members:
    """The text form and equality of a class with IDL members."""

    _members: tuple[str, ...] = ()
    _idl_name = ""

    def __repr__(self) -> str:
        members = ", ".join(f"{name}={getattr(self, name, None)!r}" for name in self._members)
        return f"{self._idl_name}({members})"


class Struct(Members):
    """The base of IDL structs."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self._members)

    __hash__ = None  # type: ignore[assignment]
