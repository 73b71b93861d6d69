// A C++ server that the seam's tests call; prints its IOR, ends when told to stop.
#include <cstring>
#include <iostream>

#include "interop.hh"

class Exchange : public POA_Interop::Exchange {
 public:
  explicit Exchange(CORBA::ORB_ptr orb) : orb_(CORBA::ORB::_duplicate(orb)) {}

  char* name() override { return CORBA::string_dup("C++ gr\xc3\xbc\xc3\x9f"); }
  CORBA::UShort level() override { return level_; }
  void level(CORBA::UShort value) override { level_ = value; }

  Interop::Items* reverse(const Interop::Items& given, CORBA::ULong& count, char*& note) override {
    auto* turned = new Interop::Items(given);
    for (CORBA::ULong i = 0; i < given.length(); ++i) (*turned)[i] = given[given.length() - 1 - i];
    count = given.length();
    CORBA::String_var longer = CORBA::string_alloc(std::strlen(note) + 1);
    std::strcpy(longer, note);
    std::strcat(longer, "!");
    CORBA::string_free(note);
    note = longer._retn();
    return turned;
  }

  Interop::Bytes* invert(const Interop::Bytes& data) override {
    auto* turned = new Interop::Bytes(data);
    for (CORBA::ULong i = 0; i < data.length(); ++i) (*turned)[i] = ~data[i];
    return turned;
  }

  CORBA::Char next(CORBA::Char letter) override { return letter + 1; }
  CORBA::Float half(CORBA::Float number) override { return number / 2; }
  void fail(const char* why, const Interop::Item& last) override { throw Interop::Broken(why, last); }
  void tell(Interop::Listener_ptr who, const char* words, const Interop::Items& about) override {
    who->heard(words, about);
  }
  CORBA::Object_ptr itself() override { return _this(); }
  void stop() override { orb_->shutdown(false); }

 private:
  CORBA::ORB_var orb_;
  CORBA::UShort level_ = 0;
};

int main(int argc, char** argv) {
  CORBA::ORB_var orb = CORBA::ORB_init(argc, argv);
  CORBA::Object_var found = orb->resolve_initial_references("RootPOA");
  PortableServer::POA_var poa = PortableServer::POA::_narrow(found);
  PortableServer::Servant_var<Exchange> exchange = new Exchange(orb);
  PortableServer::ObjectId_var id = poa->activate_object(exchange);
  Interop::Exchange_var ref = exchange->_this();
  CORBA::String_var text = orb->object_to_string(ref);
  std::cout << text << std::endl;
  PortableServer::POAManager_var manager = poa->the_POAManager();
  manager->activate();
  orb->run();
  orb->destroy();
  return 0;
}
