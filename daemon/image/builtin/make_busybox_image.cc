// make_busybox_image BUSYBOX OUT.tar
//
// Makes the built-in image: one layer with a static busybox, a link for each of its
// programs, and the few files and folders that programs expect. An oci-archive;
// the same busybox always makes the same bytes.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/subprocess.h"
#include "daemon/image/archive.h"
#include "daemon/image/digest.h"
#include "daemon/image/oci_archive.h"

namespace vx::image {
namespace {

constexpr char kPath[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr char kPasswd[] =
    "root:x:0:0:root:/root:/bin/sh\n"
    "daemon:x:1:1:daemon:/:/bin/false\n"
    "nobody:x:65534:65534:nobody:/:/bin/false\n";
constexpr char kGroup[] = "root:x:0:\ndaemon:x:1:\ntty:x:5:\nusers:x:100:\nnogroup:x:65534:\n";
constexpr char kHosts[] = "127.0.0.1\tlocalhost\n::1\tlocalhost\n";

struct Folder {
  const char* name;
  int mode;
};
constexpr Folder kFolders[] = {
    {"bin/", 0755},     {"dev/", 0755},     {"etc/", 0755},     {"home/", 0755},     {"mnt/", 0755},
    {"proc/", 0555},    {"root/", 0700},    {"run/", 0755},     {"sbin/", 0755},     {"sys/", 0555},
    {"tmp/", 01777},    {"usr/", 0755},     {"usr/bin/", 0755}, {"usr/sbin/", 0755}, {"var/", 0755},
    {"var/log/", 0755}, {"var/tmp/", 01777}};

// Paths of busybox's programs, without the leading slash.
absl::StatusOr<std::set<std::string>> Programs(const std::string& busybox) {
  VX_ASSIGN_OR_RETURN(std::string list, RunCommandOk({busybox, "--list-full"}));
  std::set<std::string> programs = absl::StrSplit(list, '\n', absl::SkipEmpty());
  programs.erase("bin/busybox");
  if (programs.count("bin/sh") == 0) return absl::NotFoundError("busybox has no bin/sh");
  return programs;
}

absl::StatusOr<std::string> MakeLayer(const std::string& busybox, int64_t mtime) {
  VX_ASSIGN_OR_RETURN(std::set<std::string> programs, Programs(busybox));
  std::string layer;
  TarWriter tar(
      [&](absl::string_view piece) {
        absl::StrAppend(&layer, piece);
        return absl::OkStatus();
      },
      mtime);
  for (const Folder& folder : kFolders) VX_RETURN_IF_ERROR(tar.AddDir(folder.name, folder.mode));
  VX_RETURN_IF_ERROR(tar.AddFileFrom("bin/busybox", 0755, busybox));
  for (const std::string& program : programs) {
    VX_RETURN_IF_ERROR(tar.AddSymlink(program, "/bin/busybox"));
  }
  VX_RETURN_IF_ERROR(tar.AddFile("etc/group", 0644, kGroup));
  VX_RETURN_IF_ERROR(tar.AddFile("etc/hosts", 0644, kHosts));
  VX_RETURN_IF_ERROR(tar.AddFile("etc/passwd", 0644, kPasswd));
  VX_RETURN_IF_ERROR(tar.Finish());
  return layer;
}

// Puts the text into the layout.
absl::StatusOr<Descriptor> AddBlob(const OciLayout& layout, const std::string& text,
                                   const char* media_type) {
  Descriptor descriptor;
  descriptor.media_type = media_type;
  descriptor.digest = DigestOf(text);
  descriptor.size = text.size();
  VX_RETURN_IF_ERROR(WriteFileAtomic(layout.BlobPath(descriptor.digest), text, 0644));
  return descriptor;
}

absl::StatusOr<Content> MakeContent(const std::string& busybox, const OciLayout& layout) {
  struct stat st;
  if (stat(busybox.c_str(), &st) < 0) return ErrnoError(errno, absl::StrCat("stat ", busybox));
  VX_ASSIGN_OR_RETURN(std::string layer, MakeLayer(busybox, st.st_mtime));
  Content content;
  content.config.platform = HostPlatform();
  content.config.created =
      absl::FormatTime(absl::RFC3339_sec, absl::FromUnixSeconds(st.st_mtime), absl::UTCTimeZone());
  content.config.diff_ids = {DigestOf(layer)};
  content.config.config.add_command("sh");
  content.config.config.add_env(kPath);
  VX_ASSIGN_OR_RETURN(Descriptor blob, AddBlob(layout, layer, kOciLayer));
  content.manifest.layers.push_back(std::move(blob));
  VX_ASSIGN_OR_RETURN(content.manifest.config,
                      AddBlob(layout, ConfigJson(content.config), kOciConfig));
  VX_ASSIGN_OR_RETURN(content.descriptor,
                      AddBlob(layout, ManifestJson(content.manifest), kOciManifest));
  return content;
}

absl::Status WriteArchive(const Content& content, const OciLayout& layout, const std::string& out) {
  UniqueFd fd(open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("create ", out));
  return WriteOciArchive(content, "busybox:latest", layout, [&](absl::string_view piece) {
    ssize_t size = piece.size();
    if (write(fd.get(), piece.data(), piece.size()) == size) return absl::OkStatus();
    return ErrnoError(errno, absl::StrCat("write ", out));
  });
}

absl::Status Run(const std::string& busybox, const std::string& out) {
  OciLayout layout(absl::StrCat(out, ".layout"));
  auto remove = absl::MakeCleanup([&] { RemoveTree(layout.dir()).IgnoreError(); });
  VX_RETURN_IF_ERROR(RemoveTree(layout.dir()));
  VX_RETURN_IF_ERROR(MakeDirs(layout.BlobDir(), 0755));
  VX_ASSIGN_OR_RETURN(Content content, MakeContent(busybox, layout));
  return WriteArchive(content, layout, out);
}

}  // namespace
}  // namespace vx::image

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: make_busybox_image BUSYBOX OUT.tar\n");
    return 2;
  }
  absl::Status status = vx::image::Run(argv[1], argv[2]);
  if (status.ok()) return 0;
  fprintf(stderr, "make_busybox_image: %s\n", std::string(status.message()).c_str());
  unlink(argv[2]);
  return 1;
}
