// Images to and from files.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/lib/connection.h"
#include "vx/v1/operation.pb.h"

namespace vx::cli {

// Sends the file ("-": stdin) and returns the operation that takes it in. A folder
// is misuse for now.
absl::StatusOr<v1::Operation> ImportImage(client::Connection& connection, const std::string& file,
                                          const std::string& name);

// Writes an oci-archive to the file ("-": stdout, which must not be a terminal). A
// file appears, or is replaced, only when all of it is there.
absl::Status ExportImage(client::Connection& connection, const std::string& name,
                         const std::string& file);

}  // namespace vx::cli
