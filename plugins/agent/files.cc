#include "plugins/agent/files.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace vx::agent {
namespace {

struct Free {
  void operator()(archive* a) const { archive_free(a); }
  void operator()(archive_entry* e) const { archive_entry_free(e); }
};
using Archive = std::unique_ptr<archive, Free>;
using Entry = std::unique_ptr<archive_entry, Free>;

constexpr size_t kBlock = 64 * 1024;

int Complain(const std::string& what, const char* why) {
  dprintf(STDERR_FILENO, "%s: %s\n", what.c_str(), why);
  return 1;
}

// Of "/etc/": "/etc"; of "/": "/".
std::string WithoutSlashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

// Sends what is in the file at the cursor of `disk`; false when it can't be read.
bool SendContent(archive* disk, archive* out) {
  static const char zeros[kBlock] = {};
  const void* block = nullptr;
  size_t size = 0;
  la_int64_t offset = 0, sent = 0;
  int result;
  while ((result = archive_read_data_block(disk, &block, &size, &offset)) == ARCHIVE_OK) {
    while (sent < offset) {  // a hole
      const la_int64_t part = std::min<la_int64_t>(kBlock, offset - sent);
      if (archive_write_data(out, zeros, static_cast<size_t>(part)) < 0) return false;
      sent += part;
    }
    if (archive_write_data(out, block, size) < 0) return false;
    sent += static_cast<la_int64_t>(size);
  }
  return result == ARCHIVE_EOF;
}

int SendEntry(archive* disk, archive* out, archive_entry* entry, size_t prefix) {
  const std::string path = archive_entry_sourcepath(entry);
  const std::string name = path.size() > prefix ? path.substr(prefix) : ".";
  archive_entry_set_pathname(entry, name.c_str());
  archive_entry_set_hardlink(entry, nullptr);
  if (archive_write_header(out, entry) < ARCHIVE_WARN) return Complain(path, archive_error_string(out));
  if (archive_entry_size(entry) > 0 && !SendContent(disk, out)) {
    return Complain(path, archive_error_string(disk));
  }
  return 0;
}

}  // namespace

int SendTree(const std::string& given) {
  const std::string path = WithoutSlashes(given);
  const Archive disk(archive_read_disk_new()), out(archive_write_new());
  archive_read_disk_set_symlink_physical(disk.get());
  archive_read_disk_set_behavior(disk.get(), ARCHIVE_READDISK_NO_TRAVERSE_MOUNTS);
  archive_write_set_format_pax_restricted(out.get());
  archive_write_set_bytes_in_last_block(out.get(), 1);
  if (archive_write_open_fd(out.get(), STDOUT_FILENO) != ARCHIVE_OK) return 1;
  if (archive_read_disk_open(disk.get(), path.c_str()) != ARCHIVE_OK) {
    return Complain(path, archive_error_string(disk.get()));
  }
  const size_t prefix = path.rfind('/') + 1;
  int failed = 0;
  while (true) {
    const Entry entry(archive_entry_new());
    const int result = archive_read_next_header2(disk.get(), entry.get());
    if (result == ARCHIVE_EOF) break;
    if (result < ARCHIVE_WARN) {
      failed = Complain(path, archive_error_string(disk.get()));
      break;
    }
    archive_read_disk_descend(disk.get());
    failed |= SendEntry(disk.get(), out.get(), entry.get(), prefix);
  }
  return archive_write_close(out.get()) == ARCHIVE_OK ? failed : 1;
}

int ReceiveTree(const std::string& path) {
  // Whatever links there are, they lead nowhere else from here.
  if (chroot(path.c_str()) < 0 || chdir("/") < 0) return Complain(path, strerror(errno));
  const Archive in(archive_read_new()), disk(archive_write_disk_new());
  archive_read_support_format_tar(in.get());
  archive_read_support_format_empty(in.get());
  archive_write_disk_set_options(
      disk.get(), ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME |
                      ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_SECURE_NODOTDOT |
                      ARCHIVE_EXTRACT_UNLINK);
  if (archive_read_open_fd(in.get(), STDIN_FILENO, kBlock) != ARCHIVE_OK) {
    return Complain(path, archive_error_string(in.get()));
  }
  int failed = 0;
  archive_entry* entry = nullptr;
  int result;
  while ((result = archive_read_next_header(in.get(), &entry)) != ARCHIVE_EOF) {
    if (result < ARCHIVE_WARN) return Complain(path, archive_error_string(in.get()));
    if (archive_read_extract2(in.get(), entry, disk.get()) < ARCHIVE_WARN) {
      failed = Complain(archive_entry_pathname(entry), archive_error_string(in.get()));
    }
  }
  return archive_write_close(disk.get()) < ARCHIVE_WARN ? 1 : failed;
}

}  // namespace vx::agent
