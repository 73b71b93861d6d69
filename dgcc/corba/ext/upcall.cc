// The servant's side of a call.
#include "call.h"

namespace dgcc {

Upcall::Upcall(const Operation& operation, PyObject* servant)
    : omniCallDescriptor(run, operation.name.c_str(), operation.name.size() + 1, operation.oneway,
                         operation.raises_ids.data(), static_cast<int>(operation.raises_ids.size()), 1),
      operation_(operation),
      servant_(servant) {}

void Upcall::unmarshalArguments(cdrStream& stream) {
  for (const Type* type : operation_.ins) in_.receive(*type, stream);
}

void Upcall::marshalReturnedValues(cdrStream& stream) {
  if (operation_.oneway) return;
  out_.rewind();
  for (const Type* type : operation_.outs) out_.send(*type, stream);
}

void Upcall::run(omniCallDescriptor* self, omniServant*) { static_cast<Upcall*>(self)->call_servant(); }

Ref Upcall::arguments() {
  Ref all = owned(PyTuple_New(static_cast<Py_ssize_t>(operation_.ins.size())));
  for (size_t i = 0; i < operation_.ins.size(); ++i)
    PyTuple_SET_ITEM(all.get(), i, in_.load(*operation_.ins[i]).release());
  in_.forget();
  return all;
}

void Upcall::store_results(PyObject* returned) {
  size_t count = operation_.outs.size();
  const std::string where = operation_.name + "()'s result";
  if (count == 0) {
    if (returned == Py_None) return;
    throw WrongValue{omni::BAD_PARAM_WrongPythonType, where + ": expected None"};
  }
  try {
    if (count == 1) return out_.store(*operation_.outs[0], returned);
    if (!PyTuple_Check(returned) || static_cast<size_t>(PyTuple_GET_SIZE(returned)) != count)
      throw WrongValue{omni::BAD_PARAM_WrongPythonType, "expected a tuple of " + std::to_string(count)};
    for (size_t i = 0; i < count; ++i) out_.store(*operation_.outs[i], PyTuple_GET_ITEM(returned, i));
  } catch (WrongValue& error) {
    error.detail = where + ": " + error.detail;
    throw;
  }
}

// Turn the Python error that is set into the C++ exception that the caller gets.
void Upcall::throw_raised() {
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  Ref error(value), kind(type), traceback(trace);
  for (const Type* declared : operation_.raises) {
    if (!PyObject_TypeCheck(value, reinterpret_cast<PyTypeObject*>(declared->cls))) continue;
    auto members = std::make_shared<Tape>(false);
    members->store(*declared, value);
    throw UserError(*declared, members);
  }
  throw_if_system(value);
  if (omniORB::trace(1)) {
    PySys_FormatStderr("dgcc.corba: an exception that %s() does not declare was raised by its servant:\n",
                       operation_.name.c_str());
    // Not PyErr_Print, which ends the process for SystemExit.
    PyErr_Display(kind.get(), error.get(), traceback.get());
    PyErr_Clear();
  }
  throw CORBA::UNKNOWN(omni::UNKNOWN_PythonException, CORBA::COMPLETED_MAYBE);
}

void Upcall::call_servant() {
  GilHeld gil;
  bury_servants();
  try {
    Ref method(PyObject_GetAttr(servant_, operation_.method));
    if (!method) {
      PyErr_Clear();
      throw CORBA::NO_IMPLEMENT(omni::NO_IMPLEMENT_NoPythonMethod, CORBA::COMPLETED_NO);
    }
    Ref given = arguments();
    Ref returned(call_guarded(method.get(), given.get()));
    if (!returned) throw_raised();
    if (!operation_.oneway) store_results(returned.get());
  } catch (PythonError&) {
    throw_raised();
  } catch (WrongValue& error) {
    if (omniORB::trace(1)) PySys_FormatStderr("dgcc.corba: %s\n", error.detail.c_str());
    if (error.too_long) throw CORBA::MARSHAL(error.minor, CORBA::COMPLETED_MAYBE);
    throw CORBA::BAD_PARAM(error.minor, CORBA::COMPLETED_MAYBE);
  }
}

}  // namespace dgcc
