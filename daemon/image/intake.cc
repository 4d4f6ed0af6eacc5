#include "daemon/image/intake.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/image/store_state.h"

namespace vx::image {
namespace {

bool HasSize(const std::string& path, int64_t size) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && info.st_size == size;
}

}  // namespace

Intake::Intake(ImageStore::State& store, Cancellation& cancellation)
    : store_(store), cancellation_(cancellation), costs_(store.limits) {
  costs_.cancellation = &cancellation;
  store_.BeginActivity();
}

Intake::~Intake() { store_.EndActivity(); }

bool Intake::Has(const Descriptor& blob) const {
  // In this order: that is how they move.
  return HasSize(store_.downloads.BlobPath(blob.digest), blob.size) ||
         HasSize(store_.layout.BlobPath(blob.digest), blob.size);
}

// It is whole: durably so, as the next Intake will believe it.
absl::Status Intake::Keep(const std::string& partial, const Descriptor& blob) const {
  VX_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(partial, O_RDONLY));
  if (fsync(fd.get()) < 0) return ErrnoError(errno, absl::StrCat("fsync ", partial));
  std::string to = store_.downloads.BlobPath(blob.digest);
  if (rename(partial.c_str(), to.c_str()) < 0) {
    return ErrnoError(errno, absl::StrCat("rename to ", to));
  }
  return absl::OkStatus();
}

absl::Status Intake::Bring(const Descriptor& blob, bool& was_there,
                           const std::function<absl::Status(const std::string&)>& fetch) {
  auto bring = [&]() -> absl::Status {
    was_there = Has(blob);
    if (was_there) return absl::OkStatus();
    std::string partial = absl::StrCat(store_.downloads.BlobPath(blob.digest), ".part");
    VX_RETURN_IF_ERROR(fetch(partial));
    return Keep(partial, blob);
  };
  return store_.fetching.Do(blob.digest, bring, &cancellation_);
}

absl::Status Intake::Put(const Descriptor& blob, absl::string_view content) {
  bool was_there = false;
  return Bring(blob, was_there, [&](const std::string& path) {
    return WriteFileAtomic(path, content, 0644);
  });
}

absl::Status Intake::MakeLayer(const Descriptor& blob, const std::string& diff_id) {
  // The catalog speaks of what was checked when it came.
  bool trusted = false;
  {
    absl::MutexLock lock(&store_.mutex);
    trusted = store_.catalog.HasLayer(blob.digest, diff_id);
  }
  absl::Status made = store_.bases.MakeLayer(
      {store_.downloads.BlobPath(blob.digest), store_.layout.BlobPath(blob.digest)}, diff_id,
      trusted, costs_);
  // Also what others have made, whose image did not become whole.
  if (!made.ok()) store_.NoteGarbage();
  return made;
}

absl::StatusOr<v1::Image> Intake::Commit(const std::string& name, const Content& content,
                                         const std::string& change) {
  absl::Status done = store_.Commit({name, content}, store_.downloads, change);
  if (done.ok()) return Named(content, name);
  store_.NoteGarbage();
  return done;
}

}  // namespace vx::image
