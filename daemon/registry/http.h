// HTTP by libcurl: one request at a time, bounded, cancellable at any moment.
//
// Proxies are those of the environment (https_proxy, http_proxy, no_proxy).
// Redirects are followed, never from https to http; credentials do not go to
// another host.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "daemon/base/cancellation.h"

namespace vx::registry {

struct HttpResponse {
  int code = 0;
  // Names in lower case.
  std::map<std::string, std::string> headers;
  // Of a body without a sink.
  std::string body;

  // Empty where there is none.
  std::string Header(const std::string& name) const;
};

// Takes a piece of the body of an answer of the 2xx kind; `head` is what came before
// it. Its error ends the request and is returned.
using BodySink = std::function<absl::Status(const HttpResponse& head, absl::string_view piece)>;

// Gives up to `size` bytes to send; empty is an error.
using BodySource = std::function<absl::StatusOr<std::string>(size_t size)>;

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::string> headers;  // "Name: value"
  std::string body;
  // In place of `body`: this many bytes of a source, which is made anew for each try.
  int64_t source_bytes = -1;
  BodySource source;
  BodySink sink;
  // Of a body without a sink: what is longer is RESOURCE_EXHAUSTED (ANSWER_TOO_BIG).
  int64_t max_body = 1 << 20;
};

struct HttpOptions {
  // PEM, besides those of the system; may be empty.
  std::string ca_file;
  bool verify = true;
  // A connection on which nothing moves for so long is lost.
  absl::Duration stall = absl::Seconds(30);
  absl::Duration connect_timeout = absl::Seconds(15);
};

// Reason of the error where the other side speaks no TLS.
inline constexpr char kNoTls[] = "REGISTRY_NO_TLS";

// One connection's worth of state. Used by one thread at a time.
class HttpSession {
 public:
  // `host` is what errors call the other side.
  HttpSession(HttpOptions options, std::string host);
  ~HttpSession();
  HttpSession(const HttpSession&) = delete;

  // The answer, whatever its code, or the error of a sink or source, or
  // REGISTRY_UNREACHABLE, REGISTRY_TLS, kNoTls, CANCELLED.
  absl::StatusOr<HttpResponse> Do(const HttpRequest& request, Cancellation& cancellation);

 private:
  struct Handles;
  struct Transfer;

  void Prepare(const HttpRequest& request, Transfer& transfer);
  void PrepareBody(const HttpRequest& request, Transfer& transfer);
  absl::StatusOr<int> Perform(Cancellation& cancellation);
  absl::Status Explain(int code, const Transfer& transfer) const;

  const HttpOptions options_;
  const std::string host_;
  std::unique_ptr<Handles> handles_;
};

}  // namespace vx::registry
