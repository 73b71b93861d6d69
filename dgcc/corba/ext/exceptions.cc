// CORBA exceptions between C++ and Python, both ways.
#include "exceptions.h"

namespace dgcc {

Registry registry;

namespace {

using Thrower = void (*)(CORBA::ULong minor, CORBA::CompletionStatus completed);

template <class Error>
void throw_system(CORBA::ULong minor, CORBA::CompletionStatus completed) {
  throw Error(minor, completed);
}

struct SystemError {
  const char* name;
  Thrower thrower;
};

const SystemError SYSTEM_ERRORS[] = {
#define LISTED(name) {#name, throw_system<CORBA::name>},
    OMNIORB_FOR_EACH_SYS_EXCEPTION(LISTED)
#undef LISTED
};

PyObject* completion(CORBA::CompletionStatus status) {
  return PyTuple_GET_ITEM(registry.completion, static_cast<Py_ssize_t>(status));
}

void set_instance(PyObject* cls, PyObject* arguments) {
  Ref instance(PyObject_CallObject(cls, arguments));
  if (instance) PyErr_SetObject(cls, instance.get());
}

// User exceptions that the C++ library itself raises, and their members if they have any.
Ref members_of(const CORBA::Exception& error) {
  if (auto* policy = PortableServer::POA::InvalidPolicy::_downcast(&error))
    return Ref(Py_BuildValue("(H)", policy->index));
  if (auto* policy = CORBA::PolicyError::_downcast(&error)) return Ref(Py_BuildValue("(h)", policy->reason));
  return Ref(PyTuple_New(0));
}

PyObject* setup(PyObject*, PyObject* args) {
  PyObject *system, *user, *stubs, *object, *statuses;
  if (!PyArg_ParseTuple(args, "O!O!O!OO!", &PyDict_Type, &system, &PyDict_Type, &user, &PyDict_Type, &stubs, &object,
                        &PyTuple_Type, &statuses))
    return nullptr;
  registry = Registry{Py_NewRef(system), Py_NewRef(user), Py_NewRef(stubs), Py_NewRef(object), Py_NewRef(statuses)};
  Py_RETURN_NONE;
}

PyObject* system_names(PyObject*, PyObject*) {
  Ref names(PyList_New(0));
  if (!names) return nullptr;
  for (const SystemError& known : SYSTEM_ERRORS) {
    Ref name(PyUnicode_FromString(known.name));
    if (!name || PyList_Append(names.get(), name.get()) < 0) return nullptr;
  }
  return names.release();
}

PyObject* minor_name(PyObject*, PyObject* args) {
  const char* name;
  unsigned int minor;
  if (!PyArg_ParseTuple(args, "sI", &name, &minor)) return nullptr;
  for (const SystemError& known : SYSTEM_ERRORS) {
    if (std::strcmp(known.name, name) != 0) continue;
    try {
      known.thrower(minor, CORBA::COMPLETED_NO);
    } catch (CORBA::SystemException& error) {
      const char* found = error.NP_minorString();
      if (found != nullptr) return PyUnicode_FromString(found);
    }
  }
  Py_RETURN_NONE;
}

}  // namespace

Ref UserError::load() const {
  members_->rewind();
  return members_->load(*type_);
}

const char* UserError::_NP_repoId(int* size) const {
  *size = static_cast<int>(type_->repo_id.size() + 1);
  return type_->repo_id.c_str();
}

void UserError::_NP_marshal(cdrStream& stream) const {
  members_->rewind();
  members_->send(*type_, stream);
}

void set_error(const CORBA::Exception& error) {
  try {
    if (auto* user = dynamic_cast<const UserError*>(&error)) {
      Ref instance = user->load();
      PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(instance.get())), instance.get());
      return;
    }
  } catch (PythonError&) {
    return;
  } catch (CORBA::SystemException& broken) {
    set_error(broken);
    return;
  }
  if (auto* system = CORBA::SystemException::_downcast(&error)) {
    PyObject* cls = PyDict_GetItemString(registry.system, error._rep_id());
    if (cls == nullptr) {
      PyErr_Format(PyExc_SystemError, "unknown CORBA system exception %s", error._rep_id());
      return;
    }
    Ref arguments(Py_BuildValue("(IO)", system->minor(), completion(system->completed())));
    if (arguments) set_instance(cls, arguments.get());
    return;
  }
  PyObject* cls = PyDict_GetItemString(registry.user, error._rep_id());
  if (cls == nullptr) {
    PyErr_Format(PyExc_SystemError, "unknown CORBA user exception %s", error._rep_id());
    return;
  }
  Ref arguments = members_of(error);
  if (arguments) set_instance(cls, arguments.get());
}

void set_error(const WrongValue& error, const std::string& where, CORBA::CompletionStatus completed) {
  const char* id = error.too_long ? "IDL:omg.org/CORBA/MARSHAL:1.0" : "IDL:omg.org/CORBA/BAD_PARAM:1.0";
  std::string detail = where.empty() ? error.detail : where + ": " + error.detail;
  Ref arguments(Py_BuildValue("(IOs)", error.minor, completion(completed), detail.c_str()));
  if (arguments) set_instance(PyDict_GetItemString(registry.system, id), arguments.get());
}

void throw_if_system(PyObject* error) {
  Ref id(PyObject_GetAttrString(error, "_NP_RepositoryId"));
  const char* text = id && PyUnicode_Check(id.get()) ? PyUnicode_AsUTF8(id.get()) : nullptr;
  PyErr_Clear();
  if (text == nullptr || PyDict_GetItemString(registry.system, text) == nullptr) return;
  Ref minor(PyObject_GetAttrString(error, "minor"));
  Ref completed(PyObject_GetAttrString(error, "completed"));
  CORBA::ULong number = minor && PyLong_Check(minor.get())
                            ? static_cast<CORBA::ULong>(PyLong_AsUnsignedLongMask(minor.get())) : 0;
  PyErr_Clear();
  auto status = CORBA::COMPLETED_MAYBE;
  for (int i = 0; i < 3; ++i)
    if (completed.get() == PyTuple_GET_ITEM(registry.completion, i)) status = static_cast<CORBA::CompletionStatus>(i);
  std::string name(text);
  name = name.substr(name.rfind('/') + 1);
  for (const SystemError& known : SYSTEM_ERRORS)
    if (name.compare(0, name.find(':'), known.name) == 0) known.thrower(number, status);
}

PyMethodDef exception_functions[] = {
    {"setup", setup, METH_VARARGS, "setup(system, user, stubs, object, completion): the classes to make"},
    {"system_names", system_names, METH_NOARGS, "The names of all system exceptions"},
    {"minor_name", minor_name, METH_VARARGS, "minor_name(exception, minor): its symbolic name, or None"},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace dgcc
