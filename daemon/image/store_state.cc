#include "daemon/image/store_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/fault.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"

namespace vx::image {
namespace {

absl::Status SyncFile(const std::string& path) {
  VX_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(path, O_RDONLY));
  return fsync(fd.get()) == 0 ? absl::OkStatus() : ErrnoError(errno, absl::StrCat("fsync ", path));
}

}  // namespace

void DiscardAll(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) Discard(path);
}

v1::Image Named(const Content& content, const std::string& name) {
  v1::Image image = content.ToImage();
  image.set_name(name);
  return image;
}


void ImageStore::State::BeginActivity() {
  absl::MutexLock lock(&mutex);
  ++activities;
}

void ImageStore::State::EndActivity() {
  std::vector<std::string> garbage;
  {
    absl::MutexLock lock(&mutex);
    --activities;
    garbage = Garbage();
  }
  DiscardAll(garbage);
}

std::vector<std::string> ImageStore::State::Garbage() {
  if (!has_garbage || activities > 0) return {};
  has_garbage = false;
  return catalog.TakeGarbage(bases);
}

absl::StatusOr<Content> ImageStore::State::Find(const std::string& name) {
  VX_ASSIGN_OR_RETURN(std::string full, NormalizeName(name));
  absl::MutexLock lock(&mutex);
  const Content* content = catalog.FindByName(full);
  if (content == nullptr) return catalog.NotFound(full);
  return *content;
}

absl::StatusOr<Content> ImageStore::State::Lease(const std::string& name, const std::string& owner,
                                                 bool& fresh) {
  VX_ASSIGN_OR_RETURN(std::string full, NormalizeName(name));
  absl::MutexLock lock(&mutex);
  std::optional<std::string> held = catalog.leases().Find(owner);
  const Content* content = held ? catalog.FindByDigest(*held) : nullptr;
  if (content == nullptr) content = catalog.FindByName(full);
  if (content == nullptr) return catalog.NotFound(full);
  fresh = !held.has_value();
  VX_RETURN_IF_ERROR(catalog.leases().Add(owner, content->descriptor.digest));
  return *content;
}

absl::Status ImageStore::State::Make(const Content& content, Form form) {
  if (form == Form::kDisk) return bases.MakeDisk(content, layout);
  return bases.MakeLayers(content, layout);
}

absl::Status ImageStore::State::Commit(const Staged& staged, const OciLayout& staging,
                                       const std::string& change) {
  VX_FAULT_POINT("import.layers");
  for (const std::string& digest : staged.content.Blobs()) {
    absl::Status synced = SyncFile(staging.BlobPath(digest));
    if (!absl::IsNotFound(synced)) VX_RETURN_IF_ERROR(synced);
  }
  absl::MutexLock lock(&mutex);
  // The blobs are garbage if the rest fails, and the old image if it doesn't.
  has_garbage = true;
  for (const std::string& digest : staged.content.Blobs()) {
    std::string from = staging.BlobPath(digest), to = layout.BlobPath(digest);
    // It may have been here before; an image may have the same layer twice.
    if (rename(from.c_str(), to.c_str()) < 0 && !(errno == ENOENT && PathExists(to))) {
      return ErrnoError(errno, absl::StrCat("rename to ", to));
    }
  }
  VX_RETURN_IF_ERROR(SyncDir(layout.BlobDir()));
  VX_FAULT_POINT("import.blobs");
  VX_RETURN_IF_ERROR(catalog.Put(staged.name, staged.content, change));
  VX_FAULT_POINT_NO_FAIL("import.named");
  return absl::OkStatus();
}

std::vector<std::string> ImageStore::State::TakeDownloads() {
  std::vector<std::string> taken;
  absl::StatusOr<std::vector<std::string>> names = ListDir(downloads.BlobDir());
  if (activities > 0 || !names.ok()) return taken;
  for (const std::string& name : *names) {
    std::string to = bases.TemporaryPath("download");
    std::string from = absl::StrCat(downloads.BlobDir(), "/", name);
    if (rename(from.c_str(), to.c_str()) == 0) taken.push_back(to);
  }
  return taken;
}

void ImageStore::State::NoteGarbage() {
  absl::MutexLock lock(&mutex);
  has_garbage = true;
}

}  // namespace vx::image
