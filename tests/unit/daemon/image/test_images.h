// Makes images, sound and broken ones, for the tests of daemon/image.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "daemon/image/byte_source.h"
#include "daemon/image/oci_json.h"

struct archive;
struct archive_entry;

namespace vx::image {

// A folder that goes with the test.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(absl::string_view name) const;

 private:
  std::string path_;
};

enum class Packing { kPlain, kGzip, kZstd };

// A tar in memory, with whatever entries, however wrong.
class TestTar {
 public:
  explicit TestTar(Packing packing = Packing::kPlain);
  ~TestTar();
  TestTar(const TestTar&) = delete;

  TestTar& Dir(const std::string& name, int mode = 0755);
  TestTar& File(const std::string& name, const std::string& content, int mode = 0644);
  TestTar& Symlink(const std::string& name, const std::string& target);
  TestTar& Hardlink(const std::string& name, const std::string& target);
  TestTar& Device(const std::string& name, int64_t major, int64_t minor);
  TestTar& Fifo(const std::string& name);
  // These hold for what is added after them.
  TestTar& Owner(int uid, int gid);
  TestTar& Xattr(const std::string& name, const std::string& value);

  // Ends it.
  std::string Bytes();

 private:
  void Add(const std::string& name, int type, int mode, const std::string& content,
           archive_entry* entry);
  archive_entry* NewEntry();

  std::string bytes_;
  archive* archive_;
  int uid_ = 0;
  int gid_ = 0;
  std::map<std::string, std::string> xattrs_;
};

inline constexpr int64_t kTestTime = 1'600'000'000;

// What gunzip or unzstd makes of it.
std::string Unpacked(const std::string& bytes);

// The files of an oci-archive, to be put together, tampered with and written.
class TestImage {
 public:
  // Adds a layer as a blob; `blob` may be compressed.
  TestImage& Layer(const std::string& blob);
  v1::ImageConfig& config() { return config_; }
  Platform& platform() { return platform_; }

  // Writes config and manifest into `files`; returns the manifest's descriptor.
  Descriptor AddTo(std::map<std::string, std::string>& files) const;
  // All files of an archive that calls it `name` (not at all when it is empty).
  std::map<std::string, std::string> Files(const std::string& name) const;

 private:
  std::vector<std::string> blobs_;
  v1::ImageConfig config_;
  Platform platform_ = HostPlatform();
};

std::string BlobName(const std::string& digest);

// An image of one layer with /bin/sh, /etc/motd and a link.
TestImage SmallImage(const std::string& motd = "hello\n");

std::string TarOf(const std::map<std::string, std::string>& files,
                  Packing packing = Packing::kPlain);
void WriteTo(const std::string& path, const std::string& bytes);
std::string ReadAll(const std::string& path);
// A path's own state, links not followed; mode 0 when it isn't there.
struct stat StatOf(const std::string& path);

// A stream of a string, in small pieces.
class StringSource : public ByteSource {
 public:
  explicit StringSource(std::string text, size_t piece = 1000)
      : text_(std::move(text)), piece_(piece) {}
  absl::StatusOr<absl::string_view> Next() override;

 private:
  std::string text_;
  size_t piece_;
  size_t offset_ = 0;
};

}  // namespace vx::image
