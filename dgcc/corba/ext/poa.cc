// The Python type POA.
#include "poa.h"

#include "exceptions.h"
#include "objref.h"
#include "pseudo.h"
#include "servant.h"

namespace dgcc {
namespace {

using Self = Pseudo<PortableServer::POA>;
using ServantHolder = PortableServer::Servant_var<PyServant>;

PortableServer::POA* inside(PyObject* self) { return Self::inside(self); }

PyObject* none() { return Py_NewRef(Py_None); }

PyObject* bytes(const CORBA::OctetSeq& id) {
  return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(id.get_buffer()), id.length());
}

PyObject* bytes(const PortableServer::ObjectId& id) {
  return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(id.get_buffer()), id.length());
}

PortableServer::ObjectId object_id(PyObject* object) {
  if (!PyBytes_Check(object)) throw WrongValue{omni::BAD_PARAM_WrongPythonType, "an object id must be bytes"};
  CORBA::ULong size = static_cast<CORBA::ULong>(PyBytes_GET_SIZE(object));
  PortableServer::ObjectId id(size);
  id.length(size);
  if (size > 0) std::memcpy(id.get_buffer(), PyBytes_AS_STRING(object), size);
  return id;
}

CORBA::Object_ptr reference(PyObject* object) {
  CORBA::Object_ptr ref = objref_in(object);
  if (ref == nullptr) throw WrongValue{omni::BAD_PARAM_WrongPythonType, "expected an object reference"};
  return ref;
}

PyObject* create_POA(PyObject* self, PyObject* args) {
  const char* name;
  PyObject *manager, *given;
  if (!PyArg_ParseTuple(args, "sOO", &name, &manager, &given)) return nullptr;
  return at_boundary([&] {
    PortableServer::POAManager_ptr shared = manager == Py_None ? PortableServer::POAManager::_nil() : manager_in(manager);
    if (shared == nullptr) throw WrongValue{omni::BAD_PARAM_WrongPythonType, "create_POA(): not a POAManager"};
    Ref list = owned(PySequence_Tuple(given));
    CORBA::PolicyList policies;
    policies.length(static_cast<CORBA::ULong>(PyTuple_GET_SIZE(list.get())));
    for (CORBA::ULong i = 0; i < policies.length(); ++i) {
      CORBA::Policy_ptr policy = policy_in(PyTuple_GET_ITEM(list.get(), i));
      if (policy == nullptr) throw WrongValue{omni::BAD_PARAM_WrongPythonType, "create_POA(): not a policy"};
      policies[i] = CORBA::Policy::_duplicate(policy);
    }
    return poa_to_python(without_gil([&] { return inside(self)->create_POA(name, shared, policies); })).release();
  });
}

PyObject* find_POA(PyObject* self, PyObject* args) {
  const char* name;
  int activate;
  if (!PyArg_ParseTuple(args, "sp", &name, &activate)) return nullptr;
  return at_boundary([&] {
    return poa_to_python(without_gil([&] { return inside(self)->find_POA(name, activate != 0); })).release();
  });
}

PyObject* destroy(PyObject* self, PyObject* args) {
  int etherealize, wait;
  if (!PyArg_ParseTuple(args, "pp", &etherealize, &wait)) return nullptr;
  return at_boundary([&] {
    without_gil([&] { inside(self)->destroy(etherealize != 0, wait != 0); });
    bury_servants();
    return none();
  });
}

// A factory of policies: its argument is an item of an enum, whose value is in _v.
template <class Value, class Made>
PyObject* create_policy(PyObject* self, PyObject* item, int limit, Made (PortableServer::POA::*create)(Value)) {
  return at_boundary([&] {
    Ref value(PyObject_GetAttrString(item, "_v"));
    PyErr_Clear();
    long number = value && PyLong_Check(value.get()) ? PyLong_AsLong(value.get()) : -1;
    if (number < 0 || number >= limit)
      throw WrongValue{omni::BAD_PARAM_WrongPythonType, "expected a policy's value, as PortableServer has them"};
    return policy_to_python((inside(self)->*create)(static_cast<Value>(number))).release();
  });
}

