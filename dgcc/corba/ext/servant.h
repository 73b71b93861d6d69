// Servants: the Python type beneath PortableServer.Servant, and the C++ servant that the ORB knows.
#pragma once

#include "types.h"

#include <omniORB4/CORBA.h>

namespace dgcc {

// What the ORB holds for an active Python servant; it keeps the Python servant alive.
//
// The ORB counts its references with its own locks held, so counting must not wait for the GIL: when the last
// one goes, the servant is only put aside, and bury_servants() drops it later.
class PyServant : public PortableServer::ServantBase {
 public:
  PyServant(PyObject* python, const Interface& interface) : python_(python), interface_(interface) {}

  PyObject* python() const { return python_; }
  const Operation* operation(const char* name) const;
  CORBA::Object_ptr this_reference();

  CORBA::Boolean _dispatch(omniCallHandle& handle) override;
  const char* _mostDerivedRepoId() override { return interface_.repo_id.c_str(); }
  CORBA::Boolean _is_a(const char* repo_id) override;
  PortableServer::POA_ptr _default_POA() override;
  void* _ptrToInterface(const char* repo_id) override;
  void _add_ref() override;
  void _remove_ref() override;
  CORBA::ULong _refcount_value() override;

 private:
  friend void bury_servants();

  PyObject* python_;
  const Interface& interface_;
  int references_ = 1;     // these two belong to the lock in servant.cc
  bool put_aside_ = false;
};

extern PyTypeObject ServantType;

// The C++ servant of a Python servant; the caller must drop a reference (ServantBase_var does).
// Throws WrongValue for an object that is no servant.
PyServant* servant_in(PyObject* object);

// The Python servant of a C++ one, whose reference is dropped.
Ref servant_to_python(PortableServer::Servant servant);

}  // namespace dgcc
