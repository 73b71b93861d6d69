// The functions with which the stubs describe IDL types, operations and interfaces.
#include "types.h"

#include <cstring>

namespace dgcc {
namespace {

const char TYPE[] = "dgcc.corba.Type";
const char OPERATION[] = "dgcc.corba.Operation";
const char INTERFACE[] = "dgcc.corba.Interface";

struct Basic {
  const char* name;
  Kind kind;
};

const Basic BASICS[] = {
    {"short", Kind::Short},         {"unsigned short", Kind::UShort},
    {"long", Kind::Long},           {"unsigned long", Kind::ULong},
    {"long long", Kind::LongLong},  {"unsigned long long", Kind::ULongLong},
    {"float", Kind::Float},         {"double", Kind::Double},
    {"boolean", Kind::Boolean},     {"char", Kind::Char},
    {"octet", Kind::Octet},
};

template <class T>
T* inside(PyObject* capsule, const char* what) {
  auto* found = static_cast<T*>(PyCapsule_GetPointer(capsule, what));
  if (found == nullptr) throw PythonError{};
  return found;
}

std::vector<const Type*> types_in(PyObject* tuple) {
  std::vector<const Type*> found;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); ++i) found.push_back(type_in(PyTuple_GET_ITEM(tuple, i)));
  return found;
}

std::string text(PyObject* object) {
  const char* chars = PyUnicode_AsUTF8(object);
  if (chars == nullptr) throw PythonError{};
  return chars;
}

PyObject* interned(PyObject* name) {
  Py_INCREF(name);
  PyUnicode_InternInPlace(&name);
  return name;
}

PyObject* capsule(Type* made) { return PyCapsule_New(made, TYPE, nullptr); }

PyObject* basic(PyObject*, PyObject* args) {
  const char* name;
  if (!PyArg_ParseTuple(args, "s", &name)) return nullptr;
  for (const Basic& known : BASICS)
    if (std::strcmp(known.name, name) == 0) return capsule(new Type{known.kind, name});
  return PyErr_Format(PyExc_ValueError, "no basic IDL type is called '%s'", name);
}

PyObject* string(PyObject*, PyObject* args) {
  unsigned int bound;
  if (!PyArg_ParseTuple(args, "I", &bound)) return nullptr;
  return capsule(new Type{Kind::String, "string", bound});
}

PyObject* repeated(PyObject* args, Kind kind) {
  PyObject* element;
  unsigned int bound;
  if (!PyArg_ParseTuple(args, "OI", &element, &bound)) return nullptr;
  try {
    const Type* of = type_in(element);
    if (of->kind == Kind::Octet)
      return capsule(new Type{Kind::Octets, kind == Kind::Array ? "octet array" : "sequence<octet>", bound,
                              kind == Kind::Array ? of : nullptr});
    std::string name = kind == Kind::Array ? of->name + " array" : "sequence<" + of->name + ">";
    return capsule(new Type{kind, name, bound, of});
  } catch (PythonError&) {
    return nullptr;
  }
}

PyObject* sequence(PyObject*, PyObject* args) { return repeated(args, Kind::Sequence); }

PyObject* array(PyObject*, PyObject* args) { return repeated(args, Kind::Array); }

PyObject* enumeration(PyObject*, PyObject* args) {
  const char* name;
  PyObject* items;
  if (!PyArg_ParseTuple(args, "sO!", &name, &PyTuple_Type, &items)) return nullptr;
  auto* made = new Type{Kind::Enum, name};
  made->items = Py_NewRef(items);
  return capsule(made);
}

PyObject* structure(PyObject*, PyObject* args) {
  const char* name;
  const char* repo_id;
  if (!PyArg_ParseTuple(args, "ss", &name, &repo_id)) return nullptr;
  auto* made = new Type{Kind::Struct, name};
  made->repo_id = repo_id;
  return capsule(made);
}

