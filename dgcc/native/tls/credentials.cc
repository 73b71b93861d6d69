// A process's own key, certificate, authority and revocation list, read from its directory and checked at start.
#include "tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <ctime>
#include <memory>

namespace dgcc {
namespace {

using File = std::unique_ptr<FILE, int (*)(FILE*)>;

File open_file(const std::string& path) {
  File file(std::fopen(path.c_str(), "re"), std::fclose);
  if (!file) throw Trouble{path + " cannot be read; copy it from what `dgcc ca issue` wrote"};
  return file;
}

// The first object of a kind in a PEM file.
template <class Object>
Object* read(const std::string& path, Object* (*reader)(FILE*, Object**, pem_password_cb*, void*), const char* what) {
  // A key with a passphrase is not asked for at the terminal.
  static char no_passphrase[] = "";
  File file = open_file(path);
  Object* found = reader(file.get(), nullptr, nullptr, no_passphrase);
  ERR_clear_error();
  if (found == nullptr) throw Trouble{path + " holds no " + what + "; copy it from what `dgcc ca issue` wrote"};
  return found;
}

std::string day(const ASN1_TIME* time) {
  tm parts{};
  ASN1_TIME_to_tm(time, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d", &parts);
  return text;
}

bool past(const ASN1_TIME* time) { return X509_cmp_current_time(time) < 0; }

std::string whose(const Peer& peer) { return "the certificate of '" + peer.name + "'"; }

}  // namespace

Credentials::Credentials(const std::string& directory)
    : peer_file(directory + "/peer.pem"),
      authority_file(directory + "/ca.pem"),
      list_file(directory + "/revoked.pem"),
      certificate(read(peer_file, PEM_read_X509, "certificate")),
      key(read(peer_file, PEM_read_PrivateKey, "private key")),
      authority(read(authority_file, PEM_read_X509, "certificate of an authority")),
      list(read(list_file, PEM_read_X509_CRL, "revocation list")) {
  const Peer peer = peer_of(certificate);
  const std::string anew = "dgcc ca issue " + peer.name;
  EVP_PKEY* signer = X509_get0_pubkey(authority);
  if (X509_check_private_key(certificate, key) != 1)
    throw Trouble{peer_file + ": key and certificate do not belong together; issue them anew: " + anew};
  if (X509_verify(certificate, signer) != 1)
    throw Trouble{peer_file + " was not issued by the authority in " + authority_file +
                  "; copy the whole directory that one `dgcc ca issue` wrote"};
  if (X509_CRL_verify(list, signer) != 1)
    throw Trouble{list_file + " is the revocation list of another authority than " + authority_file +
                  "; copy it from the directory of your own (`dgcc ca list` tells where)"};
  if (past(X509_get0_notAfter(authority)))
    throw Trouble{"the farm's authority in " + authority_file + " has ended on " + day(X509_get0_notAfter(authority)) +
                  "; make a new one with `dgcc ca init`, and issue all certificates anew"};
  if (past(X509_get0_notAfter(certificate)))
    throw Trouble{whose(peer) + " in " + peer_file + " has expired on " + day(X509_get0_notAfter(certificate)) +
                  "; issue a new one: " + anew};
  if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
    throw Trouble{whose(peer) + " in " + peer_file + " begins on " + day(X509_get0_notBefore(certificate)) +
                  " only; is this host's clock right?"};
  const ASN1_TIME* end = X509_CRL_get0_nextUpdate(list);
  if (end == nullptr || past(end))
    throw Trouble{"the revocation list " + list_file + " has expired" + (end ? " on " + day(end) : "") +
                  "; copy the authority's present one (`dgcc ca list` tells where)"};
  X509_REVOKED* entry = nullptr;
  if (X509_CRL_get0_by_cert(list, &entry, certificate) == 1)
    throw Trouble{whose(peer) + " in " + peer_file + " has been revoked; issue a new one: " + anew};
  ERR_clear_error();
  tm parts{};
  ASN1_TIME_to_tm(end, &parts);
  list_end = timegm(&parts);
}

Peer peer_of(const X509* certificate) {
  Peer peer;
  const X509_NAME* subject = X509_get_subject_name(certificate);
  for (int i = 0; i < X509_NAME_entry_count(subject); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(subject, i);
    const ASN1_STRING* data = X509_NAME_ENTRY_get_data(entry);
    const std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(data)),
                           static_cast<size_t>(ASN1_STRING_length(data)));
    switch (OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry))) {
      case NID_commonName:
        peer.name = text;
        break;
      case NID_organizationalUnitName:
        if (text == "master") peer.roles |= MASTER;
        if (text == "slave") peer.roles |= SLAVE;
        if (text == "naming") peer.roles |= NAMING;
        break;
    }
  }
  return peer;
}

std::string roles_text(int roles) {
  std::string text;
  for (auto [role, name] : {std::pair{MASTER, "master"}, {SLAVE, "slave"}, {NAMING, "naming"}})
    if (roles & role) text += (text.empty() ? "" : ", ") + std::string(name);
  return text.empty() ? "nothing" : text;
}

}  // namespace dgcc
