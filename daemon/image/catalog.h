// Which images there are, who uses them, and what nobody uses any more.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/image/bases.h"
#include "daemon/image/leases.h"
#include "daemon/image/oci_layout.h"

namespace vx::image {

// Not thread-safe: ImageStore's mutex guards it. Methods are short, but for those
// that change the index, which wait for the disk.
class Catalog {
 public:
  // Reads the index and the leases. Images that can't be read are left out, with
  // a warning in the log. DATA_LOSS (IMAGE_INDEX_DAMAGED) when the index can't.
  static absl::StatusOr<Catalog> Open(const std::string& dir);

  std::vector<std::string> Names() const;
  // By normalised name; null when there is none.
  const Content* FindByName(const std::string& name) const;
  const Content* FindByDigest(const std::string& digest) const;

  bool HasName(const std::string& digest) const { return NamesOf(digest) > 0; }

  // Gives `name` to an image whose blobs are in the layout, for the change `change`
  // (any text, or empty).
  absl::Status Put(const std::string& name, const Content& content, const std::string& change);
  // Whether a name was given for that change and still is.
  bool HasChange(const std::string& change) const;
  // NOT_FOUND, or IMAGE_IN_USE.
  absl::Status Remove(const std::string& name);
  absl::Status NotFound(const std::string& name) const;

  Leases& leases() { return leases_; }
  const Leases& leases() const { return leases_; }

  // Whether an image that is here has this blob as the layer of that content.
  bool HasLayer(const std::string& blob, const std::string& diff_id) const;

  // Of the images that have this blob as a layer.
  std::vector<std::string> NamesWithBlob(const std::string& blob) const;

  // Takes blobs, layers and disks that neither a name nor a lease needs out of
  // their places, into tmp/; returns where they are now, for the caller to remove.
  // Nothing of the store may be in the making meanwhile. Failures are logged.
  std::vector<std::string> TakeGarbage(const Bases& bases);

 private:
  Catalog(std::string dir, Leases leases)
      : dir_(std::move(dir)), layout_(dir_ + "/layout"), leases_(std::move(leases)) {}

  absl::Status LoadNamed();
  void LoadLeased();
  absl::Status WriteIndex() const;
  int NamesOf(const std::string& digest) const;
  absl::Status InUse(const std::string& name, const std::vector<std::string>& owners) const;
  void ForgetUnused();

  std::string dir_;
  OciLayout layout_;
  Leases leases_;
  std::map<std::string, std::string> digests_;  // by name
  std::map<std::string, std::string> changes_;  // by name, of some
  std::map<std::string, Content> contents_;     // by digest: of names and leases
};

}  // namespace vx::image
