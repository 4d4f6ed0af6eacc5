// What `docker save` writes: manifest.json, and files of any names that it tells of.
#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "daemon/image/oci_layout.h"

namespace vx::image {

// The file that describes it.
inline constexpr char kDockerManifestFile[] = "manifest.json";

// A file of the archive, which is a blob of the layout by now.
struct DockerFile {
  std::string digest;
  int64_t size = 0;
};

// Writes manifests and an index for the images of the archive, whose `files`, by their
// names there, are blobs of `layout`. INVALID_ARGUMENT (BAD_ARCHIVE).
absl::Status ConvertDockerArchive(const std::map<std::string, DockerFile>& files,
                                  const OciLayout& layout);

// The file manifest.json for one image whose blobs are under blobs/sha256/, with which an
// oci-archive is Docker's too.
std::string DockerManifestJson(const Content& content, const std::string& name);

}  // namespace vx::image
