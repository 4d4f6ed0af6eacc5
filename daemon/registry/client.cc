#include "daemon/registry/client.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/registry/errors.h"
#include "daemon/registry/reference.h"

namespace vx::registry {
namespace {

constexpr char kDockerHubHost[] = "registry-1.docker.io";
constexpr int kUnauthorized = 401;
constexpr int kTooManyRequests = 429;

// "127.0.0.1:5000", "localhost", "[::1]:5000".
bool IsLoopback(const std::string& host) {
  std::string name = host.substr(0, host.rfind(':'));
  if (absl::StartsWith(host, "[::1]")) return true;
  return name == "localhost" || absl::StartsWith(name, "127.");
}

// "scheme://host:port" of a URL.
std::string OriginOf(const std::string& url) {
  size_t begin = url.find("://");
  return begin == std::string::npos ? "" : url.substr(0, url.find_first_of("/?#", begin + 3));
}

// Seconds, or a date; a second when it says neither.
absl::Duration RetryAfter(const HttpResponse& answer) {
  std::string text = answer.Header("retry-after");
  int64_t seconds = 0;
  if (absl::SimpleAtoi(text, &seconds)) return absl::Seconds(std::max<int64_t>(seconds, 0));
  absl::Time when;
  if (absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", text, &when, nullptr)) {
    return std::max(when - absl::Now(), absl::ZeroDuration());
  }
  return absl::Seconds(1);
}

bool WorthAnotherTry(const absl::Status& status) {
  return absl::IsUnavailable(status) && ErrorReason(status) == "REGISTRY_UNREACHABLE";
}

}  // namespace

// A connection that nobody else uses meanwhile.
class Client::Borrowed {
 public:
  explicit Borrowed(Client& client) : client_(client) {
    absl::MutexLock lock(&client_.mutex_);
    if (!client_.idle_.empty()) {
      session_ = std::move(client_.idle_.back());
      client_.idle_.pop_back();
      return;
    }
    HttpOptions options;
    options.ca_file = client_.options_.ca_file;
    options.verify = !client_.insecure_;
    options.stall = client_.options_.stall;
    session_ = std::make_unique<HttpSession>(options, client_.host_);
  }
  ~Borrowed() {
    absl::MutexLock lock(&client_.mutex_);
    client_.idle_.push_back(std::move(session_));
  }
  Borrowed(const Borrowed&) = delete;
  HttpSession* operator->() const { return session_.get(); }

