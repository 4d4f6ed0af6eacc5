#include "daemon/image/docker_archive.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/image/archive.h"
#include "daemon/image/byte_source.h"
#include "daemon/image/digest.h"
#include "daemon/image/oci_json.h"

namespace vx::image {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxImages = 1024;

std::vector<std::string> Texts(const Json& object, const char* key) {
  std::vector<std::string> texts;
  auto it = object.find(key);
  if (it == object.end() || !it->is_array()) return texts;
  for (const Json& value : *it) texts.push_back(value.is_string() ? value.get<std::string>() : "");
  return texts;
}

class Converter {
 public:
  Converter(const std::map<std::string, DockerFile>& files, const OciLayout& layout)
      : files_(files), layout_(layout) {}

  absl::Status Run();

 private:
  absl::StatusOr<Descriptor> Convert(const Json& image) const;
  absl::StatusOr<Descriptor> Find(const std::string& name, const char* media_type) const;
  absl::StatusOr<bool> IsGzip(const std::string& digest) const;

  const std::map<std::string, DockerFile>& files_;
  const OciLayout& layout_;
};

absl::StatusOr<Descriptor> Converter::Find(const std::string& name, const char* media_type) const {
  auto it = files_.find(name);
  if (it == files_.end()) {
    return BadArchive(absl::StrCat("Docker's archive has no \"", name, "\", of which its ",
                                   kDockerManifestFile, " tells"));
  }
  Descriptor out;
  out.media_type = media_type;
  out.digest = it->second.digest;
  out.size = it->second.size;
  return out;
}

absl::StatusOr<bool> Converter::IsGzip(const std::string& digest) const {
  VX_ASSIGN_OR_RETURN(FileSource file, FileSource::Open(layout_.BlobPath(digest)));
  VX_ASSIGN_OR_RETURN(absl::string_view begin, file.Next());
  return absl::StartsWith(begin, "\x1f\x8b");
}

absl::StatusOr<Descriptor> Converter::Convert(const Json& image) const {
  auto config = image.find("Config");
  if (config == image.end() || !config->is_string()) {
    return BadArchive(absl::StrCat(kDockerManifestFile, " names no config"));
  }
  Manifest manifest;
  VX_ASSIGN_OR_RETURN(manifest.config, Find(config->get<std::string>(), kOciConfig));
  for (const std::string& name : Texts(image, "Layers")) {
    VX_ASSIGN_OR_RETURN(Descriptor layer, Find(name, kOciLayer));
    VX_ASSIGN_OR_RETURN(bool gzip, IsGzip(layer.digest));
    if (gzip) layer.media_type += "+gzip";
    manifest.layers.push_back(std::move(layer));
  }
  std::string text = ManifestJson(manifest);
  Descriptor out;
  out.media_type = kOciManifest;
  out.digest = DigestOf(text);
  out.size = text.size();
  VX_RETURN_IF_ERROR(WriteFileAtomic(layout_.BlobPath(out.digest), text, 0644));
  std::vector<std::string> names = Texts(image, "RepoTags");
  if (!names.empty()) out.annotations[kRefName] = names.front();
  return out;
}

absl::Status Converter::Run() {
  VX_ASSIGN_OR_RETURN(Descriptor file, Find(kDockerManifestFile, ""));
  VX_ASSIGN_OR_RETURN(std::string text, layout_.ReadDocument(file, kDockerManifestFile));
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_array() || json.size() > kMaxImages) {
    return BadArchive(absl::StrCat(kDockerManifestFile, " is no list of images"));
  }
  std::vector<Descriptor> images;
  for (const Json& image : json) {
    if (!image.is_object()) return BadArchive(absl::StrCat(kDockerManifestFile, " is damaged"));
    VX_ASSIGN_OR_RETURN(Descriptor manifest, Convert(image));
    images.push_back(std::move(manifest));
  }
  return layout_.WriteIndex(images);
}

}  // namespace

absl::Status ConvertDockerArchive(const std::map<std::string, DockerFile>& files,
                                  const OciLayout& layout) {
  return Converter(files, layout).Run();
}

std::string DockerManifestJson(const Content& content, const std::string& name) {
  auto path = [](const Descriptor& blob) {
    return absl::StrCat("blobs/sha256/", DigestHex(blob.digest));
  };
  Json image = {{"Config", path(content.manifest.config)},
                {"RepoTags", Json::array()},
                {"Layers", Json::array()}};
  if (!absl::StrContains(name, '@')) image["RepoTags"].push_back(name);
  for (const Descriptor& layer : content.manifest.layers) image["Layers"].push_back(path(layer));
  Json list = Json::array({image});
  return list.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace vx::image
