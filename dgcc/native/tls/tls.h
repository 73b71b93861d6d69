// Mutual TLS for omniORB with a farm's own authority: who the peer is, what it may serve, and whether it is revoked.
//
// One library for every process: Python's load it with ctypes (dgcc/trust/tls.py), omniNames has it preloaded. It
// gives omniORB's TLS transport its context, and adds interceptors that look at the peer of every request. All of it
// is within one process-wide state, as omniORB's is.
#pragma once

#include <omniORB4/CORBA.h>
#include <omniORB4/sslContext.h>

#include <string>

namespace dgcc {

// What a certificate lets its holder be; a mask.
enum Role { MASTER = 1, SLAVE = 2, NAMING = 4 };

// Who holds a certificate: its common name, and its organisational units that are roles.
struct Peer {
  std::string name;
  int roles = 0;
};

Peer peer_of(const X509* certificate);
std::string roles_text(int roles);  // "master, slave"

// What went wrong, for the text that the user sees.
struct Trouble {
  std::string text;
};

// ---- own credentials (credentials.cc) ----

// The files of a directory that `dgcc ca issue` has written, read and checked. Throws Trouble.
struct Credentials {
  explicit Credentials(const std::string& directory);

  std::string peer_file, authority_file, list_file;
  X509* certificate;
  EVP_PKEY* key;
  X509* authority;
  X509_CRL* list;
  long long list_end;  // seconds since 1970
};

// ---- revocation (revocation.cc) ----

// Begin with the list of `own`; later versions of its file are taken up when they appear.
void watch_revocations(const Credentials& own, X509_STORE* store);

// Look, at most once a second, whether there is a newer list; cheap enough for every request.
void refresh_revocations();

bool is_revoked(X509* certificate);

// ---- the context (context.cc) ----

// Let omniORB's TLS transport use `own`. Before ORB_init.
void install_context(const Credentials& own);

// ---- the guard (guard.cc) ----

// Have the interceptors added by ORB_init.
void install_guard();

// Calls of `operation` go to servers with one of `roles` only.
void serves(const std::string& operation, int roles);

const Peer& caller();    // of the upcall on this thread; without a role where there is none
const Peer& answered();  // who answered the last call of this thread

// ---- telling (telling.cc) ----

// Lines that the process itself says on stderr begin with this.
void set_prefix(const std::string& prefix);

// Say a line on stderr, the same one once in ten seconds at most.
void tell(const std::string& text);

// Why calls of this thread fail, in words, since the last time it was asked.
void set_why(const std::string& text);
std::string take_why();

// For SSL_CTX: notes what a handshake fails of.
int on_verify(int good, X509_STORE_CTX* store);
void on_state(const SSL* ssl, int where, int result);

}  // namespace dgcc
