#include "daemon/image/catalog.h"

#include <spdlog/spdlog.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/image/digest.h"

namespace vx::image {
namespace {

constexpr size_t kMaxShown = 10;

std::string FirstFew(std::vector<std::string> texts) {
  if (texts.size() > kMaxShown) {
    size_t more = texts.size() - kMaxShown;
    texts.resize(kMaxShown);
    texts.push_back(absl::StrCat("and ", more, " more"));
  }
  return absl::StrJoin(texts, ", ");
}

// Moves what is in `folder` and not in `used` to tmp/.
void TakeUnused(const std::string& folder, const std::set<std::string>& used, const Bases& bases,
                std::vector<std::string>& taken) {
  absl::StatusOr<std::vector<std::string>> names = ListDir(folder);
  if (!names.ok()) {
    spdlog::warn("images: {}", std::string(names.status().message()));
    return;
  }
  for (const std::string& name : *names) {
    std::string path = absl::StrCat(folder, "/", name);
    if (used.count(path) > 0) continue;
    std::string to = bases.TemporaryPath("garbage");
    if (rename(path.c_str(), to.c_str()) == 0) {
      taken.push_back(to);
    } else {
      spdlog::warn("images: can't remove {}: {}", path, strerror(errno));
    }
  }
}

}  // namespace

absl::StatusOr<Catalog> Catalog::Open(const std::string& dir) {
  VX_ASSIGN_OR_RETURN(Leases leases, Leases::Open(dir + "/leases"));
  Catalog catalog(dir, std::move(leases));
  VX_RETURN_IF_ERROR(catalog.LoadNamed());
  catalog.LoadLeased();
  return catalog;
}

absl::Status Catalog::LoadNamed() {
  absl::StatusOr<std::vector<Descriptor>> index = layout_.ReadIndex();
  if (!index.ok()) {
    return Error(
        absl::StatusCode::kDataLoss, "IMAGE_INDEX_DAMAGED",
        absl::StrCat(layout_.dir(), "/index.json can't be read: ", index.status().message()),
        "move the file away and import the images again");
  }
  for (Descriptor& descriptor : *index) {
    absl::StatusOr<std::string> name = NormalizeName(descriptor.Name());
    absl::StatusOr<Content> content = layout_.Load(descriptor);
    if (!name.ok() || !content.ok()) {
      spdlog::warn("images: \"{}\" is left out: {}", descriptor.Name(),
                   std::string((name.ok() ? content.status() : name.status()).message()));
      continue;
    }
    digests_[*name] = descriptor.digest;
    auto change = descriptor.annotations.find(kChange);
    if (change != descriptor.annotations.end()) changes_[*name] = change->second;
    contents_[descriptor.digest] = *std::move(content);
  }
  return absl::OkStatus();
}

// Images that lost their names, but not their users.
void Catalog::LoadLeased() {
  for (const std::string& digest : leases_.Digests()) {
    if (contents_.count(digest) > 0) continue;
    struct stat st = {};
    stat(layout_.BlobPath(digest).c_str(), &st);
    Descriptor descriptor;
    descriptor.digest = digest;
    descriptor.size = st.st_size;
    absl::StatusOr<Content> content = layout_.Load(descriptor);
    if (content.ok()) {
      contents_[digest] = *std::move(content);
    } else {
      spdlog::warn("images: {} is in use, but {}", digest, std::string(content.status().message()));
    }
  }
}

std::vector<std::string> Catalog::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, digest] : digests_) names.push_back(name);
  return names;
}

const Content* Catalog::FindByName(const std::string& name) const {
  auto it = digests_.find(name);
  return it == digests_.end() ? nullptr : FindByDigest(it->second);
}

const Content* Catalog::FindByDigest(const std::string& digest) const {
  auto it = contents_.find(digest);
  return it == contents_.end() ? nullptr : &it->second;
}

absl::Status Catalog::NotFound(const std::string& name) const {
  constexpr char kImport[] = "get one with: vxctl image pull NAME, or vxctl image import FILE";
  std::string hint = digests_.empty()
                         ? absl::StrCat("there are no images yet; ", kImport)
                         : absl::StrCat("there is: ", FirstFew(Names()), "; ", kImport);
  return Error(absl::StatusCode::kNotFound, "IMAGE_NOT_FOUND",
               absl::StrCat("there is no image \"", name, "\""), hint);
}

