// The Python side of a tape: values checked against their IDL type and stored, and made anew when loaded.
#include "objref.h"
#include "tape.h"

#include <cfloat>
#include <cmath>

namespace dgcc {
namespace {

bool utf8 = false;

[[noreturn]] void wrong_type(const Type& type, PyObject* value) {
  throw WrongValue{omni::BAD_PARAM_WrongPythonType,
                   "expected " + type.name + ", not a value of type '" + Py_TYPE(value)->tp_name + "'"};
}

[[noreturn]] void out_of_range(const Type& type) {
  throw WrongValue{omni::BAD_PARAM_PythonValueOutOfRange, "value out of the range of " + type.name};
}

[[noreturn]] void too_long(const Type& type, CORBA::ULong minor, size_t size) {
  throw WrongValue{minor, type.name + " of " + std::to_string(size) + " where at most " +
                              std::to_string(type.bound) + " are allowed", true};
}

double as_double(const Type& type, PyObject* value) {
  if (!PyFloat_Check(value) && !PyLong_Check(value)) wrong_type(type, value);
  double number = PyFloat_AsDouble(value);
  if (number == -1.0 && PyErr_Occurred()) {
    PyErr_Clear();
    out_of_range(type);
  }
  return number;
}

// A member of a struct, which may be any object that has the members as attributes.
Ref member_of(const Type& type, PyObject* value, PyObject* name) {
  PyObject* found = PyObject_GetAttr(value, name);
  if (found != nullptr) return Ref(found);
  if (!PyErr_ExceptionMatches(PyExc_AttributeError)) throw PythonError{};
  PyErr_Clear();
  wrong_type(type, value);
}

}  // namespace

bool utf8_strings() { return utf8; }
void set_utf8_strings(bool yes) { utf8 = yes; }

void Tape::store_integer(const Type& type, PyObject* value) {
  if (!PyLong_Check(value)) wrong_type(type, value);
  if (type.kind == Kind::ULongLong) {
    unsigned long long number = PyLong_AsUnsignedLongLong(value);
    if (number == static_cast<unsigned long long>(-1) && PyErr_Occurred()) {
      PyErr_Clear();
      out_of_range(type);
    }
    return put<CORBA::ULongLong>(number);
  }
  int overflow;
  long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
  if (overflow != 0) out_of_range(type);
  auto fit = [&](auto sample) {
    using Native = decltype(sample);
    if (number < static_cast<long long>(std::numeric_limits<Native>::min()) ||
        number > static_cast<long long>(std::numeric_limits<Native>::max()))
      out_of_range(type);
    put<Native>(static_cast<Native>(number));
  };
  switch (type.kind) {
    case Kind::Short: return fit(CORBA::Short());
    case Kind::UShort: return fit(CORBA::UShort());
    case Kind::Long: return fit(CORBA::Long());
    case Kind::ULong: return fit(CORBA::ULong());
    case Kind::Octet: return fit(CORBA::Octet());
    default: return put<CORBA::LongLong>(number);
  }
}

void Tape::store_string(const Type& type, PyObject* value) {
  if (!PyUnicode_Check(value)) wrong_type(type, value);
  Ref encoded(utf8 ? PyUnicode_AsUTF8String(value) : PyUnicode_AsLatin1String(value));
  if (!encoded) {
    PyErr_Clear();
    throw CORBA::DATA_CONVERSION(omni::DATA_CONVERSION_CannotMapChar, CORBA::COMPLETED_NO);
  }
  const char* chars = PyBytes_AS_STRING(encoded.get());
  size_t size = static_cast<size_t>(PyBytes_GET_SIZE(encoded.get()));
  if (std::memchr(chars, 0, size) != nullptr)
    throw WrongValue{omni::BAD_PARAM_EmbeddedNullInPythonString, "NUL inside a string"};
  if (type.bound != 0 && size > type.bound) too_long(type, omni::MARSHAL_StringIsTooLong, size);
  if (size > 0x7ffffffe) out_of_range(type);
  put(static_cast<CORBA::ULong>(size));
  put_raw(chars, size + 1);
}

void Tape::store_octets(const Type& type, PyObject* value) {
  if (!PyBytes_Check(value)) wrong_type(type, value);
  size_t size = static_cast<size_t>(PyBytes_GET_SIZE(value));
  if (type.element != nullptr && size != type.bound) wrong_type(type, value);
  if (type.bound != 0 && size > type.bound) too_long(type, omni::MARSHAL_SequenceIsTooLong, size);
  if (size > 0x7fffffff) out_of_range(type);
  put(static_cast<CORBA::ULong>(size));
  if (size >= LARGE && keep_large_)
    blobs_.push_back(Py_NewRef(value));
  else
    put_raw(PyBytes_AS_STRING(value), size);
}

void Tape::store_items(const Type& type, PyObject* value) {
  Ref items;
  if (type.element->kind == Kind::Char) {  // the mapping has strings for sequences and arrays of char
    if (!PyUnicode_Check(value)) wrong_type(type, value);
    items = owned(PySequence_Tuple(value));
  } else if (PyList_Check(value)) {
    items = owned(PyList_AsTuple(value));  // a list could change while its items' attributes are read
  } else if (PyTuple_Check(value)) {
    items = Ref::borrow(value);
  } else {
    wrong_type(type, value);
  }
  size_t count = static_cast<size_t>(PyTuple_GET_SIZE(items.get()));
  if (type.kind == Kind::Array ? count != type.bound : type.bound != 0 && count > type.bound) {
    if (type.kind == Kind::Array) wrong_type(type, value);
    too_long(type, omni::MARSHAL_SequenceIsTooLong, count);
  }
  put(static_cast<CORBA::ULong>(count));
  for (size_t i = 0; i < count; ++i) store(*type.element, PyTuple_GET_ITEM(items.get(), i));
}

void Tape::store(const Type& type, PyObject* value) {
  switch (type.kind) {
    case Kind::Short:
    case Kind::UShort:
    case Kind::Long:
    case Kind::ULong:
    case Kind::LongLong:
    case Kind::ULongLong:
    case Kind::Octet: return store_integer(type, value);
    case Kind::Float: {
      double number = as_double(type, value);
      if (std::isfinite(number) && std::fabs(number) > FLT_MAX) out_of_range(type);
      return put(static_cast<CORBA::Float>(number));
    }
    case Kind::Double: return put(as_double(type, value));
    case Kind::Boolean:
      if (!PyLong_Check(value)) wrong_type(type, value);
      return put<CORBA::Boolean>(PyObject_IsTrue(value) != 0);
    case Kind::Char: {
      if (!PyUnicode_Check(value) || PyUnicode_GET_LENGTH(value) != 1) wrong_type(type, value);
      Py_UCS4 character = PyUnicode_READ_CHAR(value, 0);
      if (character > 0xff) out_of_range(type);
      return put(static_cast<CORBA::Char>(character));
    }
    case Kind::Enum: {
      for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(type.items); ++i)
        if (PyTuple_GET_ITEM(type.items, i) == value) return put(static_cast<CORBA::ULong>(i));
      wrong_type(type, value);
    }
    case Kind::String: return store_string(type, value);
    case Kind::Octets: return store_octets(type, value);
    case Kind::Sequence:
    case Kind::Array: {
      if (Py_EnterRecursiveCall(" in an IDL value")) throw PythonError{};
      struct Leave {
        ~Leave() { Py_LeaveRecursiveCall(); }
      } leave;
      return store_items(type, value);
    }
    case Kind::Struct:
      for (size_t i = 0; i < type.members.size(); ++i)
        store(*type.members[i], member_of(type, value, type.names[i]).get());
      return;
    case Kind::Objref: {
      CORBA::Object_ptr ref = value == Py_None ? CORBA::Object::_nil() : objref_in(value);
      if (ref == nullptr) wrong_type(type, value);
      refs_.push_back(CORBA::Object::_duplicate(ref));
      return;
    }
  }
}

