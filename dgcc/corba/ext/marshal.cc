// The wire side of a tape: CDR out of it and into it, without the GIL.
#include "tape.h"

namespace dgcc {
namespace {

// How deep received values may nest; only recursive types can reach it.
const int DEEPEST = 200;

[[noreturn]] void broken(CORBA::ULong minor, cdrStream& stream) {
  throw CORBA::MARSHAL(minor, static_cast<CORBA::CompletionStatus>(stream.completion()));
}

}  // namespace

Tape::~Tape() {
  if (blobs_.empty()) {
    for (CORBA::Object_ptr ref : refs_) CORBA::release(ref);
    return;
  }
  try {
    clear();
  } catch (CORBA::SystemException&) {  // the interpreter is ending: let the operating system have the memory
  }
}

void Tape::forget() {
  for (PyObject* blob : blobs_) Py_DECREF(blob);
  blobs_.clear();
}

void Tape::clear() {
  for (CORBA::Object_ptr ref : refs_) CORBA::release(ref);
  refs_.clear();
  data_.clear();
  rewind();
  if (!blobs_.empty()) {
    GilHeld gil;
    forget();
  }
}

void Tape::send(const Type& type, cdrStream& stream) {
  switch (type.kind) {
    case Kind::Short: return stream.marshalShort(get<CORBA::Short>());
    case Kind::UShort: return stream.marshalUShort(get<CORBA::UShort>());
    case Kind::Long: return stream.marshalLong(get<CORBA::Long>());
    case Kind::ULong: return stream.marshalULong(get<CORBA::ULong>());
    case Kind::LongLong: return stream.marshalLongLong(get<CORBA::LongLong>());
    case Kind::ULongLong: return stream.marshalULongLong(get<CORBA::ULongLong>());
    case Kind::Float: return stream.marshalFloat(get<CORBA::Float>());
    case Kind::Double: return stream.marshalDouble(get<CORBA::Double>());
    case Kind::Boolean: return stream.marshalBoolean(get<CORBA::Boolean>());
    case Kind::Char: return stream.marshalChar(get<CORBA::Char>());
    case Kind::Octet: return stream.marshalOctet(get<CORBA::Octet>());
    case Kind::Enum: return stream.marshalULong(get<CORBA::ULong>());
    case Kind::String: {
      CORBA::ULong size = get<CORBA::ULong>();
      return stream.marshalString(get_raw(size + 1), static_cast<int>(type.bound));
    }
    case Kind::Octets: {
      CORBA::ULong size = get<CORBA::ULong>();
      if (type.element == nullptr) stream.marshalULong(size);
      const char* raw = size >= LARGE && keep_large_ ? PyBytes_AS_STRING(blobs_[blob_at_++]) : get_raw(size);
      return stream.put_octet_array(reinterpret_cast<const CORBA::Octet*>(raw), static_cast<int>(size));
    }
    case Kind::Sequence:
    case Kind::Array: {
      CORBA::ULong count = get<CORBA::ULong>();
      if (type.kind == Kind::Sequence) stream.marshalULong(count);
      for (CORBA::ULong i = 0; i < count; ++i) send(*type.element, stream);
      return;
    }
    case Kind::Struct:
      for (const Type* member : type.members) send(*member, stream);
      return;
    case Kind::Objref: return CORBA::Object::_marshalObjRef(refs_[ref_at_++], stream);
  }
}

void Tape::receive_string(const Type& type, cdrStream& stream) {
  CORBA::String_var text = stream.unmarshalString(static_cast<int>(type.bound));
  CORBA::ULong size = static_cast<CORBA::ULong>(std::strlen(text));
  put(size);
  put_raw(static_cast<const char*>(text), size + 1);
}

void Tape::receive_octets(const Type& type, cdrStream& stream) {
  CORBA::ULong size = type.bound;
  if (type.element == nullptr) {
    size = stream.unmarshalULong();
    if (type.bound != 0 && size > type.bound) broken(omni::MARSHAL_SequenceIsTooLong, stream);
  }
  if (!stream.checkInputOverrun(1, size)) broken(omni::MARSHAL_PassEndOfMessage, stream);
  put(size);
  if (size < LARGE || !keep_large_) {
    size_t from = data_.size();
    data_.resize(from + size);
    stream.get_octet_array(reinterpret_cast<CORBA::Octet*>(data_.data() + from), static_cast<int>(size));
    return;
  }
  PyObject* blob;
  {
    GilHeld gil;
    blob = PyBytes_FromStringAndSize(nullptr, size);
    if (blob == nullptr) PyErr_Clear();
  }
  if (blob == nullptr)
    throw CORBA::NO_MEMORY(0, static_cast<CORBA::CompletionStatus>(stream.completion()));
  blobs_.push_back(blob);
  stream.get_octet_array(reinterpret_cast<CORBA::Octet*>(PyBytes_AS_STRING(blob)), static_cast<int>(size));
}

void Tape::receive(const Type& type, cdrStream& stream, int depth) {
  switch (type.kind) {
    case Kind::Short: return put(stream.unmarshalShort());
    case Kind::UShort: return put(stream.unmarshalUShort());
    case Kind::Long: return put(stream.unmarshalLong());
    case Kind::ULong: return put(stream.unmarshalULong());
    case Kind::LongLong: return put(stream.unmarshalLongLong());
    case Kind::ULongLong: return put(stream.unmarshalULongLong());
    case Kind::Float: return put(stream.unmarshalFloat());
    case Kind::Double: return put(stream.unmarshalDouble());
    case Kind::Boolean: return put(stream.unmarshalBoolean());
    case Kind::Char: return put(stream.unmarshalChar());
    case Kind::Octet: return put(stream.unmarshalOctet());
    case Kind::Enum: {
      CORBA::ULong value = stream.unmarshalULong();
      if (value >= static_cast<CORBA::ULong>(PyTuple_GET_SIZE(type.items)))
        broken(omni::MARSHAL_InvalidEnumValue, stream);
      return put(value);
    }
    case Kind::String: return receive_string(type, stream);
    case Kind::Octets: return receive_octets(type, stream);
    case Kind::Sequence:
    case Kind::Array: {
      CORBA::ULong count = type.bound;
      if (type.kind == Kind::Sequence) {
        count = stream.unmarshalULong();
        if (type.bound != 0 && count > type.bound) broken(omni::MARSHAL_SequenceIsTooLong, stream);
      }
      // Every value takes a byte or more, so a lie about the length is found before memory is spent on it.
      if (!stream.checkInputOverrun(1, count)) broken(omni::MARSHAL_PassEndOfMessage, stream);
      if (depth >= DEEPEST) broken(omni::MARSHAL_SequenceIsTooLong, stream);
      put(count);
      for (CORBA::ULong i = 0; i < count; ++i) receive(*type.element, stream, depth + 1);
      return;
    }
    case Kind::Struct:
      for (const Type* member : type.members) receive(*member, stream, depth);
      return;
    case Kind::Objref: refs_.push_back(CORBA::Object::_unmarshalObjRef(stream)); return;
  }
}

}  // namespace dgcc