 private:
  Client& client_;
  std::unique_ptr<HttpSession> session_;
};

// What is left of one call's patience.
struct Client::Tries {
  int left;
  absl::Duration pause;
  absl::Duration patience;
};

Client::Client(std::string host, std::string scope, Credentials credentials,
               const Options& options, Cancellation& cancellation)
    : host_(std::move(host)),
      scope_(std::move(scope)),
      credentials_(std::move(credentials)),
      options_(options),
      cancellation_(cancellation),
      insecure_(options.insecure.count(host_) > 0),
      may_be_plain_(insecure_ || IsLoopback(host_)) {}

std::string Client::BaseUrl() const {
  absl::MutexLock lock(&mutex_);
  return absl::StrCat(scheme_ == Scheme::kHttps ? "https://" : "http://",
                      host_ == kDockerHub ? kDockerHubHost : host_);
}

std::string Client::AuthHeader() const {
  absl::MutexLock lock(&mutex_);
  return auth_;
}

// Credentials go to the registry itself only, not to where it sends an upload.
bool Client::IsOwn(const std::string& url) const { return OriginOf(url) == BaseUrl(); }

absl::Status Client::Pause(absl::Duration wait) {
  absl::Mutex mutex;
  std::atomic<bool> woken = false;
  Cancellation::Hook hook = cancellation_.OnCancel([&] {
    absl::MutexLock lock(&mutex);
    woken = true;
  });
  {
    absl::MutexLock lock(&mutex);
    auto is_woken = [&] { return woken.load(); };
    mutex.AwaitWithTimeout(absl::Condition(&is_woken), wait);
  }
  return cancellation_.Check();
}

absl::StatusOr<HttpResponse> Client::SendOnce(const HttpRequest& request) {
  HttpRequest whole = request;
  if (absl::StartsWith(request.url, "/")) whole.url = absl::StrCat(BaseUrl(), request.url);
  std::string auth = AuthHeader();
  if (!auth.empty() && IsOwn(whole.url)) whole.headers.push_back(auth);
  return Borrowed(*this)->Do(whole, cancellation_);
}

absl::StatusOr<HttpResponse> Client::Send(const HttpRequest& request) {
  absl::StatusOr<HttpResponse> answer = SendOnce(request);
  if (!may_be_plain_ || ErrorReason(answer.status()) != kNoTls) return answer;
  {
    absl::MutexLock lock(&mutex_);
    scheme_ = Scheme::kHttp;
  }
  return SendOnce(request);
}

absl::Status Client::LogIn(const HttpResponse& refusal, const std::string& used) {
  // Another thread may have been quicker.
  if (AuthHeader() != used) return absl::OkStatus();
  Challenge challenge = ParseChallenge(refusal.Header("www-authenticate"));
  auto http = [this](const HttpRequest& request) -> absl::StatusOr<HttpResponse> {
    return Borrowed(*this)->Do(request, cancellation_);
  };
  VX_ASSIGN_OR_RETURN(std::string header, Authenticate(challenge, scope_, credentials_, host_,
                                                       may_be_plain_, http));
  absl::MutexLock lock(&mutex_);
  auth_ = header;
  return absl::OkStatus();
}

absl::StatusOr<HttpResponse> Client::Try(const HttpRequest& request) {
  std::string used = AuthHeader();
  absl::StatusOr<HttpResponse> answer = Send(request);
  if (!answer.ok() || answer->code != kUnauthorized) return answer;
  VX_RETURN_IF_ERROR(LogIn(*answer, used));
  return Send(request);
}

absl::Status Client::AwaitTurn(const HttpResponse& answer, Tries& tries) {
  absl::Duration wait = RetryAfter(answer);
  if (wait > tries.patience) return RateLimited(host_, wait);
  // One that says "at once" is asked no faster than one that fails.
  wait = std::max(wait, tries.pause);
  tries.patience -= wait;
  return Pause(wait);
}

absl::StatusOr<HttpResponse> Client::Call(const MakeRequest& make,
                                          const std::function<bool()>& progressed) {
  Tries tries{options_.attempts, options_.pause, options_.patience};
  while (true) {
    VX_ASSIGN_OR_RETURN(HttpRequest request, make());
    absl::StatusOr<HttpResponse> answer = Try(request);
    if (answer.ok() && answer->code == kTooManyRequests) {
      VX_RETURN_IF_ERROR(AwaitTurn(*answer, tries));
      continue;
    }
    bool failed = answer.ok() ? answer->code >= 500 : WorthAnotherTry(answer.status());
    if (!failed) return answer;
    if (progressed && progressed()) tries = {options_.attempts, options_.pause, tries.patience};
    if (--tries.left <= 0) return answer;
    spdlog::info("registry={} tries again: {}", host_,
                 answer.ok() ? absl::StrCat("HTTP ", answer->code)
                             : std::string(answer.status().message()));
    VX_RETURN_IF_ERROR(Pause(tries.pause));
    tries.pause *= 2;
  }
}

absl::StatusOr<HttpResponse> Client::Call(const HttpRequest& request) {
  return Call([&]() -> absl::StatusOr<HttpRequest> { return request; });
}

absl::Status Client::CheckLogin() {
  HttpRequest request;
  request.url = "/v2/";
  // A registry that asks nobody for a password takes any.
  VX_ASSIGN_OR_RETURN(HttpResponse answer, Call(request));
  if (answer.code == 200) return absl::OkStatus();
  if (answer.code == kUnauthorized || answer.code == 403) {
    return LoginNeeded(host_, "the credentials", MessageOf(answer.body));
  }
  if (answer.code == 404) {
    return Error(absl::StatusCode::kFailedPrecondition, "REGISTRY_ERROR",
                 absl::StrCat(host_, " is no registry: it has no /v2/"));
  }
  return Refused(host_, "the login", answer.code, answer.body);
}

}  // namespace vx::registry
