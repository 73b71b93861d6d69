// CORBA exceptions between C++ and Python, both ways, and the boundary at which C++ calls are made from Python.
#pragma once

#include "python.h"
#include "tape.h"

namespace dgcc {

// A user exception raised by a Python servant, on its way through the ORB to the caller.
class UserError : public CORBA::UserException {
 public:
  UserError(const Type& type, std::shared_ptr<Tape> members) : type_(&type), members_(std::move(members)) {}
  UserError(const UserError& other) : CORBA::UserException(other), type_(other.type_), members_(other.members_) {}

  const Type& type() const { return *type_; }
  // The Python exception. With the GIL.
  Ref load() const;

  void _raise() const override { throw *this; }
  const char* _NP_repoId(int* size) const override;
  void _NP_marshal(cdrStream& stream) const override;

 private:
  CORBA::Exception* _NP_duplicate() const override { return new UserError(*this); }
  const char* _NP_typeId() const override { return "Exception/UserException/dgcc"; }

  const Type* type_;
  std::shared_ptr<Tape> members_;  // without Python objects, so any thread may drop it
};

// What the Python side tells once: {"system": {repo_id: class}, "user": {repo_id: class},
// "stubs": {repo_id: class}, "object": CORBA.Object, "completion": (YES, NO, MAYBE)}.
struct Registry {
  PyObject* system = nullptr;
  PyObject* user = nullptr;
  PyObject* stubs = nullptr;
  PyObject* object = nullptr;
  PyObject* completion = nullptr;
};
extern Registry registry;

// Set the Python error for a C++ one. With the GIL.
void set_error(const CORBA::Exception& error);
void set_error(const WrongValue& error, const std::string& where, CORBA::CompletionStatus completed);

// Throw the C++ exception for a Python system exception; returns if `error` is none. With the GIL.
void throw_if_system(PyObject* error);

// Runs `work`, C++ code that may throw; turns what it throws into a Python error. For the edge to Python.
template <class Work>
PyObject* at_boundary(Work work) {
  try {
    return work();
  } catch (PythonError&) {
  } catch (WrongValue& error) {
    set_error(error, "", CORBA::COMPLETED_NO);
  } catch (CORBA::Exception& error) {
    set_error(error);
  } catch (std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (omniORB::fatalException& error) {
    PyErr_Format(PyExc_SystemError, "omniORB: %s", error.errmsg());
  }
  return nullptr;
}

// Drop the servants that the ORB has given back since. With the GIL, at a point where Python code may run.
void bury_servants();

// Runs `work` without the GIL; what it throws goes on with the GIL held again.
template <class Work>
auto without_gil(Work work) {
  GilReleased released;
  return work();
}

extern PyMethodDef exception_functions[];

}  // namespace dgcc
