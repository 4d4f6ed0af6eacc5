#include "daemon/image/oci_archive.h"

#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/base/status_macros.h"
#include "daemon/image/digest.h"
#include "daemon/image/docker_archive.h"

namespace vx::image {

absl::Status WriteOciArchive(const Content& content, const std::string& name,
                             const OciLayout& layout, TarWriter::Sink sink) {
  Descriptor manifest = content.descriptor;
  manifest.annotations = {{kRefName, name}};
  manifest.platform = content.config.platform;
  std::vector<std::string> blobs = content.Blobs();
  TarWriter tar(std::move(sink), /*mtime=*/0);
  VX_RETURN_IF_ERROR(tar.AddFile("oci-layout", 0644, kLayoutMarker));
  VX_RETURN_IF_ERROR(tar.AddFile("index.json", 0644, IndexJson({manifest})));
  VX_RETURN_IF_ERROR(
      tar.AddFile(kDockerManifestFile, 0644, DockerManifestJson(content, name)));
  VX_RETURN_IF_ERROR(tar.AddDir("blobs/", 0755));
  VX_RETURN_IF_ERROR(tar.AddDir("blobs/sha256/", 0755));
  for (const std::string& digest : std::set<std::string>(blobs.begin(), blobs.end())) {
    std::string entry = absl::StrCat("blobs/sha256/", DigestHex(digest));
    VX_RETURN_IF_ERROR(tar.AddFileFrom(entry, 0644, layout.BlobPath(digest)));
  }
  return tar.Finish();
}

}  // namespace vx::image
