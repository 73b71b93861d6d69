// The Python type ORB, and ORB_init.
#include "exceptions.h"
#include "objref.h"
#include "poa.h"
#include "pseudo.h"

#include <omniORB4/internal/corbaOrb.h>
#include <omniORB4/internal/orbParameters.h>

namespace dgcc {

PyTypeObject OrbType = {PyVarObject_HEAD_INIT(nullptr, 0)};

namespace {

using Self = Pseudo<CORBA::ORB>;

// The code set registry's number of UTF-8.
const CORBA::ULong UTF8 = 0x05010001;

// How long run() waits between looks for a signal (Ctrl-C) that Python wants to handle, in nanoseconds.
const unsigned long SIGNAL_CHECK_NS = 50 * 1000 * 1000;

CORBA::ORB* inside(PyObject* self) { return Self::inside(self); }

PyObject* none() { return Py_NewRef(Py_None); }

// The arguments of ORB_init: what argv of a C++ main would be.
class Arguments {
 public:
  explicit Arguments(PyObject* list) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); ++i) {
      Ref encoded = owned(PyUnicode_EncodeFSDefault(PyList_GET_ITEM(list, i)));
      texts_.push_back(PyBytes_AS_STRING(encoded.get()));
    }
    for (std::string& text : texts_) pointers_.push_back(text.data());
    pointers_.push_back(nullptr);
    count = static_cast<int>(texts_.size());
  }
  char** pointers() { return pointers_.data(); }

  // Take out of `list` what ORB_init has taken out of here.
  void reduce(PyObject* list) const {
    Ref rest = owned(PyList_New(0));
    for (int i = 0; i < count; ++i) {
      Ref text = owned(PyUnicode_DecodeFSDefault(pointers_[i]));
      if (PyList_Append(rest.get(), text.get()) < 0) throw PythonError{};
    }
    if (PyList_SetSlice(list, 0, PyList_GET_SIZE(list), rest.get()) < 0) throw PythonError{};
  }

  int count;

 private:
  std::vector<std::string> texts_;
  std::vector<char*> pointers_;
};

PyObject* orb_init(PyObject*, PyObject* args) {
  PyObject* list;
  const char* id;
  if (!PyArg_ParseTuple(args, "O!s", &PyList_Type, &list, &id)) return nullptr;
  return at_boundary([&] {
    Arguments arguments(list);
    CORBA::ORB_ptr orb = without_gil([&] { return CORBA::ORB_init(arguments.count, arguments.pointers(), id); });
    Ref made = Self::wrap(orb, OrbType);
    set_utf8_strings(omni::orbParameters::nativeCharCodeSet->id() == UTF8);
    arguments.reduce(list);
    return made.release();
  });
}

// POA and POAManager are objects of this process, every other reference is a CORBA object.
PyObject* to_python(CORBA::Object_ptr found) {
  if (!CORBA::is_nil(found) && found->_NP_is_pseudo()) {
    CORBA::Object_var drop(found);
    PortableServer::POA_ptr poa = PortableServer::POA::_narrow(found);
    if (!CORBA::is_nil(poa)) return poa_to_python(poa).release();
    throw CORBA::INV_OBJREF(omni::INV_OBJREF_NoPythonTypeForPseudoObj, CORBA::COMPLETED_NO);
  }
  return objref_to_python(found, "").release();
}

PyObject* resolve_initial_references(PyObject* self, PyObject* args) {
  const char* name;
  if (!PyArg_ParseTuple(args, "s", &name)) return nullptr;
  return at_boundary([&] {
    return to_python(without_gil([&] { return inside(self)->resolve_initial_references(name); }));
  });
}

PyObject* list_initial_services(PyObject* self, PyObject*) {
  return at_boundary([&] {
    CORBA::ORB::ObjectIdList_var names = without_gil([&] { return inside(self)->list_initial_services(); });
    Ref list = owned(PyList_New(0));
    for (CORBA::ULong i = 0; i < names->length(); ++i) {
      Ref name = owned(PyUnicode_FromString(static_cast<const char*>(names[i])));
      if (PyList_Append(list.get(), name.get()) < 0) throw PythonError{};
    }
    return list.release();
  });
}

PyObject* string_to_object(PyObject* self, PyObject* args) {
  const char* text;
  if (!PyArg_ParseTuple(args, "s", &text)) return nullptr;
  return at_boundary([&] { return to_python(without_gil([&] { return inside(self)->string_to_object(text); })); });
}

PyObject* object_to_string(PyObject* self, PyObject* object) {
  return at_boundary([&] {
    CORBA::Object_ptr ref = object == Py_None ? CORBA::Object::_nil() : objref_in(object);
    if (ref == nullptr)
      throw WrongValue{omni::BAD_PARAM_WrongPythonType, "object_to_string(): not an object reference"};
    CORBA::String_var text = without_gil([&] { return inside(self)->object_to_string(ref); });
    return PyUnicode_FromString(text);
  });
}

PyObject* run(PyObject* self, PyObject*) {
  return at_boundary([&] {
    auto* orb = static_cast<omniOrbORB*>(inside(self));
    for (;;) {
      bool ended = without_gil([&] {
        unsigned long seconds, nanoseconds;
        omni_thread::get_time(&seconds, &nanoseconds, 0, SIGNAL_CHECK_NS);
        return orb->run_timeout(seconds, nanoseconds);
      });
      if (ended) return none();
      if (PyErr_CheckSignals() < 0) throw PythonError{};
    }
  });
}

PyObject* work_pending(PyObject* self, PyObject*) {
  return at_boundary([&] { return PyBool_FromLong(without_gil([&] { return inside(self)->work_pending(); })); });
}

PyObject* perform_work(PyObject* self, PyObject*) {
  return at_boundary([&] {
    without_gil([&] { inside(self)->perform_work(); });
    return none();
  });
}

PyObject* shut_down(PyObject* self, PyObject* args) {
  int wait;
  if (!PyArg_ParseTuple(args, "p", &wait)) return nullptr;
  return at_boundary([&] {
    without_gil([&] { inside(self)->shutdown(wait != 0); });
    bury_servants();
    return none();
  });
}

PyObject* destroy(PyObject* self, PyObject*) {
  return at_boundary([&] {
    without_gil([&] { inside(self)->destroy(); });
    bury_servants();
    return none();
  });
}

PyMethodDef methods[] = {
    {"resolve_initial_references", resolve_initial_references, METH_VARARGS, "resolve_initial_references(name)"},
    {"list_initial_services", list_initial_services, METH_NOARGS, "The names that can be resolved"},
    {"string_to_object", string_to_object, METH_VARARGS, "string_to_object(IOR or corbaloc or corbaname)"},
    {"object_to_string", object_to_string, METH_O, "The reference as an IOR; None is the nil reference"},
    {"run", run, METH_NOARGS, "Return when the ORB has been shut down. Ctrl-C interrupts"},
    {"work_pending", work_pending, METH_NOARGS, "Whether perform_work has something to do"},
    {"perform_work", perform_work, METH_NOARGS, "Do work that needs the main thread"},
    {"shutdown", shut_down, METH_VARARGS, "shutdown(wait_for_completion)"},
    {"destroy", destroy, METH_NOARGS, "Shut down and free all that the ORB holds"},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

PyTypeObject* prepare_orb_type() { return Self::prepare(OrbType, "dgcc.corba._orb.ORB", methods); }

PyMethodDef orb_functions[] = {
    {"ORB_init", orb_init, METH_VARARGS, "ORB_init(argv, id): takes -ORB options out of the list argv"},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace dgcc
