// The Python types POAManager and Policy.
#include "exceptions.h"
#include "poa.h"
#include "pseudo.h"

namespace dgcc {
namespace {

using Manager = Pseudo<PortableServer::POAManager>;
using Policy = Pseudo<CORBA::Policy>;

PyObject* activate(PyObject* self, PyObject*) {
  return at_boundary([&] {
    without_gil([&] { Manager::inside(self)->activate(); });
    return Py_NewRef(Py_None);
  });
}

PyObject* hold_requests(PyObject* self, PyObject* args) {
  int wait;
  if (!PyArg_ParseTuple(args, "p", &wait)) return nullptr;
  return at_boundary([&] {
    without_gil([&] { Manager::inside(self)->hold_requests(wait != 0); });
    return Py_NewRef(Py_None);
  });
}

PyObject* discard_requests(PyObject* self, PyObject* args) {
  int wait;
  if (!PyArg_ParseTuple(args, "p", &wait)) return nullptr;
  return at_boundary([&] {
    without_gil([&] { Manager::inside(self)->discard_requests(wait != 0); });
    return Py_NewRef(Py_None);
  });
}

PyObject* deactivate(PyObject* self, PyObject* args) {
  int etherealize, wait;
  if (!PyArg_ParseTuple(args, "pp", &etherealize, &wait)) return nullptr;
  return at_boundary([&] {
    without_gil([&] { Manager::inside(self)->deactivate(etherealize != 0, wait != 0); });
    return Py_NewRef(Py_None);
  });
}

PyObject* state(PyObject* self, PyObject*) {
  return at_boundary([&] {
    return PyLong_FromLong(without_gil([&] { return static_cast<long>(Manager::inside(self)->get_state()); }));
  });
}

PyObject* narrow(PyObject* self, PyObject*) { return Py_NewRef(self); }

PyObject* policy_type(PyObject* self, PyObject*) {
  return PyLong_FromUnsignedLong(Policy::inside(self)->policy_type());
}

PyObject* destroy_policy(PyObject* self, PyObject*) {
  return at_boundary([&] {
    Policy::inside(self)->destroy();
    return Py_NewRef(Py_None);
  });
}

PyMethodDef manager_methods[] = {
    {"_narrow", narrow, METH_O, "This manager"},
    {"activate", activate, METH_NOARGS, "Let requests through"},
    {"hold_requests", hold_requests, METH_VARARGS, "hold_requests(wait_for_completion)"},
    {"discard_requests", discard_requests, METH_VARARGS, "discard_requests(wait_for_completion)"},
    {"deactivate", deactivate, METH_VARARGS, "deactivate(etherealize_objects, wait_for_completion)"},
    {"_state", state, METH_NOARGS, "The state as a number"},
    {nullptr, nullptr, 0, nullptr},
};

PyMethodDef policy_methods[] = {
    {"_narrow", narrow, METH_O, "This policy"},
    {"_get_policy_type", policy_type, METH_NOARGS, "The number of this kind of policy"},
    {"destroy", destroy_policy, METH_NOARGS, "Nothing to do, as the mapping wants it"},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

PyTypeObject ManagerType = {PyVarObject_HEAD_INIT(nullptr, 0)};
PyTypeObject PolicyType = {PyVarObject_HEAD_INIT(nullptr, 0)};

PyTypeObject* prepare_manager_type() { return Manager::prepare(ManagerType, "dgcc.corba._orb.POAManager", manager_methods); }
PyTypeObject* prepare_policy_type() { return Policy::prepare(PolicyType, "dgcc.corba._orb.Policy", policy_methods); }

Ref manager_to_python(PortableServer::POAManager_ptr manager) { return Manager::wrap(manager, ManagerType); }
Ref policy_to_python(CORBA::Policy_ptr policy) { return Policy::wrap(policy, PolicyType); }

PortableServer::POAManager_ptr manager_in(PyObject* object) {
  return Py_TYPE(object) == &ManagerType ? Manager::inside(object) : nullptr;
}

CORBA::Policy_ptr policy_in(PyObject* object) {
  return Py_TYPE(object) == &PolicyType ? Policy::inside(object) : nullptr;
}

}  // namespace dgcc
