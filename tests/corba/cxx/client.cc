// A C++ client of the seam's servants: prints a line for each answer, which the test compares.
#include <iostream>

#include "interop.hh"

static Interop::Item item(const char* name, Interop::Kind size, CORBA::LongLong number) {
  Interop::Item made;
  made.name = name;
  made.size = size;
  made.number = number;
  made.share = 0.25;
  made.good = true;
  made.data.length(3);
  for (CORBA::ULong i = 0; i < 3; ++i) made.data[i] = 254 + i;
  return made;
}

static void show(const Interop::Item& one) {
  std::cout << one.name << ' ' << one.size << ' ' << one.number << ' ' << one.share << ' ' << one.good << ' '
            << one.data.length() << std::endl;
}

int main(int argc, char** argv) {
  CORBA::ORB_var orb = CORBA::ORB_init(argc, argv);
  CORBA::Object_var found = orb->string_to_object(argv[1]);
  Interop::Exchange_var far = Interop::Exchange::_narrow(found);
  CORBA::String_var name = far->name();
  std::cout << name << std::endl;
  far->level(far->level() + 7);
  std::cout << far->level() << std::endl;
  Interop::Items items;
  items.length(2);
  items[0] = item("eins", Interop::MIDDLE, -5000000000LL);
  items[1] = item("zw\xc3\xb6lf", Interop::LARGE, 12);
  CORBA::ULong count;
  CORBA::String_var note = "note";
  Interop::Items_var turned = far->reverse(items, count, note.inout());
  std::cout << count << ' ' << note << std::endl;
  for (CORBA::ULong i = 0; i < turned->length(); ++i) show(turned[i]);
  Interop::Bytes_var inverted = far->invert(items[0].data);
  std::cout << int(inverted[0u]) << ' ' << far->next('a') << ' ' << far->half(3) << std::endl;
  try {
    far->fail("why not", items[0]);
  } catch (Interop::Broken& broken) {
    std::cout << "Broken " << broken.why << ' ' << broken.last.name << std::endl;
  }
  try {
    far->fail("", items[0]);
  } catch (CORBA::SystemException& error) {
    std::cout << error._name() << std::endl;
  }
  CORBA::Object_var self = far->itself();
  std::cout << (self->_is_equivalent(far) ? "same" : "different") << ' ' << self->_is_a("IDL:Interop/Listener:1.0")
            << self->_is_a("IDL:Interop/Exchange:1.0") << far->_non_existent() << std::endl;
  far->stop();
  orb->destroy();
  return 0;
}
