// A Python object around a C++ pseudo object (POA, POAManager, Policy, ORB), of which it owns one reference.
#pragma once

#include "python.h"

namespace dgcc {

template <class T>
struct Pseudo {
  PyObject_HEAD
  T* held;

  static T* inside(PyObject* self) { return reinterpret_cast<Pseudo*>(self)->held; }

  static void dealloc(PyObject* self) {
    if (inside(self) != nullptr) CORBA::release(inside(self));
    Py_TYPE(self)->tp_free(self);
  }

  // Takes `object` over; None for nil.
  static Ref wrap(T* object, PyTypeObject& type) {
    if (CORBA::is_nil(object)) return Ref::borrow(Py_None);
    PyObject* made = PyType_GenericAlloc(&type, 0);
    if (made == nullptr) {
      CORBA::release(object);
      throw PythonError{};
    }
    reinterpret_cast<Pseudo*>(made)->held = object;
    return Ref(made);
  }

  // Two Python objects around one C++ object are equal.
  static PyObject* compare(PyObject* left, PyObject* right, int operation) {
    if (Py_TYPE(left) != Py_TYPE(right) || (operation != Py_EQ && operation != Py_NE)) Py_RETURN_NOTIMPLEMENTED;
    return PyBool_FromLong((inside(left) == inside(right)) == (operation == Py_EQ));
  }

  static Py_hash_t hash(PyObject* self) {
    return static_cast<Py_hash_t>(reinterpret_cast<uintptr_t>(inside(self)) >> 4);  // never -1, which means an error
  }

  static PyTypeObject* prepare(PyTypeObject& type, const char* name, PyMethodDef* methods) {
    type.tp_name = name;
    type.tp_basicsize = sizeof(Pseudo);
    type.tp_dealloc = dealloc;
    type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION;
    type.tp_methods = methods;
    type.tp_richcompare = compare;
    type.tp_hash = hash;
    return &type;
  }
};

}  // namespace dgcc
