// What the stubs tell about an IDL type, an operation and an interface; made at import, never freed.
#pragma once

#include "python.h"

#include <unordered_map>
#include <vector>

namespace dgcc {

enum class Kind {
  Short, UShort, Long, ULong, LongLong, ULongLong, Float, Double, Boolean, Char, Octet,
  String, Octets, Sequence, Array, Enum, Struct, Objref
};

struct Type {
  Kind kind;
  std::string name;                   // as an error message names it
  CORBA::ULong bound = 0;             // of a string or sequence, 0: none; the length of an array
  const Type* element = nullptr;      // of a sequence or array
  PyObject* cls = nullptr;            // of a struct or exception: its Python class
  std::vector<PyObject*> names;       // of its members, interned
  std::vector<const Type*> members;   // of a struct or exception
  PyObject* items = nullptr;          // of an enum: a tuple of its items
  std::string repo_id;                // of an exception or object reference
};

struct Operation {
  std::string name;                   // on the wire
  PyObject* method;                   // the servant's method, interned
  std::vector<const Type*> ins;
  std::vector<const Type*> outs;      // the result, if any, comes first
  std::vector<const Type*> raises;
  std::vector<const char*> raises_ids;
  bool oneway;

  const Type* raised(const char* repo_id) const;
};

struct Interface {
  std::string repo_id;
  std::vector<std::string> bases;     // repository ids of all it inherits from, and its own
  std::unordered_map<std::string, const Operation*> operations;
};

// The descriptor in a capsule made by the functions below; throws PythonError for another object.
const Type* type_in(PyObject* capsule);
const Operation* operation_in(PyObject* capsule);
const Interface* interface_in(PyObject* capsule);

extern PyMethodDef type_functions[];

}  // namespace dgcc
