// The Python type beneath CORBA.Object: an object reference, and calls through it.
#include "objref.h"

#include "call.h"
#include "exceptions.h"

namespace dgcc {
namespace {

struct ObjRef {
  PyObject_HEAD
  CORBA::Object_ptr ref;
};

CORBA::Object_ptr inside(PyObject* self) { return reinterpret_cast<ObjRef*>(self)->ref; }

PyObject* wrap(CORBA::Object_ptr ref, PyObject* cls) {
  PyObject* made = PyType_GenericAlloc(reinterpret_cast<PyTypeObject*>(cls), 0);
  if (made == nullptr)
    CORBA::release(ref);
  else
    reinterpret_cast<ObjRef*>(made)->ref = ref;
  return made;
}

PyObject* stub_class(const char* repo_id) { return PyDict_GetItemString(registry.stubs, repo_id); }

void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  if (inside(self) != nullptr) CORBA::release(inside(self));
  type->tp_free(self);
}

PyObject* invoke(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (count != 2 || !PyTuple_Check(args[1])) {
    PyErr_SetString(PyExc_TypeError, "_invoke(operation, arguments)");
    return nullptr;
  }
  return at_boundary([&] {
    PyObject* result = call(inside(self), *operation_in(args[0]), args[1]).release();
    return result;
  });
}

PyObject* is_a(PyObject* self, PyObject* args) {
  const char* repo_id;
  if (!PyArg_ParseTuple(args, "s", &repo_id)) return nullptr;
  return at_boundary([&] {
    return PyBool_FromLong(without_gil([&] { return inside(self)->_is_a(repo_id); }));
  });
}

PyObject* non_existent(PyObject* self, PyObject*) {
  return at_boundary([&] { return PyBool_FromLong(without_gil([&] { return inside(self)->_non_existent(); })); });
}

PyObject* is_equivalent(PyObject* self, PyObject* other) {
  return at_boundary([&] {
    CORBA::Object_ptr ref = other == Py_None ? CORBA::Object::_nil() : objref_in(other);
    if (ref == nullptr) throw WrongValue{omni::BAD_PARAM_WrongPythonType, "_is_equivalent(): not an object reference"};
    return PyBool_FromLong(without_gil([&] { return inside(self)->_is_equivalent(ref); }));
  });
}

PyObject* hash_of(PyObject* self, PyObject* args) {
  unsigned int maximum;
  if (!PyArg_ParseTuple(args, "I", &maximum)) return nullptr;
  return at_boundary([&] {
    return PyLong_FromUnsignedLong(without_gil([&] { return inside(self)->_hash(maximum); }));
  });
}

PyObject* as_class(PyObject* self, PyObject* cls) {
  if (!PyType_Check(cls) || !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(cls), &ObjRefType)) {
    PyErr_SetString(PyExc_TypeError, "_as(class): a stub class is needed");
    return nullptr;
  }
  return wrap(CORBA::Object::_duplicate(inside(self)), cls);
}

PyObject* set_timeout(PyObject* self, PyObject* args) {
  unsigned int milliseconds;
  if (!PyArg_ParseTuple(args, "I", &milliseconds)) return nullptr;
  return at_boundary([&] {
    omniORB::setClientCallTimeout(inside(self), milliseconds);
    return Py_NewRef(Py_None);
  });
}

PyMethodDef methods[] = {
    {"_invoke", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(invoke)), METH_FASTCALL,
     "_invoke(operation, arguments): make the call"},
    {"_remote_is_a", is_a, METH_VARARGS, "_remote_is_a(repo_id): ask the object whether it has an interface"},
    {"_non_existent", non_existent, METH_NOARGS, "Whether the object is known to be gone"},
    {"_is_equivalent", is_equivalent, METH_O, "Whether another reference is known to be to the same object"},
    {"_hash", hash_of, METH_VARARGS, "_hash(maximum): a number that is the same for equivalent references"},
    {"_as", as_class, METH_O, "_as(class): the same reference in another stub class"},
    {"_set_timeout", set_timeout, METH_VARARGS, "_set_timeout(milliseconds): of calls through this reference"},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

PyTypeObject ObjRefType = {PyVarObject_HEAD_INIT(nullptr, 0)};

PyTypeObject* prepare_objref_type() {
  ObjRefType.tp_name = "dgcc.corba._orb.ObjRef";
  ObjRefType.tp_basicsize = sizeof(ObjRef);
  ObjRefType.tp_dealloc = dealloc;
  ObjRefType.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION;
  ObjRefType.tp_methods = methods;
  return &ObjRefType;
}

CORBA::Object_ptr objref_in(PyObject* object) {
  return PyObject_TypeCheck(object, &ObjRefType) ? inside(object) : nullptr;
}

Ref objref_to_python(CORBA::Object_ptr ref, const std::string& expected) {
  if (CORBA::is_nil(ref)) return Ref::borrow(Py_None);
  PyObject* cls = stub_class(expected.c_str());
  if (cls == nullptr) cls = registry.object;
  PyObject* own = stub_class(ref->_PR_getobj()->_mostDerivedRepoId());
  if (own != nullptr && PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(own), reinterpret_cast<PyTypeObject*>(cls)))
    cls = own;
  return owned(wrap(ref, cls));
}

}  // namespace dgcc
