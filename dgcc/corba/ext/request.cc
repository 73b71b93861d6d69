// The caller's side of a call.
#include "call.h"
#include "servant.h"

#include <omniORB4/IOP_C.h>

namespace dgcc {
namespace {

class Request : public omniCallDescriptor {
 public:
  explicit Request(const Operation& operation)
      : omniCallDescriptor(run_local, operation.name.c_str(), operation.name.size() + 1, operation.oneway,
                           operation.raises_ids.data(), static_cast<int>(operation.raises_ids.size()), 0),
        operation_(operation) {}

  void store_arguments(PyObject* arguments) {
    size_t given = static_cast<size_t>(PyTuple_GET_SIZE(arguments));
    size_t expected = operation_.ins.size();
    if (given != expected) {
      PyErr_Format(PyExc_TypeError, "%s() takes %zu argument%s (%zu given)", operation_.name.c_str(), expected,
                   expected == 1 ? "" : "s", given);
      throw PythonError{};
    }
    size_t i = 0;
    try {
      for (; i < expected; ++i) in_.store(*operation_.ins[i], PyTuple_GET_ITEM(arguments, i));
    } catch (WrongValue& error) {
      error.detail = operation_.name + "(), argument " + std::to_string(i + 1) + ": " + error.detail;
      throw;
    }
  }

  Ref results() {
    size_t count = operation_.oneway ? 0 : operation_.outs.size();
    out_.rewind();
    if (count == 0) return Ref::borrow(Py_None);
    if (count == 1) return out_.load(*operation_.outs[0]);
    Ref all = owned(PyTuple_New(static_cast<Py_ssize_t>(count)));
    for (size_t i = 0; i < count; ++i) PyTuple_SET_ITEM(all.get(), i, out_.load(*operation_.outs[i]).release());
    return all;
  }

  void marshalArguments(cdrStream& stream) override {
    in_.rewind();  // the ORB may try more than once
    for (const Type* type : operation_.ins) in_.send(*type, stream);
  }

  void unmarshalReturnedValues(cdrStream& stream) override {
    out_.clear();
    for (const Type* type : operation_.outs) out_.receive(*type, stream);
  }

  void userException(cdrStream& stream, omni::IOP_C* iop, const char* repo_id) override {
    const Type* type = operation_.raised(repo_id);
    if (type == nullptr) {
      if (iop != nullptr) iop->RequestCompleted(1);
      throw CORBA::UNKNOWN(omni::UNKNOWN_UserException, CORBA::COMPLETED_MAYBE);
    }
    auto members = std::make_shared<Tape>(false);
    members->receive(*type, stream);
    if (iop != nullptr) iop->RequestCompleted();
    throw UserError(*type, members);
  }

 private:
  // The target lives in this process and the ORB offers to skip the wire: go by value all the same.
  static void run_local(omniCallDescriptor* self, omniServant* target) {
    auto* request = static_cast<Request*>(self);
    auto* servant = dynamic_cast<PyServant*>(target);
    if (servant == nullptr) throw CORBA::BAD_OPERATION(0, CORBA::COMPLETED_NO);
    const Operation* known = servant->operation(self->op());
    if (known == nullptr)
      throw CORBA::BAD_OPERATION(omni::BAD_OPERATION_UnRecognisedOperationName, CORBA::COMPLETED_NO);
    Upcall upcall(*known, servant->python());
    cdrMemoryStream stream;
    request->marshalArguments(stream);
    upcall.unmarshalArguments(stream);
    upcall.doLocalCall(servant);
    stream.rewindPtrs();
    upcall.marshalReturnedValues(stream);
    request->unmarshalReturnedValues(stream);
  }

  const Operation& operation_;
  Tape in_, out_;
};

}  // namespace

Ref call(CORBA::Object_ptr target, const Operation& operation, PyObject* arguments) {
  Request request(operation);
  request.store_arguments(arguments);
  without_gil([&] { target->_PR_getobj()->_invoke(request); });
  return request.results();
}

}  // namespace dgcc
