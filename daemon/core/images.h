// Images: what changes them, as operations. Reading goes to the store at once.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "daemon/core/operations.h"
#include "daemon/image/image_store.h"
#include "daemon/store/store.h"

namespace vx::core {

// Thread-safe.
class Images {
 public:
  Images(store::Store& store, Operations& operations, image::ImageStore& images)
      : store_(store), operations_(operations), images_(images) {}

  // Imports the archive at `path`, which it removes in any case. `name` may be
  // empty.
  absl::StatusOr<v1::Operation> Import(const std::string& path, const std::string& name,
                                       const RequestKey& request);
  // FAILED_PRECONDITION (IMAGE_IN_USE) names the workloads.
  absl::StatusOr<v1::Operation> Delete(const std::string& name, const RequestKey& request);

  // The whole name of an image: "busybox" -> "busybox:latest".
  static absl::StatusOr<std::string> FullName(const std::string& name) {
    return image::NormalizeName(name);
  }

  image::ImageStore& store() { return images_; }

 private:
  store::Store& store_;
  Operations& operations_;
  image::ImageStore& images_;
};

}  // namespace vx::core