absl::Status Catalog::WriteIndex() const {
  std::vector<Descriptor> index;
  for (const auto& [name, digest] : digests_) {
    const Content& content = contents_.at(digest);
    Descriptor descriptor = content.descriptor;
    descriptor.annotations = {{kRefName, name}};
    auto change = changes_.find(name);
    if (change != changes_.end()) descriptor.annotations[kChange] = change->second;
    descriptor.platform = content.config.platform;
    index.push_back(std::move(descriptor));
  }
  return layout_.WriteIndex(index);
}

absl::Status Catalog::Put(const std::string& name, const Content& content,
                          const std::string& change) {
  const auto before = std::make_pair(digests_, changes_);
  // Also where it is known: it may come from a lease, without its media type.
  contents_[content.descriptor.digest] = content;
  digests_[name] = content.descriptor.digest;
  changes_.erase(name);
  if (!change.empty()) changes_[name] = change;
  absl::Status written = WriteIndex();
  if (!written.ok()) std::tie(digests_, changes_) = before;
  return written;
}

bool Catalog::HasChange(const std::string& change) const {
  return std::any_of(changes_.begin(), changes_.end(), [&](const auto& named) {
    return named.second == change && digests_.contains(named.first);
  });
}

int Catalog::NamesOf(const std::string& digest) const {
  int names = 0;
  for (const auto& [name, named] : digests_) names += named == digest ? 1 : 0;
  return names;
}

absl::Status Catalog::InUse(const std::string& name, const std::vector<std::string>& owners) const {
  return Error(absl::StatusCode::kFailedPrecondition, "IMAGE_IN_USE",
               absl::StrCat("the image \"", name, "\" is in use by ", FirstFew(owners)),
               "remove those workloads first: vxctl rm NAME");
}

absl::Status Catalog::Remove(const std::string& name) {
  auto it = digests_.find(name);
  if (it == digests_.end()) return NotFound(name);
  std::vector<std::string> owners = leases_.OwnersOf(it->second);
  if (!owners.empty() && NamesOf(it->second) == 1) return InUse(name, owners);
  std::string digest = it->second;
  digests_.erase(it);
  absl::Status written = WriteIndex();
  if (!written.ok()) digests_[name] = digest;
  return written;
}

bool Catalog::HasLayer(const std::string& blob, const std::string& diff_id) const {
  for (const auto& [digest, content] : contents_) {
    for (size_t i = 0; i < content.manifest.layers.size(); ++i) {
      if (content.manifest.layers[i].digest == blob && content.config.diff_ids[i] == diff_id) {
        return true;
      }
    }
  }
  return false;
}

std::vector<std::string> Catalog::NamesWithBlob(const std::string& blob) const {
  std::vector<std::string> names;
  for (const auto& [name, digest] : digests_) {
    const std::vector<Descriptor>& layers = contents_.at(digest).manifest.layers;
    bool has = std::any_of(layers.begin(), layers.end(),
                           [&](const Descriptor& layer) { return layer.digest == blob; });
    if (has) names.push_back(name);
  }
  return names;
}

void Catalog::ForgetUnused() {
  std::set<std::string> used = leases_.Digests();
  for (const auto& [name, digest] : digests_) used.insert(digest);
  for (auto it = contents_.begin(); it != contents_.end();) {
    it = used.count(it->first) > 0 ? std::next(it) : contents_.erase(it);
  }
}

std::vector<std::string> Catalog::TakeGarbage(const Bases& bases) {
  ForgetUnused();
  std::vector<std::string> taken;
  for (const std::string& digest : leases_.Digests()) {
    // What can't be read may still be mounted: then nothing is certain.
    if (contents_.count(digest) == 0) return taken;
  }
  std::set<std::string> used;
  for (const auto& [digest, content] : contents_) {
    used.insert(bases.DiskPath(digest));
    for (const std::string& blob : content.Blobs()) used.insert(layout_.BlobPath(blob));
    for (const std::string& layer : bases.LayerPaths(content)) used.insert(layer);
  }
  for (const char* folder : {"/layout/blobs/sha256", "/layers", "/disks"}) {
    TakeUnused(dir_ + folder, used, bases, taken);
  }
  return taken;
}

}  // namespace vx::image
