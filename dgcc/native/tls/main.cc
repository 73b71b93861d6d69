// How the library is told to start: by calls from Python, or in omniNames, where it is preloaded, by the environment.
#include "tls.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

using namespace dgcc;

namespace {

#define EXPORTED extern "C" __attribute__((visibility("default")))

const Credentials* own = nullptr;

const char* lasting(const std::string& text) {
  thread_local std::string kept;
  kept = text;
  return kept.c_str();
}

long long seconds(const ASN1_TIME* time) {
  tm parts{};
  ASN1_TIME_to_tm(time, &parts);
  return timegm(&parts);
}

// The name into `name`, of `size` bytes; the roles are the result, 0 for nobody.
int give(const Peer& peer, char* name, int size) {
  if (size > 0) std::snprintf(name, static_cast<size_t>(size), "%s", peer.name.c_str());
  return peer.roles;
}

}  // namespace

// Use the credentials in `directory` from the next ORB_init on; `prefix` begins lines on stderr. Returns null, or
// what is wrong with them in one sentence. Once in a process.
EXPORTED const char* dgcc_tls_start(const char* directory, const char* prefix) {
  try {
    own = new Credentials(directory);
  } catch (Trouble& trouble) {
    return lasting(trouble.text);
  }
  set_prefix(prefix);
  install_context(*own);
  install_guard();
  return nullptr;
}

// About the credentials in use: name, roles, and the ends of certificate, authority and list in seconds since 1970.
EXPORTED const char* dgcc_tls_about() {
  const Peer peer = peer_of(own->certificate);
  return lasting(peer.name + "\t" + std::to_string(peer.roles) + "\t" +
                 std::to_string(seconds(X509_get0_notAfter(own->certificate))) + "\t" +
                 std::to_string(seconds(X509_get0_notAfter(own->authority))) + "\t" + std::to_string(own->list_end));
}

EXPORTED void dgcc_tls_serves(const char* operation, int roles) { serves(operation, roles); }

EXPORTED int dgcc_tls_caller(char* name, int size) { return give(caller(), name, size); }

EXPORTED int dgcc_tls_answered(char* name, int size) { return give(answered(), name, size); }

EXPORTED const char* dgcc_tls_why() { return lasting(take_why()); }

// In omniNames: DGCC_TLS_NAMES is the directory. A naming service must not start without what it was to start with.
__attribute__((constructor)) static void start_preloaded() {
  const char* directory = std::getenv("DGCC_TLS_NAMES");
  if (directory == nullptr) return;
  const char* trouble = dgcc_tls_start(directory, "dgcc names");
  unsetenv("LD_PRELOAD");
  if (trouble == nullptr) return;
  std::fprintf(stderr, "dgcc names: %s\n", trouble);
  std::_Exit(1);
}
