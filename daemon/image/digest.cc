#include "daemon/image/digest.h"

#include <fcntl.h>
#include <openssl/evp.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/status_macros.h"
#include "daemon/image/byte_source.h"

namespace vx::image {
namespace {

constexpr char kPrefix[] = "sha256:";
constexpr size_t kPrefixSize = sizeof kPrefix - 1;
constexpr size_t kHexDigits = 64;

bool IsHexDigit(char c) { return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f'); }

}  // namespace

void Sha256::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::Update(absl::string_view data) {
  EVP_DigestUpdate(context_.get(), data.data(), data.size());
}

std::string Sha256::Finish() {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(context_.get(), bytes, &size);
  absl::string_view raw(reinterpret_cast<const char*>(bytes), size);
  return absl::StrCat(kPrefix, absl::BytesToHexString(raw));
}

std::string DigestOf(absl::string_view data) {
  Sha256 hash;
  hash.Update(data);
  return hash.Finish();
}

absl::StatusOr<std::string> DigestOfFile(const std::string& path) {
  VX_ASSIGN_OR_RETURN(FileSource file, FileSource::Open(path));
  Sha256 hash;
  while (true) {
    VX_ASSIGN_OR_RETURN(absl::string_view piece, file.Next());
    if (piece.empty()) return hash.Finish();
    hash.Update(piece);
  }
}

bool IsDigest(absl::string_view text) {
  if (!absl::StartsWith(text, kPrefix)) return false;
  text.remove_prefix(kPrefixSize);
  return text.size() == kHexDigits && std::all_of(text.begin(), text.end(), IsHexDigit);
}

std::string DigestHex(absl::string_view digest) { return std::string(digest.substr(kPrefixSize)); }

}  // namespace vx::image
