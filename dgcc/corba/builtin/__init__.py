"""The Python half of our own ORB engine: the standard modules CORBA and PortableServer, and what stubs need."""
