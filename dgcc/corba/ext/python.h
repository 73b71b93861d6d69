// Owning references to Python objects, and the GIL as scopes: the only way this extension touches either.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <omniORB4/CORBA.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

namespace dgcc {

// A strong reference. Make, copy and drop only while holding the GIL.
class Ref {
 public:
  Ref() = default;
  explicit Ref(PyObject* owned) : object_(owned) {}
  Ref(const Ref& other) : object_(Py_XNewRef(other.object_)) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() { Py_XDECREF(object_); }

  static Ref borrow(PyObject* object) { return Ref(Py_XNewRef(object)); }

  PyObject* get() const { return object_; }
  PyObject* release() { return std::exchange(object_, nullptr); }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  PyObject* object_ = nullptr;
};

// A Python error is set in this thread: unwind to the boundary and return NULL there.
struct PythonError {};

// A new reference that must not be null; throws PythonError otherwise.
inline Ref owned(PyObject* object) {
  if (object == nullptr) throw PythonError{};
  return Ref(object);
}

// True once the interpreter is about to end: from then on no ORB thread may ask for the GIL.
bool closing();
void start_closing();

// Give up the GIL for a scope.
class GilReleased {
 public:
  GilReleased() : state_(PyEval_SaveThread()) {}
  ~GilReleased();
  GilReleased(const GilReleased&) = delete;
  GilReleased& operator=(const GilReleased&) = delete;

 private:
  PyThreadState* state_;
};

// Hold the GIL for a scope, in any thread, also one that Python has never seen.
// Throws CORBA::TRANSIENT when the interpreter is ending.
class GilHeld {
 public:
  GilHeld();
  ~GilHeld();
  GilHeld(const GilHeld&) = delete;
  GilHeld& operator=(const GilHeld&) = delete;

 private:
  PyGILState_STATE state_;
};

// Call a Python callable from a thread that the ORB made. Python ends threads by unwinding them when the
// interpreter ends; that must not go through the ORB's frames, so such a thread is parked here instead.
PyObject* call_guarded(PyObject* callable, PyObject* arguments);

}  // namespace dgcc
