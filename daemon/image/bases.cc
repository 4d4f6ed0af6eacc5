#include "daemon/image/bases.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/ids.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/subprocess.h"
#include "daemon/image/archive.h"
#include "daemon/image/digest.h"
#include "daemon/image/disk.h"
#include "daemon/image/unpack.h"

namespace vx::image {
namespace {

// An emulator of another user opens the disk; it finds it by its name only.
constexpr mode_t kDiskMode = 0444;
constexpr absl::Duration kRemoveTimeout = absl::Minutes(10);

absl::StatusOr<UniqueFd> MakeFolder(const std::string& path) {
  if (mkdir(path.c_str(), 0700) < 0 || chmod(path.c_str(), 0755) < 0) {
    return ErrnoError(errno, absl::StrCat("mkdir ", path));
  }
  return OpenFile(path, O_RDONLY | O_DIRECTORY);
}

// Where it is now.
absl::StatusOr<FileSource> OpenBlob(const std::vector<std::string>& places) {
  absl::StatusOr<FileSource> file = FileSource::Open(places.front());
  for (size_t i = 1; i < places.size() && absl::IsNotFound(file.status()); ++i) {
    file = FileSource::Open(places[i]);
  }
  return file;
}

// A finished thing gets its place, for good.
absl::Status Publish(const std::string& from, const std::string& folder, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) < 0)
    return ErrnoError(errno, absl::StrCat("rename to ", to));
  return SyncDir(folder);
}

absl::Status WrongDiffId(absl::string_view expected, absl::string_view actual) {
  return BadArchive(absl::StrCat("a layer's content has the digest ", actual,
                                 ", where the image's config says ", expected));
}

// The digest of what a blob unpacks to.
absl::Status CheckDiffId(MeteredSource& tar, absl::string_view expected) {
  VX_ASSIGN_OR_RETURN(std::string actual, tar.Finish());
  return actual == expected ? absl::OkStatus() : WrongDiffId(expected, actual);
}

}  // namespace

void Discard(const std::string& path) {
  if (RemoveTree(path).ok()) return;
  // A tree deeper than there are descriptors: rm needs none a level.
  absl::Status removed = RunCommandOk({"rm", "-rf", "--", path}, kRemoveTimeout).status();
  if (removed.ok()) return;
  spdlog::warn("images: can't remove {}: {}", path, std::string(removed.message()));
}

std::string Bases::LayerPath(absl::string_view diff_id) const {
  return absl::StrCat(dir_, "/layers/", DigestHex(diff_id));
}

std::string Bases::DiskPath(absl::string_view digest) const {
  return absl::StrCat(dir_, "/disks/", DigestHex(digest), ".ext4");
}

std::vector<std::string> Bases::LayerPaths(const Content& content) const {
  std::vector<std::string> paths;
  for (const std::string& diff_id : content.config.diff_ids) paths.push_back(LayerPath(diff_id));
  return paths;
}

std::string Bases::TemporaryPath(absl::string_view what) const {
  return absl::StrCat(dir_, "/tmp/", what, "-", RandomHex(16));
}

std::vector<Bases::LayerJob> Bases::Jobs(const Content& content, const OciLayout& layout) const {
  std::vector<LayerJob> jobs;
  for (size_t i = 0; i < content.manifest.layers.size(); ++i) {
    jobs.push_back(
        {{layout.BlobPath(content.manifest.layers[i].digest)}, content.config.diff_ids[i]});
  }
  return jobs;
}

absl::Status Bases::UnpackInto(const LayerJob& job, const std::string& folder, Costs& costs) const {
  VX_ASSIGN_OR_RETURN(FileSource file, OpenBlob(job.blob));
  DecompressedSource plain(&file);
  MeteredSource tar(&plain, &costs.stream, costs.cancellation);
  VX_RETURN_IF_ERROR(UnpackLayer(tar, folder, costs.files));
  return CheckDiffId(tar, job.diff_id);
}

absl::Status Bases::BuildLayer(const LayerJob& job, Costs& costs) const {
  std::string folder = TemporaryPath("layer");
  auto remove = absl::MakeCleanup([&] { Discard(folder); });
  VX_ASSIGN_OR_RETURN(UniqueFd fd, MakeFolder(folder));
  VX_RETURN_IF_ERROR(UnpackInto(job, folder, costs));
  // All files at once: an fsync of each would take many times as long.
  if (syncfs(fd.get()) < 0) return ErrnoError(errno, absl::StrCat("sync ", folder));
  return Publish(folder, dir_ + "/layers", LayerPath(job.diff_id));
}

absl::Status Bases::EnsureLayer(const LayerJob& job, Costs& costs, bool& built) {
  if (PathExists(LayerPath(job.diff_id))) return absl::OkStatus();
  return once_.Do(job.diff_id, [&] {
    if (PathExists(LayerPath(job.diff_id))) return absl::OkStatus();
    built = true;
    return BuildLayer(job, costs);
  });
}

absl::Status Bases::CheckBlob(const LayerJob& job, Costs& costs) const {
  VX_ASSIGN_OR_RETURN(FileSource file, OpenBlob(job.blob));
  DecompressedSource plain(&file);
  MeteredSource tar(&plain, &costs.stream, costs.cancellation);
  return CheckDiffId(tar, job.diff_id);
}

absl::Status Bases::MakeLayer(const std::vector<std::string>& paths, const std::string& diff_id,
                              bool trusted, Costs& costs) {
  LayerJob job{paths, diff_id};
  bool built = false;
  VX_RETURN_IF_ERROR(EnsureLayer(job, costs, built));
  return trusted || built ? absl::OkStatus() : CheckBlob(job, costs);
}

absl::Status Bases::MakeLayers(const Content& content, const OciLayout& layout) {
  Costs costs(limits_);
  for (const LayerJob& job : Jobs(content, layout)) {
    bool built = false;
    VX_RETURN_IF_ERROR(EnsureLayer(job, costs, built));
  }
  return absl::OkStatus();
}

absl::Status Bases::VerifyAndMakeLayers(const Content& content, const OciLayout& layout) {
  Costs costs(limits_);
  for (const LayerJob& job : Jobs(content, layout)) {
    VX_RETURN_IF_ERROR(MakeLayer(job.blob, job.diff_id, /*trusted=*/false, costs));
  }
  return absl::OkStatus();
}

absl::Status Bases::BuildDisk(const Content& content) const {
  std::string folder = TemporaryPath("tree");
  std::string disk = TemporaryPath("disk");
  auto remove = absl::MakeCleanup([&] {
    Discard(folder);
    unlink(disk.c_str());
  });
  VX_RETURN_IF_ERROR(MakeFolder(folder).status());
  VX_RETURN_IF_ERROR(MergeLayers(LayerPaths(content), folder));
  VX_RETURN_IF_ERROR(vx::image::MakeDisk(folder, disk));
  VX_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(disk, O_RDWR));
  if (fchmod(fd.get(), kDiskMode) < 0 || fsync(fd.get()) < 0) {
    return ErrnoError(errno, absl::StrCat("fsync ", disk));
  }
  return Publish(disk, dir_ + "/disks", DiskPath(content.descriptor.digest));
}

absl::Status Bases::MakeDisk(const Content& content, const OciLayout& layout) {
  std::string path = DiskPath(content.descriptor.digest);
  if (PathExists(path)) return absl::OkStatus();
  VX_RETURN_IF_ERROR(MakeLayers(content, layout));
  return once_.Do(path, [&] { return PathExists(path) ? absl::OkStatus() : BuildDisk(content); });
}

}  // namespace vx::image
