// The TLS context that omniORB's transport uses: TLS 1.3 only, certificates on both sides, revocation checked.
#include "tls.h"

namespace dgcc {
namespace {

class Context : public sslContext {
 public:
  explicit Context(const Credentials& own) : own_(own) {}

 protected:
  void set_supported_versions() override { SSL_CTX_set_min_proto_version(get_SSL_CTX(), TLS1_3_VERSION); }

  void set_cipher() override {}  // OpenSSL knows its algorithms by itself since 1.1

  void set_certificate() override { need(SSL_CTX_use_certificate(get_SSL_CTX(), own_.certificate)); }

  void set_privatekey() override { need(SSL_CTX_use_PrivateKey(get_SSL_CTX(), own_.key)); }

  void set_CA() override {
    SSL_CTX* context = get_SSL_CTX();
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    need(X509_STORE_add_cert(store, own_.authority));
    need(X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK));
    need(SSL_CTX_add_client_CA(context, own_.authority));
    watch_revocations(own_, store);
    // AES-128 is as far beyond reach as AES-256, and faster.
    need(SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"));
    // Everybody has the authority's own certificate.
    SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
    // A session taken up again would not have its certificate looked at; connections live long enough without.
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
  }

  void set_DH() override {}  // TLS 1.3 has its own groups

  int set_verify_mode() override { return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT; }

 private:
  static void need(int done) {
    if (done != 1) throw CORBA::INITIALIZE(0, CORBA::COMPLETED_NO);
  }

  const Credentials own_;
};

}  // namespace

void install_context(const Credentials& own) {
  sslContext::verify_callback = on_verify;
  sslContext::info_callback = on_state;
  sslContext::full_peerdetails = false;
  sslContext::singleton = new Context(own);
}

}  // namespace dgcc