Ref Tape::load(const Type& type) {
  switch (type.kind) {
    case Kind::Short: return owned(PyLong_FromLong(get<CORBA::Short>()));
    case Kind::UShort: return owned(PyLong_FromLong(get<CORBA::UShort>()));
    case Kind::Long: return owned(PyLong_FromLong(get<CORBA::Long>()));
    case Kind::ULong: return owned(PyLong_FromUnsignedLong(get<CORBA::ULong>()));
    case Kind::LongLong: return owned(PyLong_FromLongLong(get<CORBA::LongLong>()));
    case Kind::ULongLong: return owned(PyLong_FromUnsignedLongLong(get<CORBA::ULongLong>()));
    case Kind::Float: return owned(PyFloat_FromDouble(get<CORBA::Float>()));
    case Kind::Double: return owned(PyFloat_FromDouble(get<CORBA::Double>()));
    case Kind::Boolean: return owned(PyBool_FromLong(get<CORBA::Boolean>()));
    case Kind::Char: return owned(PyUnicode_FromOrdinal(get<CORBA::Char>()));
    case Kind::Octet: return owned(PyLong_FromLong(get<CORBA::Octet>()));
    case Kind::Enum: return Ref::borrow(PyTuple_GET_ITEM(type.items, get<CORBA::ULong>()));
    case Kind::String: {
      CORBA::ULong size = get<CORBA::ULong>();
      const char* chars = get_raw(size + 1);
      PyObject* text = utf8 ? PyUnicode_DecodeUTF8(chars, size, nullptr) : PyUnicode_DecodeLatin1(chars, size, nullptr);
      if (text != nullptr) return Ref(text);
      PyErr_Clear();
      throw CORBA::DATA_CONVERSION(omni::DATA_CONVERSION_BadInput, CORBA::COMPLETED_MAYBE);
    }
    case Kind::Octets: {
      CORBA::ULong size = get<CORBA::ULong>();
      if (size >= LARGE && keep_large_) return Ref::borrow(blobs_[blob_at_++]);
      return owned(PyBytes_FromStringAndSize(get_raw(size), size));
    }
    case Kind::Sequence:
    case Kind::Array: {
      CORBA::ULong count = get<CORBA::ULong>();
      if (type.element->kind == Kind::Char)
        return owned(PyUnicode_DecodeLatin1(get_raw(count), count, nullptr));
      Ref list = owned(PyList_New(count));
      for (CORBA::ULong i = 0; i < count; ++i) PyList_SET_ITEM(list.get(), i, load(*type.element).release());
      return list;
    }
    case Kind::Struct: {
      Ref members = owned(PyTuple_New(static_cast<Py_ssize_t>(type.members.size())));
      for (size_t i = 0; i < type.members.size(); ++i)
        PyTuple_SET_ITEM(members.get(), i, load(*type.members[i]).release());
      return owned(PyObject_CallObject(type.cls, members.get()));
    }
    case Kind::Objref: {
      CORBA::Object_ptr ref = refs_[ref_at_++];
      return objref_to_python(CORBA::Object::_duplicate(ref), type.repo_id);
    }
  }
  throw PythonError{};
}

}  // namespace dgcc
