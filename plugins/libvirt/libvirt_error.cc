#include "plugins/libvirt/libvirt_error.h"

#include <libvirt/virterror.h>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"

namespace vx::libvirt {
namespace {

constexpr char kGoneHint[] = "start libvirtd again; what runs goes on meanwhile";

bool CantBeReached(const virError& error) {
  return error.domain == VIR_FROM_RPC || error.domain == VIR_FROM_REMOTE ||
         error.code == VIR_ERR_NO_CONNECT || error.code == VIR_ERR_INVALID_CONN;
}

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case VIR_ERR_NO_DOMAIN:
      return absl::StatusCode::kNotFound;
    case VIR_ERR_OPERATION_INVALID:
      return absl::StatusCode::kFailedPrecondition;
    case VIR_ERR_OPERATION_TIMEOUT:
      return absl::StatusCode::kDeadlineExceeded;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

absl::Status LibvirtError(const std::string& what) {
  const virError* error = virGetLastError();
  const bool known = error != nullptr && error->message != nullptr;
  const std::string message =
      absl::StrCat(what, ": ", known ? error->message : "libvirt does not say why");
  if (known && CantBeReached(*error)) {
    return Error(absl::StatusCode::kUnavailable, "LIBVIRT_UNAVAILABLE", message, kGoneHint);
  }
  return Error(known ? CodeOf(error->code) : absl::StatusCode::kInternal, "LIBVIRT_FAILED",
               message);
}

}  // namespace vx::libvirt