PyObject* create_thread_policy(PyObject* self, PyObject* item) {
  return create_policy(self, item, 3, &PortableServer::POA::create_thread_policy);
}
PyObject* create_lifespan_policy(PyObject* self, PyObject* item) {
  return create_policy(self, item, 2, &PortableServer::POA::create_lifespan_policy);
}
PyObject* create_id_uniqueness_policy(PyObject* self, PyObject* item) {
  return create_policy(self, item, 2, &PortableServer::POA::create_id_uniqueness_policy);
}
PyObject* create_id_assignment_policy(PyObject* self, PyObject* item) {
  return create_policy(self, item, 2, &PortableServer::POA::create_id_assignment_policy);
}
PyObject* create_implicit_activation_policy(PyObject* self, PyObject* item) {
  return create_policy(self, item, 2, &PortableServer::POA::create_implicit_activation_policy);
}
PyObject* create_servant_retention_policy(PyObject* self, PyObject* item) {
  return create_policy(self, item, 2, &PortableServer::POA::create_servant_retention_policy);
}
PyObject* create_request_processing_policy(PyObject* self, PyObject* item) {
  return create_policy(self, item, 3, &PortableServer::POA::create_request_processing_policy);
}

PyObject* the_name(PyObject* self, PyObject*) {
  return at_boundary([&] {
    CORBA::String_var name = without_gil([&] { return inside(self)->the_name(); });
    return PyUnicode_FromString(name);
  });
}

PyObject* the_parent(PyObject* self, PyObject*) {
  return at_boundary([&] {
    return poa_to_python(without_gil([&] { return inside(self)->the_parent(); })).release();
  });
}

PyObject* the_manager(PyObject* self, PyObject*) {
  return at_boundary([&] {
    return manager_to_python(without_gil([&] { return inside(self)->the_POAManager(); })).release();
  });
}

PyObject* get_servant(PyObject* self, PyObject*) {
  return at_boundary([&] {
    return servant_to_python(without_gil([&] { return inside(self)->get_servant(); })).release();
  });
}

PyObject* set_servant(PyObject* self, PyObject* object) {
  return at_boundary([&] {
    ServantHolder servant(servant_in(object));
    without_gil([&] { inside(self)->set_servant(servant.in()); });
    return none();
  });
}

PyObject* activate_object(PyObject* self, PyObject* object) {
  return at_boundary([&] {
    ServantHolder servant(servant_in(object));
    PortableServer::ObjectId_var id = without_gil([&] { return inside(self)->activate_object(servant.in()); });
    return bytes(id.in());
  });
}

PyObject* activate_object_with_id(PyObject* self, PyObject* args) {
  PyObject *given, *object;
  if (!PyArg_ParseTuple(args, "OO", &given, &object)) return nullptr;
  return at_boundary([&] {
    PortableServer::ObjectId id = object_id(given);
    ServantHolder servant(servant_in(object));
    without_gil([&] { inside(self)->activate_object_with_id(id, servant.in()); });
    return none();
  });
}

PyObject* deactivate_object(PyObject* self, PyObject* given) {
  return at_boundary([&] {
    PortableServer::ObjectId id = object_id(given);
    without_gil([&] { inside(self)->deactivate_object(id); });
    bury_servants();
    return none();
  });
}

PyObject* create_reference(PyObject* self, PyObject* args) {
  const char* repo_id;
  if (!PyArg_ParseTuple(args, "s", &repo_id)) return nullptr;
  return at_boundary([&] {
    return objref_to_python(without_gil([&] { return inside(self)->create_reference(repo_id); }), repo_id).release();
  });
}

PyObject* create_reference_with_id(PyObject* self, PyObject* args) {
  PyObject* given;
  const char* repo_id;
  if (!PyArg_ParseTuple(args, "Os", &given, &repo_id)) return nullptr;
  return at_boundary([&] {
    PortableServer::ObjectId id = object_id(given);
    return objref_to_python(without_gil([&] { return inside(self)->create_reference_with_id(id, repo_id); }), repo_id)
        .release();
  });
}

PyObject* servant_to_id(PyObject* self, PyObject* object) {
  return at_boundary([&] {
    ServantHolder servant(servant_in(object));
    PortableServer::ObjectId_var id = without_gil([&] { return inside(self)->servant_to_id(servant.in()); });
    return bytes(id.in());
  });
}

PyObject* servant_to_reference(PyObject* self, PyObject* object) {
  return at_boundary([&] {
    ServantHolder servant(servant_in(object));
    CORBA::Object_ptr ref = without_gil([&] { return inside(self)->servant_to_reference(servant.in()); });
    return objref_to_python(ref, servant->_mostDerivedRepoId()).release();
  });
}

PyObject* reference_to_servant(PyObject* self, PyObject* object) {
  return at_boundary([&] {
    CORBA::Object_ptr ref = reference(object);
    return servant_to_python(without_gil([&] { return inside(self)->reference_to_servant(ref); })).release();
  });
}

PyObject* reference_to_id(PyObject* self, PyObject* object) {
  return at_boundary([&] {
    CORBA::Object_ptr ref = reference(object);
    PortableServer::ObjectId_var id = without_gil([&] { return inside(self)->reference_to_id(ref); });
    return bytes(id.in());
  });
}

