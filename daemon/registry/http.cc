#include "daemon/registry/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/registry/errors.h"

namespace vx::registry {
namespace {

constexpr long kMaxRedirects = 5;
constexpr size_t kMaxHeaders = 64 << 10;
constexpr long kBuffer = 256 << 10;
constexpr int kPollMillis = 1000;

void InitCurl() {
  static const CURLcode once = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)once;
}

absl::Status TooBig(const std::string& host, int64_t bound) {
  return Error(absl::StatusCode::kResourceExhausted, "ANSWER_TOO_BIG",
               absl::StrCat("the registry ", host, " sends a document of more than ", bound,
                            " bytes"));
}

}  // namespace

std::string HttpResponse::Header(const std::string& name) const {
  auto it = headers.find(name);
  return it == headers.end() ? "" : it->second;
}

struct HttpSession::Handles {
  CURL* easy = curl_easy_init();
  CURLM* multi = curl_multi_init();
  ~Handles() {
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
  }
};

// What one request is about, for libcurl's callbacks.
struct HttpSession::Transfer {
  const HttpRequest* request;
  std::string host;
  HttpResponse response;
  size_t header_bytes = 0;
  absl::Status error;
  curl_slist* headers = nullptr;
  char explanation[CURL_ERROR_SIZE] = "";

  ~Transfer() { curl_slist_free_all(headers); }

  bool TakeHeader(absl::string_view line);
  absl::Status TakeBody(absl::string_view piece);

  static size_t OnHeader(char* data, size_t one, size_t size, void* self) {
    return static_cast<Transfer*>(self)->TakeHeader({data, size}) ? size : 0;
  }
  static size_t OnBody(char* data, size_t one, size_t size, void* self) {
    auto* transfer = static_cast<Transfer*>(self);
    transfer->error = transfer->TakeBody({data, size});
    return transfer->error.ok() ? size : 0;
  }
  static size_t OnSend(char* data, size_t one, size_t size, void* self) {
    auto* transfer = static_cast<Transfer*>(self);
    absl::StatusOr<std::string> piece = transfer->request->source(one * size);
    if (!piece.ok()) {
      transfer->error = piece.status();
      return CURL_READFUNC_ABORT;
    }
    memcpy(data, piece->data(), piece->size());
    return piece->size();
  }
};

bool HttpSession::Transfer::TakeHeader(absl::string_view line) {
  header_bytes += line.size();
  if (header_bytes > kMaxHeaders) return false;
  if (absl::StartsWith(line, "HTTP/")) {
    // Another answer: what came before was a redirect or "100 Continue".
    response.headers.clear();
    size_t space = line.find(' ');
    response.code = space == absl::string_view::npos ? 0 : atoi(line.data() + space + 1);
    return true;
  }
  size_t colon = line.find(':');
  if (colon == absl::string_view::npos) return true;
  std::string name = absl::AsciiStrToLower(line.substr(0, colon));
  std::string value(absl::StripAsciiWhitespace(line.substr(colon + 1)));
  std::string& there = response.headers[name];
  there = there.empty() ? value : absl::StrCat(there, ", ", value);
  return true;
}

absl::Status HttpSession::Transfer::TakeBody(absl::string_view piece) {
  if (request->sink && response.code >= 200 && response.code < 300) {
    return request->sink(response, piece);
  }
  if (static_cast<int64_t>(response.body.size() + piece.size()) > request->max_body) return TooBig(host, request->max_body);
  absl::StrAppend(&response.body, piece);
  return absl::OkStatus();
}

HttpSession::HttpSession(HttpOptions options, std::string host)
    : options_(std::move(options)), host_(std::move(host)) {
  InitCurl();
  handles_ = std::make_unique<Handles>();
}

HttpSession::~HttpSession() = default;

void HttpSession::Prepare(const HttpRequest& request, Transfer& transfer) {
  CURL* easy = handles_->easy;
  curl_easy_reset(easy);
  bool https = absl::StartsWith(request.url, "https://");
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, https ? "https" : "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(easy, CURLOPT_MAXREDIRS, kMaxRedirects);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kBuffer);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "vx");
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(options_.connect_timeout)));
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
                   static_cast<long>(absl::ToInt64Seconds(options_.stall)));
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, options_.verify ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, options_.verify ? 2L : 0L);
  if (!options_.ca_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, options_.ca_file.c_str());
  }
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.explanation);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, Transfer::OnHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, Transfer::OnBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
}

void HttpSession::PrepareBody(const HttpRequest& request, Transfer& transfer) {
  CURL* easy = handles_->easy;
  // Neither a body nor its expectation unless there is one.
  transfer.headers = curl_slist_append(nullptr, "Expect:");
  for (const std::string& header : request.headers) {
    transfer.headers = curl_slist_append(transfer.headers, header.c_str());
  }
  if (request.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (request.source_bytes >= 0) {
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, curl_off_t{request.source_bytes});
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, Transfer::OnSend);
    curl_easy_setopt(easy, CURLOPT_READDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  } else if (request.method != "GET") {
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
  }
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer.headers);
}

absl::StatusOr<int> HttpSession::Perform(Cancellation& cancellation) {
  CURLM* multi = handles_->multi;
  Cancellation::Hook hook = cancellation.OnCancel([multi] { curl_multi_wakeup(multi); });
  curl_multi_add_handle(multi, handles_->easy);
  int running = 1;
  absl::Status cancelled;
  while (running > 0 && cancelled.ok()) {
    curl_multi_perform(multi, &running);
    if (running > 0) curl_multi_poll(multi, nullptr, 0, kPollMillis, nullptr);
    cancelled = cancellation.Check();
  }
  int left = 0;
  CURLcode code = CURLE_OK;
  for (CURLMsg* message; (message = curl_multi_info_read(multi, &left)) != nullptr;) {
    if (message->msg == CURLMSG_DONE) code = message->data.result;
  }
  curl_multi_remove_handle(multi, handles_->easy);
  VX_RETURN_IF_ERROR(cancelled);
  return code;
}

absl::Status HttpSession::Explain(int code, const Transfer& transfer) const {
  auto curl_code = static_cast<CURLcode>(code);
  const char* why = transfer.explanation[0] != '\0' ? transfer.explanation
                                                    : curl_easy_strerror(curl_code);
  switch (curl_code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
      return NotTrusted(host_, why);
    case CURLE_SSL_CONNECT_ERROR:
      return Error(absl::StatusCode::kUnavailable, kNoTls,
                   absl::StrCat("the registry ", host_, " does not speak TLS: ", why),
                   "if that is as it should be, name it in images.insecure_registries in vxd.toml");
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_TOO_MANY_REDIRECTS:
      return Error(absl::StatusCode::kFailedPrecondition, "REGISTRY_ERROR",
                   absl::StrCat("the registry ", host_, " redirects where one must not go: ", why));
    default:
      return Unreachable(host_, why);
  }
}

absl::StatusOr<HttpResponse> HttpSession::Do(const HttpRequest& request,
                                             Cancellation& cancellation) {
  Transfer transfer;
  transfer.request = &request;
  transfer.host = host_;
  Prepare(request, transfer);
  PrepareBody(request, transfer);
  absl::StatusOr<int> code = Perform(cancellation);
  VX_RETURN_IF_ERROR(code.status());
  VX_RETURN_IF_ERROR(transfer.error);
  if (*code != CURLE_OK) return Explain(*code, transfer);
  return std::move(transfer.response);
}

}  // namespace vx::registry
