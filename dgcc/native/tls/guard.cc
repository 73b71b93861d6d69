// Looks at the peer of every request, in and out: it must have a certificate, unrevoked, and the role that fits.
#include "tls.h"

#include <omniORB4/internal/initialiser.h>
#include <omniORB4/omniInterceptors.h>

#include <cstring>
#include <map>

namespace dgcc {
namespace {

using Interceptors = _OMNI_NS(omniInterceptors);

const int ANY = MASTER | SLAVE | NAMING;

thread_local Peer calling, answering;

// What is called, and by whom it may be served. Written before the first call.
std::map<std::string, int>& served() {
  static std::map<std::string, int> made;
  return made;
}

// The roles of which a server of `operation` must have one; 0: none will do.
int wanted(const char* operation) {
  // What every object answers, and a locate request, which has no operation.
  if (operation == nullptr || *operation == 0) return ANY;
  auto found = served().find(operation);
  if (found != served().end()) return found->second;
  return *operation == '_' && std::strncmp(operation, "_get_", 5) != 0 ? ANY : 0;
}

std::string host_of(const char* address) {
  std::string text = address == nullptr ? "a peer" : address;
  if (text.compare(0, 9, "giop:ssl:") == 0) text.erase(0, 9);
  return text.substr(0, text.rfind(':'));
}

// Whether the server at the far end of a connection may be asked for `operation`; else sets why.
bool trusted(void* details, const char* address, const char* operation) {
  auto* certificate = static_cast<X509*>(details);
  if (certificate == nullptr) {
    set_why("it has shown no certificate");
    return false;
  }
  const Peer peer = peer_of(certificate);
  if (is_revoked(certificate)) {
    set_why("the certificate of '" + peer.name + "' at " + host_of(address) + " has been revoked");
    return false;
  }
  const int roles = wanted(operation);
  if ((peer.roles & roles) == 0) {
    set_why("what answers at " + host_of(address) + " has the certificate of '" + peer.name + "', which is for " +
            roles_text(peer.roles) + " and not for " + roles_text(roles));
    return false;
  }
  return true;
}

CORBA::Boolean on_open(Interceptors::clientOpenConnection_T::info_T& info) {
  if (!trusted(info.peerdetails(), info.peeraddress(), info.operation())) {
    info.reject = true;
    info.why = "its certificate does not fit";
  }
  return true;
}

// The first request of a connection comes here before the connection is open; on_open sees to that one.
CORBA::Boolean on_send(Interceptors::clientSendRequest_T::info_T& info) {
  refresh_revocations();
  if (info.peeraddress() != nullptr && !trusted(info.peerdetails(), info.peeraddress(), info.operation()))
    throw CORBA::NO_PERMISSION(0, CORBA::COMPLETED_NO);
  return true;
}

CORBA::Boolean on_reply(Interceptors::clientReceiveReply_T::info_T& info) {
  auto* certificate = static_cast<X509*>(info.peerdetails());
  answering = certificate == nullptr ? Peer{} : peer_of(certificate);
  return true;
}

CORBA::Boolean on_accept(Interceptors::serverAcceptConnection_T::info_T&) {
  refresh_revocations();
  return true;
}

CORBA::Boolean on_request(Interceptors::serverReceiveRequest_T::info_T& info) {
  refresh_revocations();
  calling = Peer{};
  auto* certificate = static_cast<X509*>(info.peerdetails());
  if (certificate == nullptr) throw CORBA::NO_PERMISSION(0, CORBA::COMPLETED_NO);
  Peer peer = peer_of(certificate);
  if (is_revoked(certificate)) {
    tell("refused a call from " + host_of(info.peeraddress()) + ": the certificate of '" + peer.name +
         "' has been revoked");
    throw CORBA::NO_PERMISSION(0, CORBA::COMPLETED_NO);
  }
  if (peer.roles == 0) throw CORBA::NO_PERMISSION(0, CORBA::COMPLETED_NO);
  calling = std::move(peer);
  return true;
}

class Guard : public _OMNI_NS(omniInitialiser) {
 public:
  void attach() override {
    Interceptors* interceptors = omniORB::getInterceptors();
    interceptors->clientOpenConnection.add(on_open);
    interceptors->clientSendRequest.add(on_send);
    interceptors->clientReceiveReply.add(on_reply);
    interceptors->serverAcceptConnection.add(on_accept);
    interceptors->serverReceiveRequest.add(on_request);
  }
  void detach() override {}  // the ORB forgets its interceptors by itself
};

}  // namespace

void install_guard() {
  static Guard guard;
  _OMNI_NS(omniInitialiser)::install(&guard);
}

void serves(const std::string& operation, int roles) { served()[operation] |= roles; }

const Peer& caller() { return calling; }
const Peer& answered() { return answering; }

}  // namespace dgcc
