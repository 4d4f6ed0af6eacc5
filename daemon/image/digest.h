// SHA-256 as OCI writes it: "sha256:" and 64 lower-case hexadecimal digits.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct evp_md_ctx_st;

namespace vx::image {

// A running hash. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void Update(absl::string_view data);
  // The digest of all that was given. Ends the hash: call it once, last.
  std::string Finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

std::string DigestOf(absl::string_view data);
absl::StatusOr<std::string> DigestOfFile(const std::string& path);

// Whether `text` is a digest of the one algorithm that vx takes. Only such a text
// is ever made a part of a path.
bool IsDigest(absl::string_view text);

// The digits; `digest` must be one.
std::string DigestHex(absl::string_view digest);

}  // namespace vx::image
