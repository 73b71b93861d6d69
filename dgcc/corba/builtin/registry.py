"""What is known by repository id: the classes that the extension makes instances of."""

from typing import Any

#: System exception classes.
SYSTEM: dict[str, type] = {}

#: Classes of user exceptions that the ORB itself raises (the POA's, ORB.InvalidName).
USER: dict[str, type] = {}

#: Stub classes of object references.
STUBS: dict[str, type] = {}

#: Type descriptors (capsules of the extension) of all declared types.
TYPES: dict[str, Any] = {}
