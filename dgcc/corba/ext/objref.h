// The Python type beneath CORBA.Object: an object reference, and calls through it.
#pragma once

#include "python.h"

namespace dgcc {

extern PyTypeObject ObjRefType;

// The reference inside a Python object, borrowed; null if it is not one.
CORBA::Object_ptr objref_in(PyObject* object);

// A new Python object for `ref`, which it takes over; None for nil. Its class is the stub class of the
// interface that the reference itself names, where that is known and no less than `expected`, else the stub
// class of the repository id `expected`, else CORBA.Object.
Ref objref_to_python(CORBA::Object_ptr ref, const std::string& expected);

}  // namespace dgcc
