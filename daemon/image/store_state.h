// What an ImageStore and its Intakes share.
#pragma once

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "daemon/image/bases.h"
#include "daemon/image/catalog.h"
#include "daemon/image/image_store.h"
#include "daemon/image/oci_layout.h"
#include "daemon/image/once.h"
#include "daemon/image/staging.h"

namespace vx::image {

// Removes each of them.
void DiscardAll(const std::vector<std::string>& paths);

v1::Image Named(const Content& content, const std::string& name);

struct ImageStore::State {
  State(const std::string& dir, const Limits& limits, Catalog catalog)
      : dir(dir),
        limits(limits),
        layout(dir + "/layout"),
        downloads(dir + "/downloads"),
        bases(dir, limits),
        catalog(std::move(catalog)) {}

  // The image that a lease holds, or else the one of that name; leased on return.
  absl::StatusOr<Content> Lease(const std::string& name, const std::string& owner, bool& fresh);
  absl::Status Make(const Content& content, Form form);
  // Moves the blobs that are in `staging` into the layout, and gives the image its name.
  absl::Status Commit(const Staged& staged, const OciLayout& staging, const std::string& change);
  // Moves what was fetched of images that did not become whole to tmp/; nothing while
  // something is in the making.
  std::vector<std::string> TakeDownloads() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // What was made of an image and has no name is garbage.
  void NoteGarbage();
  absl::StatusOr<Content> Find(const std::string& name);

  void BeginActivity();
  void EndActivity();
  // What may be removed now; nothing while something is in the making.
  std::vector<std::string> Garbage() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  const std::string dir;
  const Limits limits;
  const OciLayout layout;
  // What is being fetched: partial blobs, and whole ones whose image is not whole yet.
  const OciLayout downloads;
  Once fetching;
  Bases bases;
  absl::Mutex mutex;
  Catalog catalog ABSL_GUARDED_BY(mutex);
  // Imports and exports in progress: they need what no name or lease keeps yet,
  // or any more.
  int activities ABSL_GUARDED_BY(mutex) = 0;
  bool has_garbage ABSL_GUARDED_BY(mutex) = false;
};

}  // namespace vx::image
