// The Python types POA, POAManager and Policy.
#pragma once

#include "python.h"

namespace dgcc {

extern PyTypeObject PoaType;
extern PyTypeObject ManagerType;
extern PyTypeObject PolicyType;

// These take the reference over; nil becomes None.
Ref poa_to_python(PortableServer::POA_ptr poa);
Ref manager_to_python(PortableServer::POAManager_ptr manager);
Ref policy_to_python(CORBA::Policy_ptr policy);

// Borrowed; null for an object of another type.
PortableServer::POA_ptr poa_in(PyObject* object);
PortableServer::POAManager_ptr manager_in(PyObject* object);
CORBA::Policy_ptr policy_in(PyObject* object);

}  // namespace dgcc
