// One call as the ORB sees it: Request at the caller, Upcall at the servant.
#pragma once

#include "exceptions.h"
#include "tape.h"

#include <omniORB4/callDescriptor.h>
#include <omniORB4/callHandle.h>

namespace dgcc {

// Make the call `operation` on `target`; `arguments` is a tuple. Returns None, the result, or a tuple.
Ref call(CORBA::Object_ptr target, const Operation& operation, PyObject* arguments);

// An operation on a Python servant, from the ORB.
class Upcall : public omniCallDescriptor {
 public:
  // `servant` is borrowed; the ORB holds it while it is called.
  Upcall(const Operation& operation, PyObject* servant);

  void unmarshalArguments(cdrStream& stream) override;
  void marshalReturnedValues(cdrStream& stream) override;

 private:
  static void run(omniCallDescriptor* self, omniServant*);
  void call_servant();
  Ref arguments();
  void store_results(PyObject* returned);
  [[noreturn]] void throw_raised();

  const Operation& operation_;
  PyObject* servant_;
  Tape in_, out_;
};

}  // namespace dgcc
