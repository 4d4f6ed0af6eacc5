#include "daemon/image/image_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/fault.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/image/intake.h"
#include "daemon/image/oci_archive.h"
#include "daemon/image/staging.h"
#include "daemon/image/store_state.h"

namespace vx::image {
namespace {

// Layers hold setuid programs: nobody else may reach them. Disks are opened by
// emulators of other users, which know their names.
struct Folder {
  const char* name;
  mode_t mode;
};
constexpr Folder kFolders[] = {{"", 0711},       {"/layout", 0700}, {"/layers", 0700},
                               {"/disks", 0711}, {"/leases", 0700}, {"/tmp", 0700},
                               {"/downloads", 0700}};

absl::Status MakeFolders(const std::string& dir) {
  for (const Folder& folder : kFolders) {
    std::string path = dir + folder.name;
    VX_RETURN_IF_ERROR(MakeDirs(path, folder.mode));
    if (chmod(path.c_str(), folder.mode) < 0)
      return ErrnoError(errno, absl::StrCat("chmod ", path));
  }
  return absl::OkStatus();
}

absl::Status RemoveLeftovers(const std::string& tmp) {
  VX_ASSIGN_OR_RETURN(std::vector<std::string> names, ListDir(tmp));
  for (const std::string& name : names) Discard(absl::StrCat(tmp, "/", name));
  return absl::OkStatus();
}

// On the disk.
int64_t BytesOf(const std::string& path) {
  namespace fs = std::filesystem;
  int64_t bytes = 0;
  auto add = [&bytes](const std::string& one) {
    struct stat info;
    if (lstat(one.c_str(), &info) == 0) bytes += int64_t{info.st_blocks} * 512;
  };
  add(path);
  std::error_code error;
  for (fs::recursive_directory_iterator it(path, error), end; !error && it != end;
       it.increment(error)) {
    add(it->path());
  }
  return bytes;
}

// Its layers' bytes beside the steps that made them.
void AddHistory(const Content& content, v1::Image& image) {
  size_t layer = 0;
  for (const v1::ImageHistory& step : content.config.history) {
    v1::ImageHistory* out = image.add_history();
    *out = step;
    if (step.empty_layer() || layer >= content.manifest.layers.size()) continue;
    out->set_size_bytes(content.manifest.layers[layer++].size);
  }
}

bool IsThere(const Base& base) {
  if (!base.disk.empty()) return PathExists(base.disk);
  for (const std::string& layer : base.layers) {
    if (!PathExists(layer)) return false;
  }
  return true;
}

}  // namespace

ImageStore::ImageStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
ImageStore::~ImageStore() = default;

absl::StatusOr<std::unique_ptr<ImageStore>> ImageStore::Open(const std::string& dir,
                                                             const Limits& limits) {
  VX_RETURN_IF_ERROR(MakeFolders(dir));
  VX_RETURN_IF_ERROR(RemoveLeftovers(dir + "/tmp"));
  for (const char* folder : {"", "/layout"}) RemoveTemporaries(dir + folder);
  VX_RETURN_IF_ERROR(OciLayout(dir + "/layout").Create());
  VX_RETURN_IF_ERROR(MakeDirs(OciLayout(dir + "/downloads").BlobDir(), 0700));
  VX_ASSIGN_OR_RETURN(Catalog catalog, Catalog::Open(dir));
  auto state = std::make_unique<State>(dir, limits, std::move(catalog));
  state->BeginActivity();
  {
    // Blobs and layers of an import that a crash cut short.
    absl::MutexLock lock(&state->mutex);
    state->has_garbage = true;
  }
  state->EndActivity();
  return std::unique_ptr<ImageStore>(new ImageStore(std::move(state)));
}

const std::string& ImageStore::dir() const { return state_->dir; }

std::vector<v1::Image> ImageStore::List() const {
  absl::MutexLock lock(&state_->mutex);
  std::vector<v1::Image> images;
  for (const std::string& name : state_->catalog.Names()) {
    images.push_back(Named(*state_->catalog.FindByName(name), name));
  }
  return images;
}

absl::StatusOr<v1::Image> ImageStore::Get(const std::string& name) const {
  VX_ASSIGN_OR_RETURN(Content content, state_->Find(name));
  v1::Image image = Named(content, *NormalizeName(name));
  AddHistory(content, image);
  absl::MutexLock lock(&state_->mutex);
  for (v1::ImageLayer& layer : *image.mutable_layers()) {
    for (const std::string& other : state_->catalog.NamesWithBlob(layer.digest())) {
      if (other != image.name()) layer.add_shared_with(other);
    }
  }
  return image;
}

absl::StatusOr<v1::Image> ImageStore::Import(const std::string& tar_path, const std::string& name,
                                             const std::string& change) {
  state_->BeginActivity();
  auto end = absl::MakeCleanup([&] { state_->EndActivity(); });
  OciLayout staging(state_->bases.TemporaryPath("import"));
  auto remove = absl::MakeCleanup([&] { Discard(staging.dir()); });
  VX_ASSIGN_OR_RETURN(Staged staged, StageArchive(tar_path, name, staging, state_->limits));
  VX_FAULT_POINT("import.staged");
  absl::Status made = state_->bases.VerifyAndMakeLayers(staged.content, staging);
  if (made.ok()) made = state_->Commit(staged, staging, change);
  if (made.ok()) return Named(staged.content, staged.name);
  state_->NoteGarbage();
  return made;
}

std::unique_ptr<Intake> ImageStore::BeginIntake(Cancellation& cancellation) {
  return std::unique_ptr<Intake>(new Intake(*state_, cancellation));
}

bool ImageStore::Imported(const std::string& change) const {
  absl::MutexLock lock(&state_->mutex);
  return state_->catalog.HasChange(change);
}

absl::Status ImageStore::Export(const std::string& name,
                                const std::function<absl::Status(absl::string_view)>& sink) const {
  state_->BeginActivity();
  auto end = absl::MakeCleanup([&] { state_->EndActivity(); });
  VX_ASSIGN_OR_RETURN(Content content, state_->Find(name));
  VX_ASSIGN_OR_RETURN(std::string full, NormalizeName(name));
  return WriteOciArchive(content, full, state_->layout, sink);
}

absl::Status ImageStore::Read(
    const std::string& name,
    const std::function<absl::Status(const Content&, const OciLayout&)>& use) const {
  state_->BeginActivity();
  auto end = absl::MakeCleanup([&] { state_->EndActivity(); });
  VX_ASSIGN_OR_RETURN(Content content, state_->Find(name));
  return use(content, state_->layout);
}

absl::Status ImageStore::Tag(const std::string& name, const std::string& new_name,
                             const std::string& change) {
  VX_ASSIGN_OR_RETURN(std::string full, NormalizeName(new_name));
  state_->BeginActivity();
  auto end = absl::MakeCleanup([&] { state_->EndActivity(); });
  VX_ASSIGN_OR_RETURN(Content content, state_->Find(name));
  absl::MutexLock lock(&state_->mutex);
  // Of the image that had the name.
  state_->has_garbage = true;
  return state_->catalog.Put(full, content, change);
}

int64_t ImageStore::Prune() {
  std::vector<std::string> garbage;
  {
    absl::MutexLock lock(&state_->mutex);
    state_->has_garbage = true;
    garbage = state_->TakeDownloads();
    for (std::string& path : state_->Garbage()) garbage.push_back(std::move(path));
  }
  int64_t freed = 0;
  for (const std::string& path : garbage) freed += BytesOf(path);
  DiscardAll(garbage);
  return freed;
}

absl::Status ImageStore::Remove(const std::string& name) {
  VX_ASSIGN_OR_RETURN(std::string full, NormalizeName(name));
  std::vector<std::string> garbage;
  {
    absl::MutexLock lock(&state_->mutex);
    VX_RETURN_IF_ERROR(state_->catalog.Remove(full));
    state_->has_garbage = true;
    garbage = state_->Garbage();
  }
  DiscardAll(garbage);
  return absl::OkStatus();
}

absl::StatusOr<Base> ImageStore::Acquire(const std::string& name, Form form,
                                         const std::string& owner) {
  bool fresh = false;
  VX_ASSIGN_OR_RETURN(Content content, state_->Lease(name, owner, fresh));
  Base base;
  base.digest = content.descriptor.digest;
  base.config = content.config.config;
  if (form == Form::kDisk) base.disk = state_->bases.DiskPath(base.digest);
  if (form == Form::kLayers) base.layers = state_->bases.LayerPaths(content);
  if (IsThere(base)) return base;
  absl::Status made = state_->Make(content, form);
  if (made.ok()) return base;
  if (fresh) Release(owner).IgnoreError();
  return Annotate(made, absl::StrCat("image \"", name, "\""));
}

absl::Status ImageStore::Release(const std::string& owner) {
  std::vector<std::string> garbage;
  {
    absl::MutexLock lock(&state_->mutex);
    Leases& leases = state_->catalog.leases();
    std::optional<std::string> digest = leases.Find(owner);
    if (!digest.has_value()) return absl::OkStatus();
    VX_RETURN_IF_ERROR(leases.Remove(owner));
    // An image that lost its name goes with its last user.
    if (!state_->catalog.HasName(*digest)) state_->has_garbage = true;
    garbage = state_->Garbage();
  }
  DiscardAll(garbage);
  return absl::OkStatus();
}

std::vector<std::string> ImageStore::LeaseOwners() const {
  absl::MutexLock lock(&state_->mutex);
  return state_->catalog.leases().Owners();
}

}  // namespace vx::image
