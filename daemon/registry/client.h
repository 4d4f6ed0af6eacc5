// One registry, spoken to about one repository (OCI distribution-spec 1.1).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "daemon/base/cancellation.h"
#include "daemon/registry/auth.h"
#include "daemon/registry/http.h"
#include "daemon/registry/options.h"

namespace vx::registry {

// Thread-safe: each call has a connection of its own, kept for the next.
//
// A host in Options::insecure is spoken to by https without proof, and by http where
// it knows no https; one on loopback by https with proof, and by http likewise; any
// other by https alone.
class Client {
 public:
  // `host` as users write it ("docker.io"). `scope` is what a token is asked for:
  // "repository:library/alpine:pull". `cancellation` outlives it.
  Client(std::string host, std::string scope, Credentials credentials, const Options& options,
         Cancellation& cancellation);

  const std::string& host() const { return host_; }
  Cancellation& cancellation() { return cancellation_; }

  // What is to be sent; asked anew for each try. A path ("/v2/…") or a whole URL.
  using MakeRequest = std::function<absl::StatusOr<HttpRequest>()>;

  // The answer, whatever it says, once the registry knows who asks, has time and does
  // not fail (HTTP 5xx): tried again as Options say, from the beginning of the count
  // when `progressed` says that something came of the last try. REGISTRY_UNREACHABLE,
  // REGISTRY_TLS, REGISTRY_LOGIN, RATE_LIMITED, CANCELLED.
  absl::StatusOr<HttpResponse> Call(const MakeRequest& make,
                                    const std::function<bool()>& progressed = {});
  absl::StatusOr<HttpResponse> Call(const HttpRequest& request);

  // Whether the registry takes the credentials.
  absl::Status CheckLogin();

 private:
  class Borrowed;
  struct Tries;
  enum class Scheme { kHttps, kHttp };

  absl::StatusOr<HttpResponse> Try(const HttpRequest& request);
  absl::StatusOr<HttpResponse> Send(const HttpRequest& request);
  absl::StatusOr<HttpResponse> SendOnce(const HttpRequest& request);
  absl::Status LogIn(const HttpResponse& refusal, const std::string& used);
  absl::Status AwaitTurn(const HttpResponse& answer, Tries& tries);
  absl::Status Pause(absl::Duration wait);
  bool IsOwn(const std::string& url) const;
  std::string BaseUrl() const;
  std::string AuthHeader() const;

  const std::string host_;
  const std::string scope_;
  const Credentials credentials_;
  const Options& options_;
  Cancellation& cancellation_;
  const bool insecure_;
  const bool may_be_plain_;

  mutable absl::Mutex mutex_;
  std::vector<std::unique_ptr<HttpSession>> idle_ ABSL_GUARDED_BY(mutex_);
  Scheme scheme_ ABSL_GUARDED_BY(mutex_) = Scheme::kHttps;
  std::string auth_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace vx::registry