PyObject* id_to_servant(PyObject* self, PyObject* given) {
  return at_boundary([&] {
    PortableServer::ObjectId id = object_id(given);
    return servant_to_python(without_gil([&] { return inside(self)->id_to_servant(id); })).release();
  });
}

PyObject* id_to_reference(PyObject* self, PyObject* given) {
  return at_boundary([&] {
    PortableServer::ObjectId id = object_id(given);
    return objref_to_python(without_gil([&] { return inside(self)->id_to_reference(id); }), "").release();
  });
}

PyObject* id(PyObject* self, PyObject*) {
  return at_boundary([&] {
    std::unique_ptr<CORBA::OctetSeq> found(without_gil([&] { return inside(self)->id(); }));
    return bytes(*found);
  });
}

PyObject* narrow(PyObject* self, PyObject*) { return Py_NewRef(self); }

PyMethodDef methods[] = {
    {"_narrow", narrow, METH_O, "This POA"},
    {"create_POA", create_POA, METH_VARARGS, "create_POA(name, manager or None, policies)"},
    {"find_POA", find_POA, METH_VARARGS, "find_POA(name, activate)"},
    {"destroy", destroy, METH_VARARGS, "destroy(etherealize_objects, wait_for_completion)"},
    {"create_thread_policy", create_thread_policy, METH_O, nullptr},
    {"create_lifespan_policy", create_lifespan_policy, METH_O, nullptr},
    {"create_id_uniqueness_policy", create_id_uniqueness_policy, METH_O, nullptr},
    {"create_id_assignment_policy", create_id_assignment_policy, METH_O, nullptr},
    {"create_implicit_activation_policy", create_implicit_activation_policy, METH_O, nullptr},
    {"create_servant_retention_policy", create_servant_retention_policy, METH_O, nullptr},
    {"create_request_processing_policy", create_request_processing_policy, METH_O, nullptr},
    {"_get_the_name", the_name, METH_NOARGS, "This POA's name among its siblings"},
    {"_get_the_parent", the_parent, METH_NOARGS, "The POA in which this one was made; None for the root POA"},
    {"_get_the_POAManager", the_manager, METH_NOARGS, "The manager whose state this POA follows"},
    {"get_servant", get_servant, METH_NOARGS, "The default servant"},
    {"set_servant", set_servant, METH_O, "Set the default servant"},
    {"activate_object", activate_object, METH_O, "Activate a servant; returns its object's id, bytes"},
    {"activate_object_with_id", activate_object_with_id, METH_VARARGS, "activate_object_with_id(id, servant)"},
    {"deactivate_object", deactivate_object, METH_O, "deactivate_object(id)"},
    {"create_reference", create_reference, METH_VARARGS, "create_reference(repo_id): to an object not yet active"},
    {"create_reference_with_id", create_reference_with_id, METH_VARARGS, "create_reference_with_id(id, repo_id)"},
    {"servant_to_id", servant_to_id, METH_O, nullptr},
    {"servant_to_reference", servant_to_reference, METH_O, nullptr},
    {"reference_to_servant", reference_to_servant, METH_O, nullptr},
    {"reference_to_id", reference_to_id, METH_O, nullptr},
    {"id_to_servant", id_to_servant, METH_O, nullptr},
    {"id_to_reference", id_to_reference, METH_O, nullptr},
    {"_get_id", id, METH_NOARGS, "An id of this POA, unique in its process"},
    {nullptr, nullptr, 0, nullptr},
};

// An IDL attribute is read as `poa.the_name` or as `poa._get_the_name()`.
PyGetSetDef attributes[] = {
    {"the_name", [](PyObject* self, void*) { return the_name(self, nullptr); }, nullptr, nullptr, nullptr},
    {"the_parent", [](PyObject* self, void*) { return the_parent(self, nullptr); }, nullptr, nullptr, nullptr},
    {"the_POAManager", [](PyObject* self, void*) { return the_manager(self, nullptr); }, nullptr, nullptr, nullptr},
    {"id", [](PyObject* self, void*) { return id(self, nullptr); }, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

}  // namespace

PyTypeObject PoaType = {PyVarObject_HEAD_INIT(nullptr, 0)};

PyTypeObject* prepare_poa_type() {
  Self::prepare(PoaType, "dgcc.corba._orb.POA", methods);
  PoaType.tp_getset = attributes;
  return &PoaType;
}

Ref poa_to_python(PortableServer::POA_ptr poa) { return Self::wrap(poa, PoaType); }

PortableServer::POA_ptr poa_in(PyObject* object) { return Py_TYPE(object) == &PoaType ? inside(object) : nullptr; }

}  // namespace dgcc
