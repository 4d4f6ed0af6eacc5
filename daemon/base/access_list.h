// Access lists of folders (acl(5)), as far as ways through them go.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace vx {

// Who is let through.
struct Passer {
  enum class Kind { kUser, kGroup };
  Kind kind;
  // A uid or a gid.
  id_t id;
  // For errors: "QEMU".
  absl::string_view name;
};

// Lets it pass through `dir` and all folders above, where not everybody may: by an entry
// of their access lists, which takes nothing from anybody and lets nobody read them.
// FAILED_PRECONDITION (PATH_CLOSED) names the folder that can't.
absl::Status LetPass(const std::string& dir, const Passer& passer);

}  // namespace vx
