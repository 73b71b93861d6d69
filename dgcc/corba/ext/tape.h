// Values between Python and the wire: written by one side, read by the other, in the order of their types.
//
// Python objects are touched only with the GIL, the wire only without it, because either can make the other
// wait. So an argument goes Python -> tape (store, with GIL) -> wire (send, without), and back by receive and
// load. It also means that a value is checked as a whole before its first byte is sent, and that other threads
// may change a list while a call that carries it is out. Large byte strings are not copied: the tape keeps a
// reference to the bytes object itself.
#pragma once

#include "python.h"
#include "types.h"

#include <cstring>
#include <vector>

namespace dgcc {

// A Python value that does not fit its IDL type. Becomes CORBA.BAD_PARAM (or MARSHAL for a broken bound).
struct WrongValue {
  CORBA::ULong minor;
  std::string detail;
  bool too_long = false;
};

class Tape {
 public:
  // Bytes objects from this size on are kept by reference.
  static constexpr CORBA::ULong LARGE = 4096;

  // With keep_large false no Python object is kept, so that the tape can be dropped without the GIL.
  explicit Tape(bool keep_large = true) : keep_large_(keep_large) {}
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // Python side, with the GIL.
  void store(const Type& type, PyObject* value);
  Ref load(const Type& type);
  // Drop what is kept of Python.
  void forget();

  // Wire side, without the GIL. `receive` throws CORBA::MARSHAL for what breaks its type.
  void send(const Type& type, cdrStream& stream);
  void receive(const Type& type, cdrStream& stream, int depth = 0);

  void rewind() { at_ = blob_at_ = ref_at_ = 0; }
  // Forget all, for a second try. Needs the GIL only if large bytes were received.
  void clear();

 private:
  template <class T>
  void put(T value) {
    const char* raw = reinterpret_cast<const char*>(&value);
    data_.insert(data_.end(), raw, raw + sizeof value);
  }
  template <class T>
  T get() {
    T value;
    std::memcpy(&value, data_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  void put_raw(const void* from, size_t size) {
    const char* raw = static_cast<const char*>(from);
    data_.insert(data_.end(), raw, raw + size);
  }
  const char* get_raw(size_t size) {
    const char* found = data_.data() + at_;
    at_ += size;
    return found;
  }

  void store_integer(const Type& type, PyObject* value);
  void store_string(const Type& type, PyObject* value);
  void store_octets(const Type& type, PyObject* value);
  void store_items(const Type& type, PyObject* value);
  void receive_string(const Type& type, cdrStream& stream);
  void receive_octets(const Type& type, cdrStream& stream);

  bool keep_large_;
  std::vector<char> data_;
  std::vector<PyObject*> blobs_;
  std::vector<CORBA::Object_ptr> refs_;
  size_t at_ = 0, blob_at_ = 0, ref_at_ = 0;
};

// Whether native strings of this ORB are UTF-8 (-ORBnativeCharCodeSet UTF-8); ISO-8859-1 otherwise.
bool utf8_strings();
void set_utf8_strings(bool yes);

}  // namespace dgcc
