// Says in words why a connection was refused, by us or by the peer: omniORB itself tells neither side.
#include "tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <map>
#include <mutex>

namespace dgcc {
namespace {

const time_t PAUSE_S = 10;
const int PATIENCE_MS = 200;  // with a peer that is refused, twice at most
const int MOST_UNREAD = 2;
const size_t MOST_LINES = 64;  // that are remembered as said

struct Lines {
  std::mutex mutex;
  std::string prefix;
  std::map<std::string, time_t> said;
};

// Made when it is first wanted: in omniNames that is before the file's own objects are.
Lines& lines() {
  static Lines made;
  return made;
}

thread_local std::string why;
thread_local std::string unfit;  // what the certificate that was just verified lacks

std::string peer_address(const SSL* ssl) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  char text[INET6_ADDRSTRLEN] = "a peer";
  if (getpeername(SSL_get_fd(ssl), reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    const void* raw = address.ss_family == AF_INET6
                          ? static_cast<const void*>(&reinterpret_cast<sockaddr_in6*>(&address)->sin6_addr)
                          : &reinterpret_cast<sockaddr_in*>(&address)->sin_addr;
    inet_ntop(address.ss_family, raw, text, sizeof text);
  }
  return text;
}

// A peer whose certificate is refused has sent its first request already. To close with that unread would take the
// alert away from it, by which it learns why: so let it go first.
void let_read(const SSL* ssl) {
  const int fd = SSL_get_fd(ssl);
  char unread[4096];
  shutdown(fd, SHUT_WR);
  for (int i = 0; i < MOST_UNREAD; ++i) {
    pollfd waiting{fd, POLLIN, 0};
    if (poll(&waiting, 1, PATIENCE_MS) <= 0 || recv(fd, unread, sizeof unread, MSG_DONTWAIT) <= 0) return;
  }
}

// What OpenSSL's last error means for a farm; empty for what is no refusal, such as a peer that only knocked.
std::string reason(unsigned long error) {
  switch (ERR_GET_REASON(error)) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      return unfit;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return "it has no certificate";
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_BAD_RECORD_TYPE:
      return "it does not speak TLS";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
    case SSL_R_VERSION_TOO_LOW:
      return "it does not speak TLS 1.3";
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
      return "";
    default: {
      const char* text = ERR_reason_error_string(error);
      return text == nullptr ? "" : std::string("TLS failed (") + text + ")";
    }
  }
}

// What a peer says by an alert about our certificate.
std::string alert(int code) {
  switch (code & 0xff) {
    case SSL_AD_CERTIFICATE_REVOKED:
      return "it says that our certificate has been revoked";
    case SSL_AD_CERTIFICATE_EXPIRED:
      return "it says that our certificate has expired";
    case SSL_AD_UNKNOWN_CA:
      return "it says that our certificate is from another farm's authority";
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_DECRYPT_ERROR:
      return "it does not accept our certificate";
    case SSL_AD_CERTIFICATE_REQUIRED:
      return "it wants a certificate";
    case SSL_AD_CLOSE_NOTIFY:
      return "";
    default:
      return std::string("TLS failed (") + SSL_alert_desc_string_long(code) + ")";
  }
}

}  // namespace

void set_prefix(const std::string& text) {
  std::lock_guard<std::mutex> lock(lines().mutex);
  lines().prefix = text;
}

void tell(const std::string& text) {
  auto& [mutex, prefix, said] = lines();
  std::lock_guard<std::mutex> lock(mutex);
  const time_t now = time(nullptr);
  auto known = said.find(text);
  if (known != said.end() && now - known->second < PAUSE_S) return;
  if (said.size() >= MOST_LINES) said.clear();
  said[text] = now;
  std::fprintf(stderr, "%s: %s\n", prefix.c_str(), text.c_str());
}

void set_why(const std::string& text) { why = text; }

std::string take_why() {
  std::string taken;
  taken.swap(why);
  return taken;
}

int on_verify(int good, X509_STORE_CTX* store) {
  if (good) return good;
  const int error = X509_STORE_CTX_get_error(store);
  const X509* certificate = X509_STORE_CTX_get0_cert(store);
  const std::string whose =
      certificate == nullptr ? "its certificate" : "the certificate of '" + peer_of(certificate).name + "'";
  switch (error) {
    case X509_V_ERR_CERT_REVOKED:
      unfit = whose + " has been revoked";
      break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
      unfit = whose + " has expired";
      break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      unfit = whose + " is not valid yet; are both clocks right?";
      break;
    case X509_V_ERR_CRL_HAS_EXPIRED:
      unfit = "our own revocation list has expired; copy the authority's present one here";
      break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      unfit = whose + " is not from this farm's authority";
      break;
    default:
      unfit = whose + " is not good: " + X509_verify_cert_error_string(error);
  }
  return good;
}

void on_state(const SSL* ssl, int where, int result) {
  if (where == SSL_CB_READ_ALERT) {
    const std::string text = alert(result);
    if (text.empty()) return;
    if (SSL_is_server(ssl))
      tell(peer_address(ssl) + " has hung up: " + text);
    else
      set_why(text);
    return;
  }
  if (result > 0 || (where != SSL_CB_ACCEPT_EXIT && where != SSL_CB_CONNECT_EXIT)) return;
  const unsigned long error = ERR_peek_last_error();  // none where the handshake only waits
  if (where == SSL_CB_CONNECT_EXIT) {
    if (error == 0 ? errno == ECONNRESET || errno == EPIPE
                   : ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
      set_why("it hangs up at once, so it does not speak TLS");
    else if (error != 0 && ERR_GET_REASON(error) < SSL_AD_REASON_OFFSET)  // an alert was told above
      set_why(reason(error));
    return;
  }
  if (error == 0 || ERR_GET_REASON(error) >= SSL_AD_REASON_OFFSET) return;
  const std::string text = reason(error);
  if (text.empty()) return;
  tell("refused a connection from " + peer_address(ssl) + ": " + text);
  let_read(ssl);
}

}  // namespace dgcc
