// The GIL as scopes, safe at the interpreter's end.
#include "python.h"

#include <cxxabi.h>
#include <unistd.h>

namespace dgcc {
namespace {

std::atomic<bool> is_closing{false};

[[noreturn]] void park() {
  for (;;) pause();
}

// Run `work`, which may end the thread because the interpreter ends; stay in it for ever then.
template <class Work>
auto parking(Work work) {
  try {
    return work();
  } catch (abi::__forced_unwind&) {
    park();
  }
}

// Keeps the Python thread state of a thread that the ORB made, so that an upcall need not make one.
class Attachment {
 public:
  void ensure() {
    if (PyGILState_GetThisThreadState() != nullptr) return;
    parking([this] { held_ = PyGILState_Ensure(); });
    state_ = PyEval_SaveThread();
  }
  ~Attachment() {
    if (state_ == nullptr || closing()) return;
    parking([this] { PyEval_RestoreThread(state_); });
    PyGILState_Release(held_);
  }

 private:
  PyGILState_STATE held_ = PyGILState_UNLOCKED;
  PyThreadState* state_ = nullptr;
};

thread_local Attachment attachment;

}  // namespace

bool closing() { return is_closing.load(std::memory_order_relaxed); }

void start_closing() { is_closing.store(true); }

GilReleased::~GilReleased() {
  parking([this] { PyEval_RestoreThread(state_); });
}

GilHeld::GilHeld() {
  if (closing() && !PyGILState_Check()) throw CORBA::TRANSIENT(0, CORBA::COMPLETED_MAYBE);
  attachment.ensure();
  state_ = parking([] { return PyGILState_Ensure(); });
}

GilHeld::~GilHeld() { PyGILState_Release(state_); }

PyObject* call_guarded(PyObject* callable, PyObject* arguments) {
  return parking([&] { return PyObject_CallObject(callable, arguments); });
}

}  // namespace dgcc
