// What registries answer, as errors for people and programs.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace vx::registry {

// UNAVAILABLE (REGISTRY_UNREACHABLE); worth another try.
absl::Status Unreachable(absl::string_view host, absl::string_view why);
// UNAVAILABLE (REGISTRY_TLS): it can't be trusted; no use in another try.
absl::Status NotTrusted(absl::string_view host, absl::string_view why);
// UNAUTHENTICATED (REGISTRY_LOGIN).
absl::Status LoginNeeded(absl::string_view host, absl::string_view what, absl::string_view said);
// RESOURCE_EXHAUSTED (RATE_LIMITED).
absl::Status RateLimited(absl::string_view host, absl::Duration wait);
// DATA_LOSS (DIGEST_MISMATCH).
absl::Status Mismatch(absl::string_view host, absl::string_view what);
// RESOURCE_EXHAUSTED (LAYER_TOO_BIG).
absl::Status LayerTooBig(absl::string_view digest, int64_t size, int64_t bound);

// Any other answer, whose body `body` may hold the registry's own words.
// UNAVAILABLE (REGISTRY_ERROR) for its own failures (5xx), else FAILED_PRECONDITION.
absl::Status Refused(absl::string_view host, absl::string_view what, int code,
                     const std::string& body);

// The first message of a registry's error document, cut short; empty when it is none.
std::string MessageOf(const std::string& body);

}  // namespace vx::registry
