#include "daemon/registry/errors.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"

namespace vx::registry {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxMessage = 300;

std::string Quoted(absl::string_view said) {
  return said.empty() ? "" : absl::StrCat(": ", said);
}

}  // namespace

absl::Status Unreachable(absl::string_view host, absl::string_view why) {
  return Error(absl::StatusCode::kUnavailable, "REGISTRY_UNREACHABLE",
               absl::StrCat("the registry ", host, " can't be reached: ", why),
               "see whether it runs and whether this host gets there; what was fetched is kept");
}

absl::Status NotTrusted(absl::string_view host, absl::string_view why) {
  return Error(absl::StatusCode::kUnavailable, "REGISTRY_TLS",
               absl::StrCat("the registry ", host, " can't be trusted: ", why),
               "name its authority's certificate in images.ca_file, or the registry in "
               "images.insecure_registries, in vxd.toml");
}

absl::Status LoginNeeded(absl::string_view host, absl::string_view what, absl::string_view said) {
  return Error(absl::StatusCode::kUnauthenticated, "REGISTRY_LOGIN",
               absl::StrCat("the registry ", host, " refuses ", what, Quoted(said)),
               absl::StrCat("see whether the name is right; log in with: vxctl login ", host));
}

absl::Status RateLimited(absl::string_view host, absl::Duration wait) {
  return Error(absl::StatusCode::kResourceExhausted, "RATE_LIMITED",
               absl::StrCat("the registry ", host, " takes no more requests for ",
                            absl::FormatDuration(wait)),
               absl::StrCat("try again later, or log in for a higher limit: vxctl login ", host));
}

absl::Status Mismatch(absl::string_view host, absl::string_view what) {
  return Error(absl::StatusCode::kDataLoss, "DIGEST_MISMATCH",
               absl::StrCat("the registry ", host, " sent ", what),
               "the registry or something on the way is damaged; nothing of it was kept");
}

absl::Status LayerTooBig(absl::string_view digest, int64_t size, int64_t bound) {
  return Error(absl::StatusCode::kResourceExhausted, "LAYER_TOO_BIG",
               absl::StrCat("the layer ", digest, " has ", size,
                            " bytes, more than images.max_layer_bytes (", bound, ")"),
               "raise images.max_layer_bytes in vxd.toml if you trust the image");
}

absl::Status Refused(absl::string_view host, absl::string_view what, int code,
                     const std::string& body) {
  bool its_own = code >= 500;
  return Error(its_own ? absl::StatusCode::kUnavailable : absl::StatusCode::kFailedPrecondition,
               "REGISTRY_ERROR",
               absl::StrCat("the registry ", host, " answers ", what, " with HTTP ", code,
                            Quoted(MessageOf(body))));
}

std::string MessageOf(const std::string& body) {
  Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return "";
  auto errors = json.find("errors");
  if (errors == json.end() || !errors->is_array() || errors->empty()) return "";
  const Json& first = errors->front();
  if (!first.is_object()) return "";
  for (const char* key : {"message", "code"}) {
    auto it = first.find(key);
    if (it == first.end() || !it->is_string()) continue;
    std::string text = it->get<std::string>().substr(0, kMaxMessage);
    std::replace_if(text.begin(), text.end(), [](char c) { return absl::ascii_iscntrl(c); }, ' ');
    return text;
  }
  return "";
}

}  // namespace vx::registry
