#include "daemon/image/staging.h"

#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/image/archive.h"
#include "daemon/image/digest.h"
#include "daemon/image/docker_archive.h"

namespace vx::image {
namespace {

constexpr char kBlobPrefix[] = "blobs/sha256/";
constexpr int kMaxEntries = 10000;
constexpr size_t kMaxNamesShown = 10;

// Takes an archive's files apart.
class Extractor {
 public:
  Extractor(ByteSource* tar, const OciLayout& layout, const Limits& limits)
      : tar_(tar),
        layout_(layout),
        limits_(limits),
        total_(limits.max_unpacked_bytes, "images.max_unpacked_bytes") {}

  absl::Status Run();

 private:
  absl::Status Take(archive_entry* entry);
  absl::Status TakeIndex();
  absl::Status TakeBlob(const std::string& digest, int64_t size);
  absl::Status TakeDockerFile(const std::string& name, int64_t size);
  void TakeLink(const std::string& name, const char* target);
  absl::Status Spend(int64_t size);
  absl::Status WriteContent(int fd, Sha256& hash);

  TarReader tar_;
  const OciLayout& layout_;
  const Limits& limits_;
  Budget total_;
  // What Docker's archives are made of, by name.
  std::map<std::string, DockerFile> docker_files_;
  bool has_index_ = false;
};

absl::Status Extractor::Run() {
  for (int entries = 0;; ++entries) {
    VX_ASSIGN_OR_RETURN(archive_entry * entry, tar_.Next());
    if (entry == nullptr) break;
    if (entries >= kMaxEntries) return BadArchive("the archive has more than 10000 files");
    VX_RETURN_IF_ERROR(Take(entry));
  }
  if (has_index_) return absl::OkStatus();
  if (docker_files_.count(kDockerManifestFile) > 0) {
    return ConvertDockerArchive(docker_files_, layout_);
  }
  return BadArchive("the archive is no image: it has neither OCI's index.json nor Docker's "
                    "manifest.json",
                    "make one with: skopeo copy SOURCE oci-archive:FILE:NAME");
}

absl::Status Extractor::Take(archive_entry* entry) {
  const char* raw = archive_entry_pathname(entry);
  if (raw == nullptr) return absl::OkStatus();
  absl::string_view name = absl::StripPrefix(raw, "./");
  if (const char* link = archive_entry_symlink(entry)) TakeLink(std::string(name), link);
  if (archive_entry_filetype(entry) != AE_IFREG) return absl::OkStatus();
  if (name == "index.json") return TakeIndex();
  if (!absl::StartsWith(name, kBlobPrefix)) {
    bool of_docker = absl::EndsWith(name, ".json") || absl::EndsWith(name, ".tar");
    if (!of_docker) return absl::OkStatus();
    return TakeDockerFile(std::string(name), archive_entry_size(entry));
  }
  std::string digest = absl::StrCat("sha256:", absl::StripPrefix(name, kBlobPrefix));
  if (!IsDigest(digest)) return absl::OkStatus();
  return TakeBlob(digest, archive_entry_size(entry));
}

absl::Status Extractor::TakeIndex() {
  std::string text;
  while (true) {
    VX_ASSIGN_OR_RETURN(TarReader::Piece piece, tar_.Read());
    if (piece.data.empty()) break;
    absl::StrAppend(&text, piece.data);
    if (text.size() > static_cast<size_t>(kMaxDocument)) {
      return BadArchive("index.json is larger than 4 MiB");
    }
  }
  VX_RETURN_IF_ERROR(WriteFileAtomic(layout_.dir() + "/index.json", text, 0644));
  has_index_ = true;
  return absl::OkStatus();
}

absl::Status Extractor::Spend(int64_t size) {
  Budget budget(limits_.max_layer_bytes, "images.max_layer_bytes");
  VX_RETURN_IF_ERROR(budget.Spend(size));
  return total_.Spend(size);
}

// Its digest is known in the end only.
absl::Status Extractor::TakeDockerFile(const std::string& name, int64_t size) {
  VX_RETURN_IF_ERROR(Spend(size));
  std::string path = layout_.dir() + "/incoming";
  VX_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  Sha256 hash;
  VX_RETURN_IF_ERROR(WriteContent(fd.get(), hash));
  std::string digest = hash.Finish();
  if (rename(path.c_str(), layout_.BlobPath(digest).c_str()) < 0) {
    return ErrnoError(errno, absl::StrCat("rename to the blob ", digest));
  }
  docker_files_[name] = {digest, size};
  return absl::OkStatus();
}

// A layer that is there twice: "../OTHER/layer.tar".
void Extractor::TakeLink(const std::string& name, const char* target) {
  auto it = docker_files_.find(std::string(absl::StripPrefix(target, "../")));
  if (absl::EndsWith(name, ".tar") && it != docker_files_.end()) docker_files_[name] = it->second;
}

absl::Status Extractor::TakeBlob(const std::string& digest, int64_t size) {
  VX_RETURN_IF_ERROR(Spend(size));
  UniqueFd fd(
      open(layout_.BlobPath(digest).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd.valid() && errno == EEXIST) {
    return BadArchive(absl::StrCat("the archive holds the blob ", digest, " twice"));
  }
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("create the blob ", digest));
  Sha256 hash;
  VX_RETURN_IF_ERROR(WriteContent(fd.get(), hash));
  std::string actual = hash.Finish();
  if (actual == digest) return absl::OkStatus();
  return BadArchive(absl::StrCat("the blob ", digest, " has another content, of digest ", actual),
                    "the archive is damaged: fetch or export it again");
}

absl::Status Extractor::WriteContent(int fd, Sha256& hash) {
  while (true) {
    VX_ASSIGN_OR_RETURN(TarReader::Piece piece, tar_.Read());
    if (piece.data.empty()) return absl::OkStatus();
    hash.Update(piece.data);
    while (!piece.data.empty()) {
      ssize_t n = write(fd, piece.data.data(), piece.data.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoError(errno, "write a blob");
      piece.data.remove_prefix(n);
    }
  }
}

// The names in an index, for people.
std::string NamesOf(const std::vector<Descriptor>& manifests) {
  std::vector<std::string> names;
  for (const Descriptor& manifest : manifests) {
    std::string name = manifest.Name().empty() ? manifest.digest : manifest.Name();
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  if (names.size() > kMaxNamesShown) {
    names.resize(kMaxNamesShown);
    names.push_back("…");
  }
  return absl::StrJoin(names, ", ");
}

bool RunsHere(const Platform& platform) {
  Platform host = HostPlatform();
  return platform.os == host.os && platform.architecture == host.architecture;
}

// Attestations that builders put beside the images; nothing to run.
bool IsAttestation(const Descriptor& descriptor) { return descriptor.platform.os == "unknown"; }

absl::Status NoPlatform(const std::vector<std::string>& platforms) {
  return Error(absl::StatusCode::kInvalidArgument, "NO_PLATFORM",
               absl::StrCat("the image is for ", absl::StrJoin(platforms, ", "),
                            ", not for this host's ", HostPlatform().ToString()),
               absl::StrCat("get it for ", HostPlatform().ToString()));
}

// Of the entries of one image, that for this host; all of them when their
// platforms are not said.
absl::StatusOr<std::vector<Descriptor>> ForThisHost(std::vector<Descriptor> manifests) {
  std::vector<Descriptor> fitting;
  std::vector<std::string> platforms;
  for (Descriptor& manifest : manifests) {
    if (IsAttestation(manifest)) continue;
    bool known = manifest.platform.known();
    if (known) platforms.push_back(manifest.platform.ToString());
    if (!known || RunsHere(manifest.platform)) fitting.push_back(std::move(manifest));
  }
  if (fitting.empty() && !platforms.empty()) return NoPlatform(platforms);
  return fitting;
}

absl::Status SeveralImages(const std::vector<Descriptor>& manifests) {
  return Error(absl::StatusCode::kInvalidArgument, "SEVERAL_IMAGES",
               absl::StrCat("the archive holds several images: ", NamesOf(manifests)),
               "say which one with --name, or make an archive of one");
}

// What the archive calls an image, as it is called here; empty when that is no
// name.
std::string Normalized(const Descriptor& descriptor) {
  return NormalizeName(descriptor.Name()).value_or("");
}

// The entries of the image that is meant: those called `name` if there are any,
// else all, when they are one image.
absl::StatusOr<std::vector<Descriptor>> OneImage(const std::vector<Descriptor>& all,
                                                 const std::string& name) {
  std::vector<Descriptor> named;
  std::copy_if(all.begin(), all.end(), std::back_inserter(named),
               [&](const Descriptor& d) { return !name.empty() && Normalized(d) == name; });
  if (!named.empty()) return named;
  bool one = std::all_of(all.begin(), all.end(),
                         [&](const Descriptor& d) { return d.Name() == all.front().Name(); });
  if (!one) return SeveralImages(all);
  return all;
}

// Goes down into indexes until a manifest is found.
absl::StatusOr<Descriptor> FindManifest(const OciLayout& layout,
                                        std::vector<Descriptor> manifests) {
  constexpr int kMaxIndexes = 4;
  for (int i = 0; i < kMaxIndexes; ++i) {
    VX_ASSIGN_OR_RETURN(manifests, ForThisHost(std::move(manifests)));
    if (manifests.empty()) return BadArchive("the archive's index lists no image");
    if (manifests.size() > 1 && i == 0) return SeveralImages(manifests);
    Descriptor chosen = manifests.front();
    if (!chosen.IsIndex()) return chosen;
    VX_ASSIGN_OR_RETURN(std::string text, layout.ReadDocument(chosen, "the image's index"));
    VX_ASSIGN_OR_RETURN(manifests, ParseIndex(text, "the image's index"));
  }
  return BadArchive("the archive's indexes are nested too deeply");
}

absl::StatusOr<std::string> NameFor(const std::string& wanted, const Descriptor& descriptor) {
  if (!wanted.empty()) return wanted;
  std::string given = descriptor.Name();
  constexpr char kHint[] = "give it one: vxctl image import FILE --name NAME";
  if (given.empty()) {
    return Error(absl::StatusCode::kInvalidArgument, "NO_NAME",
                 "the archive does not name its image", kHint);
  }
  absl::StatusOr<std::string> name = NormalizeName(given);
  if (name.ok()) return name;
  return Error(absl::StatusCode::kInvalidArgument, "NO_NAME",
               absl::StrCat("the archive calls its image \"", given, "\", which is no name here"),
               kHint);
}

absl::StatusOr<Staged> Choose(const OciLayout& layout, const std::string& wanted) {
  VX_ASSIGN_OR_RETURN(std::vector<Descriptor> all, layout.ReadIndex());
  if (all.empty()) return BadArchive("the archive's index lists no image");
  VX_ASSIGN_OR_RETURN(std::vector<Descriptor> manifests, OneImage(all, wanted));
  Staged staged;
  VX_ASSIGN_OR_RETURN(staged.name, NameFor(wanted, manifests.front()));
  VX_ASSIGN_OR_RETURN(Descriptor manifest, FindManifest(layout, std::move(manifests)));
  if (!manifest.IsManifest()) {
    return BadArchive(
        absl::StrCat("the archive holds no image but a \"", manifest.media_type, "\""));
  }
  VX_ASSIGN_OR_RETURN(staged.content, layout.Load(manifest));
  const Platform& platform = staged.content.config.platform;
  if (!RunsHere(platform)) return NoPlatform({platform.ToString()});
  return staged;
}

}  // namespace

absl::StatusOr<Staged> StageArchive(const std::string& tar_path, const std::string& name,
                                    const OciLayout& layout, const Limits& limits) {
  std::string wanted;
  if (!name.empty()) {
    VX_ASSIGN_OR_RETURN(wanted, NormalizeName(name));
  }
  VX_RETURN_IF_ERROR(MakeDirs(layout.BlobDir(), 0700));
  VX_ASSIGN_OR_RETURN(FileSource file, FileSource::Open(tar_path));
  DecompressedSource tar(&file);
  VX_RETURN_IF_ERROR(Extractor(&tar, layout, limits).Run());
  return Choose(layout, wanted);
}

}  // namespace vx::image