// Apart from structure(), so that a struct may contain sequences of itself.
PyObject* set_members(PyObject*, PyObject* args) {
  PyObject *of, *cls, *names, *types;
  if (!PyArg_ParseTuple(args, "OOO!O!", &of, &cls, &PyTuple_Type, &names, &PyTuple_Type, &types)) return nullptr;
  try {
    Type* changed = inside<Type>(of, TYPE);
    changed->cls = Py_NewRef(cls);
    changed->members = types_in(types);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); ++i)
      changed->names.push_back(interned(PyTuple_GET_ITEM(names, i)));
    Py_RETURN_NONE;
  } catch (PythonError&) {
    return nullptr;
  }
}

PyObject* objref(PyObject*, PyObject* args) {
  const char* name;
  const char* repo_id;
  if (!PyArg_ParseTuple(args, "ss", &name, &repo_id)) return nullptr;
  auto* made = new Type{Kind::Objref, name};
  made->repo_id = repo_id;
  return capsule(made);
}

PyObject* operation(PyObject*, PyObject* args) {
  const char* name;
  PyObject *method, *ins, *outs, *raises;
  int oneway;
  if (!PyArg_ParseTuple(args, "sUO!O!O!p", &name, &method, &PyTuple_Type, &ins, &PyTuple_Type, &outs,
                        &PyTuple_Type, &raises, &oneway))
    return nullptr;
  try {
    auto made = std::make_unique<Operation>();
    made->name = name;
    made->ins = types_in(ins);
    made->outs = types_in(outs);
    made->raises = types_in(raises);
    for (const Type* type : made->raises) made->raises_ids.push_back(type->repo_id.c_str());
    made->oneway = oneway != 0;
    made->method = interned(method);
    return PyCapsule_New(made.release(), OPERATION, nullptr);
  } catch (PythonError&) {
    return nullptr;
  }
}

PyObject* interface(PyObject*, PyObject* args) {
  const char* repo_id;
  PyObject *bases, *operations;
  if (!PyArg_ParseTuple(args, "sO!O!", &repo_id, &PyTuple_Type, &bases, &PyDict_Type, &operations)) return nullptr;
  try {
    auto made = std::make_unique<Interface>();
    made->repo_id = repo_id;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(bases); ++i)
      made->bases.push_back(text(PyTuple_GET_ITEM(bases, i)));
    PyObject *name, *described;
    for (Py_ssize_t at = 0; PyDict_Next(operations, &at, &name, &described);)
      made->operations[text(name)] = operation_in(described);
    return PyCapsule_New(made.release(), INTERFACE, nullptr);
  } catch (PythonError&) {
    return nullptr;
  }
}

}  // namespace

const Type* type_in(PyObject* capsule) { return inside<Type>(capsule, TYPE); }
const Operation* operation_in(PyObject* capsule) { return inside<Operation>(capsule, OPERATION); }
const Interface* interface_in(PyObject* capsule) { return inside<Interface>(capsule, INTERFACE); }

const Type* Operation::raised(const char* repo_id) const {
  for (const Type* type : raises)
    if (type->repo_id == repo_id) return type;
  return nullptr;
}

PyMethodDef type_functions[] = {
    {"basic", basic, METH_VARARGS, "basic(name): the descriptor of a basic type, by its IDL name"},
    {"string", string, METH_VARARGS, "string(bound): a string of at most `bound` bytes, 0: any"},
    {"sequence", sequence, METH_VARARGS, "sequence(element, bound)"},
    {"array", array, METH_VARARGS, "array(element, length)"},
    {"enumeration", enumeration, METH_VARARGS, "enumeration(name, items)"},
    {"structure", structure, METH_VARARGS, "structure(name, repo_id): its members follow with set_members"},
    {"set_members", set_members, METH_VARARGS, "set_members(structure, class, names, types)"},
    {"objref", objref, METH_VARARGS, "objref(name, repo_id)"},
    {"operation", operation, METH_VARARGS, "operation(name, method, ins, outs, raises, oneway)"},
    {"interface", interface, METH_VARARGS, "interface(repo_id, base_ids, {name: operation})"},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace dgcc
