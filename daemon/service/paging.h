// Page sizes and tokens of List methods.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"

namespace vx::service {

struct PageRequest {
  int size = 100;
  // Key of the row to go on from; 0: from the beginning.
  int64_t key = 0;
};

// Reads `page_size` and `page_token`; INVALID_ARGUMENT names what is wrong.
template <typename Request>
absl::StatusOr<PageRequest> ParsePage(const Request& request) {
  constexpr int kMaxSize = 1000;
  PageRequest page;
  if (request.page_size() < 0 || request.page_size() > kMaxSize) {
    return InvalidFields(
        {{"page_size", absl::StrCat(request.page_size(), " is not between 1 and ", kMaxSize)}});
  }
  if (request.page_size() > 0) page.size = request.page_size();
  const std::string& token = request.page_token();
  if (!token.empty() && (!absl::SimpleAtoi(token, &page.key) || page.key < 1)) {
    return InvalidFields({{"page_token", absl::StrCat("\"", token, "\" was never given out")}});
  }
  return page;
}

// Empty at the end.
inline std::string PageToken(int64_t next) { return next == 0 ? "" : absl::StrCat(next); }

}  // namespace vx::service
