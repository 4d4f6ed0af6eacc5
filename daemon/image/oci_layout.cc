#include "daemon/image/oci_layout.h"

#include <sys/stat.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/image/archive.h"
#include "daemon/image/digest.h"

namespace vx::image {
namespace {

constexpr mode_t kFileMode = 0644;
constexpr mode_t kDirMode = 0755;

absl::Status MissingBlob(absl::string_view digest) {
  return BadArchive(absl::StrCat("the image's blob ", digest, " is missing"),
                    "the archive is cut short or was put together wrongly: export it again");
}

// Size of a regular file; less than 0 when there is none.
int64_t SizeOf(const std::string& path) {
  struct stat st;
  if (lstat(path.c_str(), &st) < 0 || !S_ISREG(st.st_mode)) return -1;
  return st.st_size;
}

}  // namespace

std::vector<std::string> Content::Blobs() const {
  std::vector<std::string> digests = {descriptor.digest, manifest.config.digest};
  for (const Descriptor& layer : manifest.layers) digests.push_back(layer.digest);
  return digests;
}

v1::Image Content::ToImage() const {
  v1::Image image;
  image.set_digest(descriptor.digest);
  image.set_platform(config.platform.ToString());
  *image.mutable_config() = config.config;
  int64_t size = descriptor.size + manifest.config.size;
  for (size_t i = 0; i < manifest.layers.size(); ++i) {
    const Descriptor& layer = manifest.layers[i];
    v1::ImageLayer* out = image.add_layers();
    out->set_digest(layer.digest);
    out->set_diff_id(config.diff_ids[i]);
    out->set_size_bytes(layer.size);
    out->set_media_type(layer.media_type);
    size += layer.size;
  }
  image.set_size_bytes(size);
  absl::Time created;
  if (absl::ParseTime(absl::RFC3339_full, config.created, &created, nullptr)) {
    image.mutable_create_time()->set_seconds(absl::ToUnixSeconds(created));
  }
  return image;
}

std::string OciLayout::BlobPath(absl::string_view digest) const {
  return absl::StrCat(BlobDir(), "/", DigestHex(digest));
}

absl::Status OciLayout::Create() const {
  VX_RETURN_IF_ERROR(MakeDirs(BlobDir(), kDirMode));
  std::string marker = dir_ + "/oci-layout";
  if (!PathExists(marker)) {
    VX_RETURN_IF_ERROR(WriteFileAtomic(marker, kLayoutMarker, kFileMode, Durability::kDurable));
  }
  if (PathExists(dir_ + "/index.json")) return absl::OkStatus();
  return WriteIndex({});
}

absl::StatusOr<std::vector<Descriptor>> OciLayout::ReadIndex() const {
  std::string path = dir_ + "/index.json";
  int64_t size = SizeOf(path);
  if (size < 0) return BadArchive("there is no index.json");
  if (size > kMaxDocument) return BadArchive("index.json is larger than 4 MiB");
  VX_ASSIGN_OR_RETURN(std::string text, ReadFile(path));
  return ParseIndex(text, "index.json");
}

absl::Status OciLayout::WriteIndex(const std::vector<Descriptor>& manifests) const {
  return WriteFileAtomic(dir_ + "/index.json", IndexJson(manifests), kFileMode,
                         Durability::kDurable);
}

absl::Status OciLayout::CheckBlob(const Descriptor& descriptor) const {
  int64_t size = SizeOf(BlobPath(descriptor.digest));
  if (size < 0) return MissingBlob(descriptor.digest);
  if (size == descriptor.size) return absl::OkStatus();
  return BadArchive(absl::StrCat("the blob ", descriptor.digest, " has ", size,
                                 " bytes instead of ", descriptor.size));
}

absl::StatusOr<std::string> OciLayout::ReadDocument(const Descriptor& descriptor,
                                                    absl::string_view what) const {
  VX_RETURN_IF_ERROR(CheckBlob(descriptor));
  if (descriptor.size > kMaxDocument) {
    return BadArchive(absl::StrCat(what, " is larger than 4 MiB"));
  }
  VX_ASSIGN_OR_RETURN(std::string text, ReadFile(BlobPath(descriptor.digest)));
  if (DigestOf(text) != descriptor.digest) {
    return BadArchive(
        absl::StrCat(what, " has not the content that its digest ", descriptor.digest, " says"));
  }
  return text;
}

absl::StatusOr<Content> Assemble(const Descriptor& descriptor, const std::string& manifest,
                                 const std::string& config) {
  Content content;
  content.descriptor = descriptor;
  VX_ASSIGN_OR_RETURN(content.manifest, ParseManifest(manifest, "the manifest"));
  VX_ASSIGN_OR_RETURN(content.config, ParseConfig(config, "the config"));
  size_t layers = content.manifest.layers.size();
  if (layers != content.config.diff_ids.size()) {
    return BadArchive(absl::StrCat("the manifest lists ", layers, " layers and the config ",
                                   content.config.diff_ids.size()));
  }
  if (layers == 0) return BadArchive("the image has no layers");
  return content;
}

absl::StatusOr<Content> OciLayout::Load(const Descriptor& descriptor) const {
  VX_ASSIGN_OR_RETURN(std::string manifest, ReadDocument(descriptor, "the manifest"));
  VX_ASSIGN_OR_RETURN(Manifest parsed, ParseManifest(manifest, "the manifest"));
  VX_ASSIGN_OR_RETURN(std::string config, ReadDocument(parsed.config, "the config"));
  VX_ASSIGN_OR_RETURN(Content content, Assemble(descriptor, manifest, config));
  for (const Descriptor& layer : content.manifest.layers) VX_RETURN_IF_ERROR(CheckBlob(layer));
  return content;
}

}  // namespace vx::image
