// The revocation list, taken up again whenever its file changes, so that no process need be started anew for it.
#include "tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <string>

namespace dgcc {
namespace {

std::mutex mutex;  // guards all below but `looked`
std::string path;
X509* authority = nullptr;
X509_CRL* current = nullptr;
X509_STORE* verifying = nullptr;
struct stat seen {};
std::atomic<time_t> looked{0};

bool same(const struct stat& a, const struct stat& b) {
  return a.st_ino == b.st_ino && a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

X509_CRL* read_list() {
  FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return nullptr;
  X509_CRL* list = PEM_read_X509_CRL(file, nullptr, nullptr, nullptr);
  std::fclose(file);
  if (list != nullptr && X509_CRL_verify(list, X509_get0_pubkey(authority)) == 1) return list;
  X509_CRL_free(list);
  return nullptr;
}

bool older(const X509_CRL* list, const X509_CRL* than) {
  return ASN1_TIME_compare(X509_CRL_get0_lastUpdate(list), X509_CRL_get0_lastUpdate(than)) < 0;
}

}  // namespace

void watch_revocations(const Credentials& own, X509_STORE* store) {
  std::lock_guard<std::mutex> lock(mutex);
  path = own.list_file;
  authority = own.authority;
  current = own.list;
  verifying = store;
  stat(path.c_str(), &seen);
  X509_STORE_add_crl(store, current);
}

void refresh_revocations() {
  const time_t now = time(nullptr);
  if (looked.exchange(now) == now) return;
  std::lock_guard<std::mutex> lock(mutex);
  struct stat found {};
  if (current == nullptr || stat(path.c_str(), &found) != 0 || same(found, seen)) return;
  seen = found;
  X509_CRL* list = read_list();
  ERR_clear_error();
  if (list == nullptr) {
    tell(path + " is no revocation list of this farm's authority; the one before stays in force");
  } else if (older(list, current)) {
    tell(path + " is older than the revocation list before it, which stays in force");
    X509_CRL_free(list);
  } else {
    // Of several lists of one issuer, OpenSSL takes the newest; those before are small, and may be in use.
    X509_STORE_add_crl(verifying, list);
    current = list;
  }
}

bool is_revoked(X509* certificate) {
  std::lock_guard<std::mutex> lock(mutex);
  X509_REVOKED* entry = nullptr;
  return current != nullptr && X509_CRL_get0_by_cert(current, &entry, certificate) == 1;
}

}  // namespace dgcc
