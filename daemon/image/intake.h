// One image on its way into the store, blob by blob, in any order.
//
// Blobs wait in DIR/downloads until the image is whole; there they stay when it does
// not become whole, for the next Intake, and are the store's when it does. Layers are
// unpacked as they come.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/base/cancellation.h"
#include "daemon/image/bases.h"
#include "daemon/image/image_store.h"
#include "daemon/image/oci_layout.h"

namespace vx::image {

// Thread-safe. While there is one, the store removes nothing.
class Intake {
 public:
  ~Intake();
  Intake(const Intake&) = delete;
  Intake& operator=(const Intake&) = delete;

  // Brings a blob here where it is not: `fetch` fills the file that it is given, which
  // may have a beginning of it from before, and checks its digest. One Intake at a time
  // fetches a blob; the others wait, and find it there. `was_there` says that nothing
  // was to be done.
  absl::Status Bring(const Descriptor& blob, bool& was_there,
                     const std::function<absl::Status(const std::string& path)>& fetch);
  // The same of a small one.
  absl::Status Put(const Descriptor& blob, absl::string_view content);

  // Unpacks a layer whose blob is here, unless it is unpacked already; RESOURCE_EXHAUSTED
  // (IMAGE_TOO_LARGE) when all layers of this image cost more than the bound.
  absl::Status MakeLayer(const Descriptor& blob, const std::string& diff_id);

  // Gives it its name: from now on it is in the store. All blobs are here, all layers made.
  absl::StatusOr<v1::Image> Commit(const std::string& name, const Content& content,
                                   const std::string& change);

 private:
  friend class ImageStore;
  Intake(ImageStore::State& store, Cancellation& cancellation);

  bool Has(const Descriptor& blob) const;
  absl::Status Keep(const std::string& partial, const Descriptor& blob) const;

  ImageStore::State& store_;
  Cancellation& cancellation_;
  Bases::Costs costs_;
};

}  // namespace vx::image
