// What goes to and comes from files: images, the inventory.
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
// The same into a folder, which is made: an OCI image layout.
absl::Status ExportImageToFolder(client::Connection& connection, const std::string& name,
                                 const std::string& folder);

// The same for a copy of the inventory, which only its owner may read.
absl::Status BackupInventory(client::Connection& connection, const std::string& file);

// Sends the file ("-": stdin). Returns how many workloads are in it.
absl::StatusOr<int> RestoreInventory(client::Connection& connection, const std::string& file,
                                     bool force);

}  // namespace vx::cli
