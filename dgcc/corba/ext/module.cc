// The extension module dgcc.corba._orb: libomniORB4 for Python, beneath the modules in dgcc/corba/builtin.
#include "exceptions.h"
#include "types.h"

namespace dgcc {

extern PyMethodDef orb_functions[];

PyTypeObject* prepare_objref_type();
PyTypeObject* prepare_servant_type();
PyTypeObject* prepare_poa_type();
PyTypeObject* prepare_manager_type();
PyTypeObject* prepare_policy_type();
PyTypeObject* prepare_orb_type();

namespace {

// The interpreter is about to end: no thread of the ORB may enter it from now on.
PyObject* close(PyObject*, PyObject*) {
  start_closing();
  Py_RETURN_NONE;
}

// Add a name to one of our types, which Python code itself cannot: the mapping has exceptions inside POA and ORB.
PyObject* attach(PyObject*, PyObject* args) {
  PyTypeObject* type;
  PyObject *name, *value;
  if (!PyArg_ParseTuple(args, "O!UO", &PyType_Type, &type, &name, &value)) return nullptr;
  if (PyDict_SetItem(type->tp_dict, name, value) < 0) return nullptr;
  PyType_Modified(type);
  Py_RETURN_NONE;
}

PyMethodDef module_functions[] = {
    {"attach", attach, METH_VARARGS, "attach(type, name, value): add a name to a type of this module"},
    {"close", close, METH_NOARGS, "Refuse upcalls from now on, because the interpreter ends"},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef definition = {PyModuleDef_HEAD_INIT, "dgcc.corba._orb", "libomniORB4 for Python", -1,
                          module_functions, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyObject* make_module() {
  Ref module(PyModule_Create(&definition));
  if (!module) return nullptr;
  for (PyMethodDef* functions : {type_functions, exception_functions, orb_functions})
    if (PyModule_AddFunctions(module.get(), functions) < 0) return nullptr;
  for (auto* prepare : {prepare_objref_type, prepare_servant_type, prepare_poa_type, prepare_manager_type,
                        prepare_policy_type, prepare_orb_type})
    if (PyModule_AddType(module.get(), prepare()) < 0) return nullptr;
  return module.release();
}

}  // namespace dgcc

PyMODINIT_FUNC PyInit__orb() { return dgcc::make_module(); }
