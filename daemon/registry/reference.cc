#include "daemon/registry/reference.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "daemon/base/status_macros.h"
#include "daemon/image/image_store.h"

namespace vx::registry {
namespace {

bool IsRegistry(absl::string_view text) {
  return text == "localhost" || text.find_first_of(".:") != absl::string_view::npos;
}

// "team/app" or "host:5000/app".
void SplitRegistry(const std::string& path, Reference& out) {
  size_t slash = path.find('/');
  if (slash != std::string::npos && IsRegistry(path.substr(0, slash))) {
    out.registry = path.substr(0, slash);
    out.repository = path.substr(slash + 1);
    return;
  }
  out.registry = kDockerHub;
  out.repository = slash == std::string::npos ? absl::StrCat("library/", path) : path;
}

}  // namespace

std::string Reference::ToString() const {
  return absl::StrCat(registry, "/", repository, digest.empty() ? ":" : "@", version());
}

absl::StatusOr<Reference> ParseReference(const std::string& text) {
  Reference out;
  VX_ASSIGN_OR_RETURN(out.name, image::NormalizeName(text));
  size_t at = out.name.find('@');
  size_t end = at;
  if (at == std::string::npos) {
    end = out.name.rfind(':');
    out.tag = out.name.substr(end + 1);
  } else {
    out.digest = out.name.substr(at + 1);
  }
  SplitRegistry(out.name.substr(0, end), out);
  return out;
}

}  // namespace vx::registry
