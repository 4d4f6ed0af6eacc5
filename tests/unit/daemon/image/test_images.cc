#include "tests/unit/daemon/image/test_images.h"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "daemon/image/archive.h"
#include "daemon/image/digest.h"
#include "daemon/image/oci_layout.h"

namespace vx::image {
namespace {

la_ssize_t Append(archive*, void* data, const void* buffer, size_t size) {
  static_cast<std::string*>(data)->append(static_cast<const char*>(buffer), size);
  return size;
}

Descriptor AddBlob(std::map<std::string, std::string>& files, const std::string& bytes,
                   const std::string& media_type) {
  Descriptor descriptor;
  descriptor.media_type = media_type;
  descriptor.digest = DigestOf(bytes);
  descriptor.size = bytes.size();
  files[BlobName(descriptor.digest)] = bytes;
  return descriptor;
}

}  // namespace

TempDir::TempDir() {
  std::string path = absl::StrCat(testing::TempDir(), "vx-image-XXXXXX");
  path_ = mkdtemp(path.data());
}

TempDir::~TempDir() { EXPECT_TRUE(RemoveTree(path_).ok()); }

std::string TempDir::operator/(absl::string_view name) const {
  return absl::StrCat(path_, "/", name);
}

TestTar::TestTar(Packing packing) : archive_(archive_write_new()) {
  archive_write_set_format_pax(archive_);
  if (packing == Packing::kGzip) archive_write_add_filter_gzip(archive_);
  if (packing == Packing::kZstd) archive_write_add_filter_zstd(archive_);
  archive_write_set_bytes_in_last_block(archive_, 1);
  archive_write_open(archive_, &bytes_, nullptr, Append, nullptr);
}

TestTar::~TestTar() { archive_write_free(archive_); }

archive_entry* TestTar::NewEntry() { return archive_entry_new(); }

void TestTar::Add(const std::string& name, int type, int mode, const std::string& content,
                  archive_entry* entry) {
  archive_entry_set_pathname(entry, name.c_str());
  archive_entry_set_filetype(entry, type);
  archive_entry_set_perm(entry, mode);
  archive_entry_set_size(entry, content.size());
  archive_entry_set_mtime(entry, kTestTime, 0);
  archive_entry_set_uid(entry, uid_);
  archive_entry_set_gid(entry, gid_);
  for (const auto& [key, value] : xattrs_) {
    archive_entry_xattr_add_entry(entry, key.c_str(), value.data(), value.size());
  }
  EXPECT_EQ(archive_write_header(archive_, entry), ARCHIVE_OK) << archive_error_string(archive_);
  archive_write_data(archive_, content.data(), content.size());
  archive_entry_free(entry);
}

TestTar& TestTar::Dir(const std::string& name, int mode) {
  Add(name, AE_IFDIR, mode, "", NewEntry());
  return *this;
}

TestTar& TestTar::File(const std::string& name, const std::string& content, int mode) {
  Add(name, AE_IFREG, mode, content, NewEntry());
  return *this;
}

TestTar& TestTar::Symlink(const std::string& name, const std::string& target) {
  archive_entry* entry = NewEntry();
  archive_entry_set_symlink(entry, target.c_str());
  Add(name, AE_IFLNK, 0777, "", entry);
  return *this;
}

TestTar& TestTar::Hardlink(const std::string& name, const std::string& target) {
  archive_entry* entry = NewEntry();
  archive_entry_set_hardlink(entry, target.c_str());
  Add(name, AE_IFREG, 0644, "", entry);
  return *this;
}

TestTar& TestTar::Device(const std::string& name, int64_t major, int64_t minor) {
  archive_entry* entry = NewEntry();
  archive_entry_set_rdevmajor(entry, major);
  archive_entry_set_rdevminor(entry, minor);
  Add(name, AE_IFCHR, 0600, "", entry);
  return *this;
}

TestTar& TestTar::Fifo(const std::string& name) {
  Add(name, AE_IFIFO, 0600, "", NewEntry());
  return *this;
}

TestTar& TestTar::Owner(int uid, int gid) {
  uid_ = uid;
  gid_ = gid;
  return *this;
}

TestTar& TestTar::Xattr(const std::string& name, const std::string& value) {
  xattrs_[name] = value;
  return *this;
}

std::string TestTar::Bytes() {
  archive_write_close(archive_);
  return bytes_;
}

std::string Unpacked(const std::string& bytes) {
  StringSource source(bytes);
  DecompressedSource plain(&source);
  std::string out;
  while (true) {
    auto piece = plain.Next();
    EXPECT_TRUE(piece.ok()) << piece.status();
    if (!piece.ok() || piece->empty()) return out;
    absl::StrAppend(&out, *piece);
  }
}

std::string BlobName(const std::string& digest) {
  return absl::StrCat("blobs/sha256/", DigestHex(digest));
}

TestImage& TestImage::Layer(const std::string& blob) {
  blobs_.push_back(blob);
  return *this;
}

Descriptor TestImage::AddTo(std::map<std::string, std::string>& files) const {
  Config config;
  Manifest manifest;
  config.platform = platform_;
  config.config = config_;
  config.created = "2020-01-02T03:04:05Z";
  for (const std::string& blob : blobs_) {
    manifest.layers.push_back(AddBlob(files, blob, kOciLayer));
    config.diff_ids.push_back(DigestOf(Unpacked(blob)));
  }
  manifest.config = AddBlob(files, ConfigJson(config), kOciConfig);
  return AddBlob(files, ManifestJson(manifest), kOciManifest);
}

std::map<std::string, std::string> TestImage::Files(const std::string& name) const {
  std::map<std::string, std::string> files = {{"oci-layout", kLayoutMarker}};
  Descriptor manifest = AddTo(files);
  if (!name.empty()) manifest.annotations[kRefName] = name;
  files["index.json"] = IndexJson({manifest});
  return files;
}

TestImage SmallImage(const std::string& motd) {
  TestImage image;
  image.Layer(TestTar()
                  .Dir("bin")
                  .File("bin/sh", "#!shell\n", 0755)
                  .Dir("etc")
                  .File("etc/motd", motd)
                  .Symlink("bin/ash", "sh")
                  .Bytes());
  image.config().add_command("sh");
  image.config().add_env("PATH=/bin");
  return image;
}

std::string TarOf(const std::map<std::string, std::string>& files, Packing packing) {
  TestTar tar(packing);
  for (const auto& [name, content] : files) tar.File(name, content);
  return tar.Bytes();
}

void WriteTo(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << bytes;
  out.close();
  ASSERT_TRUE(out.good()) << path;
}

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

struct stat StatOf(const std::string& path) {
  struct stat st = {};
  if (lstat(path.c_str(), &st) < 0) st = {};
  return st;
}

absl::StatusOr<absl::string_view> StringSource::Next() {
  absl::string_view piece = absl::string_view(text_).substr(offset_, piece_);
  offset_ += piece.size();
  return piece;
}

}  // namespace vx::image
