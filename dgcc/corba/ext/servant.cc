// Servants: the Python type beneath PortableServer.Servant, and the C++ servant that the ORB knows.
#include "servant.h"

#include "call.h"
#include "objref.h"
#include "poa.h"

#include <mutex>

namespace dgcc {
namespace {

struct Servant {
  PyObject_HEAD
  PyServant* active;  // not owned; null while the ORB holds nothing
};

PyServant*& active(PyObject* python) { return reinterpret_cast<Servant*>(python)->active; }

// Protects the counts of all servants, and `aside`. Nothing else is locked or called while it is held.
std::mutex counts;
std::vector<PyServant*> aside;
std::atomic<bool> any_aside{false};

int bury_soon(void*) {
  bury_servants();
  return 0;
}

PyObject* this_reference(PyObject* self, PyObject*) {
  return at_boundary([&] {
    PortableServer::Servant_var<PyServant> servant(servant_in(self));
    CORBA::Object_ptr ref = without_gil([&] { return servant->this_reference(); });
    return objref_to_python(ref, servant->_mostDerivedRepoId()).release();
  });
}

PyObject* default_poa(PyObject*, PyObject*) {
  return at_boundary([&] {
    return poa_to_python(without_gil([] { return PortableServer::POA::_the_root_poa(); })).release();
  });
}

PyMethodDef methods[] = {
    {"_this", this_reference, METH_NOARGS, "A reference to this servant's object, activating it if need be"},
    {"_default_POA", default_poa, METH_NOARGS, "The POA in which _this activates; the root POA unless overridden"},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

PyTypeObject ServantType = {PyVarObject_HEAD_INIT(nullptr, 0)};

PyTypeObject* prepare_servant_type() {
  ServantType.tp_name = "dgcc.corba._orb.Servant";
  ServantType.tp_basicsize = sizeof(Servant);
  ServantType.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE;
  ServantType.tp_new = PyType_GenericNew;
  ServantType.tp_methods = methods;
  return &ServantType;
}

const Operation* PyServant::operation(const char* name) const {
  auto found = interface_.operations.find(name);
  return found == interface_.operations.end() ? nullptr : found->second;
}

CORBA::Boolean PyServant::_dispatch(omniCallHandle& handle) {
  const Operation* known = operation(handle.operation_name());
  if (known == nullptr) return omniServant::_dispatch(handle);  // what every CORBA object can do
  Upcall upcall(*known, python_);
  handle.upcall(this, upcall);
  return true;
}

CORBA::Boolean PyServant::_is_a(const char* repo_id) {
  if (std::strcmp(repo_id, CORBA::Object::_PD_repoId) == 0) return true;
  for (const std::string& base : interface_.bases)
    if (base == repo_id) return true;
  return false;
}

void* PyServant::_ptrToInterface(const char* repo_id) { return _is_a(repo_id) ? this : nullptr; }

CORBA::Object_ptr PyServant::this_reference() {
  return static_cast<CORBA::Object_ptr>(_do_this(CORBA::Object::_PD_repoId));
}

PortableServer::POA_ptr PyServant::_default_POA() {
  GilHeld gil;
  Ref poa(PyObject_CallMethod(python_, "_default_POA", nullptr));
  PortableServer::POA_ptr found = poa ? poa_in(poa.get()) : nullptr;
  PyErr_Clear();
  if (found == nullptr) throw CORBA::OBJ_ADAPTER(0, CORBA::COMPLETED_NO);
  return PortableServer::POA::_duplicate(found);
}

void PyServant::_add_ref() {
  std::lock_guard<std::mutex> lock(counts);
  ++references_;
}

void PyServant::_remove_ref() {
  bool first = false;
  {
    std::lock_guard<std::mutex> lock(counts);
    if (--references_ > 0 || put_aside_) return;
    put_aside_ = true;
    first = aside.empty();
    aside.push_back(this);
    any_aside = true;
  }
  if (first && !closing()) Py_AddPendingCall(bury_soon, nullptr);
}

CORBA::ULong PyServant::_refcount_value() {
  std::lock_guard<std::mutex> lock(counts);
  return static_cast<CORBA::ULong>(references_);
}

void bury_servants() {
  if (!any_aside) return;
  std::vector<PyServant*> dead;
  {
    std::lock_guard<std::mutex> lock(counts);
    for (PyServant* servant : aside) {
      servant->put_aside_ = false;
      if (servant->references_ == 0) dead.push_back(servant);  // else it was activated anew
    }
    aside.clear();
    any_aside = false;
  }
  // No servant can come back now: that needs the GIL.
  for (PyServant* servant : dead) active(servant->python_) = nullptr;
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  for (PyServant* servant : dead) {
    Ref python(servant->python_);
    delete servant;
  }
  PyErr_Restore(type, value, trace);
}

PyServant* servant_in(PyObject* object) {
  if (!PyObject_TypeCheck(object, &ServantType))
    throw WrongValue{omni::BAD_PARAM_WrongPythonType,
                     std::string("expected a servant, not a value of type '") + Py_TYPE(object)->tp_name + "'"};
  if (PyServant* known = active(object)) {
    known->_add_ref();
    return known;
  }
  Ref described(PyObject_GetAttrString(object, "_idl_interface"));
  if (!described) {
    PyErr_Clear();
    throw WrongValue{omni::BAD_PARAM_WrongPythonType,
                     std::string("servant class '") + Py_TYPE(object)->tp_name + "' has no skeleton among its bases"};
  }
  const Interface* interface = interface_in(described.get());
  return active(object) = new PyServant(Py_NewRef(object), *interface);
}

Ref servant_to_python(PortableServer::Servant servant) {
  PortableServer::ServantBase_var drop(servant);
  auto* ours = dynamic_cast<PyServant*>(servant);
  if (ours == nullptr) throw CORBA::OBJ_ADAPTER(omni::OBJ_ADAPTER_IncompatibleServant, CORBA::COMPLETED_NO);
  return Ref::borrow(ours->python());
}

}  // namespace dgcc
