#include "daemon/image/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/image/archive.h"
#include "daemon/image/overlay_marks.h"
#include "daemon/image/root_dir.h"

namespace vx::image {
namespace {

constexpr char kWhiteout[] = ".wh.";
constexpr char kOpaque[] = ".wh..wh..opq";
// Other marks of aufs, which mean nothing here.
constexpr char kAufsPrefix[] = ".wh..wh.";
// What an entry costs beside its content: an inode, and its name in a folder.
constexpr int64_t kEntryCost = 4096;
// They are kept in memory.
constexpr size_t kMaxFolderEntries = 1'000'000;

// Where an entry goes.
struct Place {
  std::string path;  // for errors
  int folder = -1;   // borrowed
  std::string leaf;
};

absl::Status Failed(absl::string_view what, const Place& place) {
  return ErrnoError(errno, absl::StrCat(what, " \"", place.path, "\" of the layer"));
}

timespec TimeOf(archive_entry* entry) {
  return {archive_entry_mtime(entry), archive_entry_mtime_nsec(entry)};
}

bool IsWantedXattr(absl::string_view name) {
  if (name == "security.capability") return true;
  return absl::StartsWith(name, "user.") && !absl::StartsWith(name, "user.overlay.");
}

class Unpacker {
 public:
  Unpacker(ByteSource& tar, RootDir root, Budget& files)
      : reader_(&tar), root_(std::move(root)), files_(files), is_root_(geteuid() == 0) {}

  absl::Status Run();

 private:
  // Modes and times of folders are set last: what is put into them later would
  // change the one and might be kept out by the other.
  struct LateFolder {
    std::string path;
    mode_t mode;
    timespec mtime;
  };

  absl::Status Unpack(archive_entry* entry);
  absl::Status Make(archive_entry* entry, const Place& place);
  absl::Status Mark(const Place& place);
  absl::Status MakeDir(archive_entry* entry, const Place& place);
  absl::Status MakeFile(archive_entry* entry, const Place& place);
  absl::Status WriteContent(int fd, int64_t size, const Place& place);
  absl::Status WriteAt(int fd, TarReader::Piece piece, const Place& place);
  absl::Status MakeSymlink(archive_entry* entry, const Place& place);
  absl::Status MakeHardlink(const char* target, const Place& place);
  absl::Status MakeFifo(archive_entry* entry, const Place& place);
  // Takes away what an earlier entry of that name made.
  absl::Status ClearWay(const Place& place);
  absl::Status SetOwner(archive_entry* entry, const Place& place);
  absl::Status SetXattrs(archive_entry* entry, int fd, const Place& place);
  absl::Status FinishFolders();
  absl::Status FinishFolder(const LateFolder& late);

  TarReader reader_;
  RootDir root_;
  Budget& files_;
  const bool is_root_;
  std::vector<LateFolder> folders_;
};

absl::Status Unpacker::Run() {
  while (true) {
    VX_ASSIGN_OR_RETURN(archive_entry * entry, reader_.Next());
    if (entry == nullptr) return FinishFolders();
    VX_RETURN_IF_ERROR(Unpack(entry));
  }
}

absl::Status Unpacker::Unpack(archive_entry* entry) {
  const char* name = archive_entry_pathname(entry);
  if (name == nullptr) return BadArchive("an entry of the layer has no readable name");
  VX_RETURN_IF_ERROR(files_.Spend(kEntryCost));
  Place place;
  VX_ASSIGN_OR_RETURN(place.path, CleanPath(name));
  auto [folder, leaf] = Split(place.path);
  VX_ASSIGN_OR_RETURN(place.folder, root_.MakeFolder(folder));
  place.leaf = leaf.empty() ? std::string(".") : leaf;
  if (absl::StartsWith(leaf, kWhiteout)) return Mark(place);
  return Make(entry, place);
}

absl::Status Unpacker::Make(archive_entry* entry, const Place& place) {
  if (const char* target = archive_entry_hardlink(entry)) return MakeHardlink(target, place);
  switch (archive_entry_filetype(entry)) {
    case AE_IFDIR:
      return MakeDir(entry, place);
    case AE_IFREG:
      return MakeFile(entry, place);
    case AE_IFLNK:
      return MakeSymlink(entry, place);
    case AE_IFIFO:
      return MakeFifo(entry, place);
    default:
      return absl::OkStatus();  // devices and sockets
  }
}

absl::Status Unpacker::Mark(const Place& place) {
  if (place.leaf == kOpaque) return SetOpaque(place.folder);
  if (absl::StartsWith(place.leaf, kAufsPrefix)) return absl::OkStatus();
  std::string hidden(absl::StripPrefix(place.leaf, kWhiteout));
  if (hidden.empty() || hidden == "." || hidden == "..") {
    return BadArchive(absl::StrCat("the layer's whiteout \"", place.path, "\" names nothing"));
  }
  // A whiteout hides what is below, never what its own layer brings.
  struct stat st;
  if (fstatat(place.folder, hidden.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0) {
    if (mknodat(place.folder, hidden.c_str(), S_IFCHR, makedev(0, 0)) == 0) {
      return absl::OkStatus();
    }
    return Failed("make the whiteout", place);
  }
  if (!S_ISDIR(st.st_mode)) return absl::OkStatus();
  UniqueFd fd(
      openat(place.folder, hidden.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return Failed("open", place);
  return SetOpaque(fd.get());
}

absl::Status Unpacker::ClearWay(const Place& place) {
  struct stat st;
  if (fstatat(place.folder, place.leaf.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0) {
    return errno == ENOENT ? absl::OkStatus() : Failed("stat", place);
  }
  if (place.leaf == ".") return BadArchive("the layer's root is no folder");
  // Not by its path: a link in it would be followed out of the root.
  VX_RETURN_IF_ERROR(RemoveTree(absl::StrCat("/proc/self/fd/", place.folder, "/", place.leaf)));
  if (S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode)) root_.Forget();
  return absl::OkStatus();
}

absl::Status Unpacker::SetOwner(archive_entry* entry, const Place& place) {
  if (!is_root_) return absl::OkStatus();
  if (fchownat(place.folder, place.leaf.c_str(), archive_entry_uid(entry), archive_entry_gid(entry),
               AT_SYMLINK_NOFOLLOW) == 0) {
    return absl::OkStatus();
  }
  return Failed("set the owner of", place);
}

absl::Status Unpacker::SetXattrs(archive_entry* entry, int fd, const Place& place) {
  const char* name;
  const void* value;
  size_t size;
  archive_entry_xattr_reset(entry);
  while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
    if (name == nullptr || !IsWantedXattr(name)) continue;
    if (fsetxattr(fd, name, value, size, 0) == 0) continue;
    if (errno == EPERM && !is_root_) continue;
    return Failed(absl::StrCat("set the attribute ", name, " of"), place);
  }
  return absl::OkStatus();
}

absl::Status Unpacker::MakeDir(archive_entry* entry, const Place& place) {
  struct stat st;
  bool there = fstatat(place.folder, place.leaf.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0;
  if (!there || !S_ISDIR(st.st_mode)) {
    VX_RETURN_IF_ERROR(ClearWay(place));
    if (mkdirat(place.folder, place.leaf.c_str(), 0700) < 0) return Failed("mkdir", place);
  }
  VX_RETURN_IF_ERROR(SetOwner(entry, place));
  UniqueFd fd(
      openat(place.folder, place.leaf.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return Failed("open", place);
  if (there && IsWhiteout(st)) VX_RETURN_IF_ERROR(SetOpaque(fd.get()));
  if (folders_.size() >= kMaxFolderEntries) {
    return BadArchive("the layer lists more than a million folders");
  }
  folders_.push_back({place.path, archive_entry_perm(entry), TimeOf(entry)});
  return SetXattrs(entry, fd.get(), place);
}

absl::Status Unpacker::MakeFile(archive_entry* entry, const Place& place) {
  VX_RETURN_IF_ERROR(files_.Spend(archive_entry_size(entry)));
  VX_RETURN_IF_ERROR(ClearWay(place));
  UniqueFd fd(openat(place.folder, place.leaf.c_str(),
                     O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid()) return Failed("create", place);
  VX_RETURN_IF_ERROR(WriteContent(fd.get(), archive_entry_size(entry), place));
  // The owner first: changing it takes setuid bits and capabilities away.
  VX_RETURN_IF_ERROR(SetOwner(entry, place));
  if (fchmod(fd.get(), archive_entry_perm(entry)) < 0) return Failed("set the mode of", place);
  VX_RETURN_IF_ERROR(SetXattrs(entry, fd.get(), place));
  timespec times[2] = {TimeOf(entry), TimeOf(entry)};
  return futimens(fd.get(), times) == 0 ? absl::OkStatus() : Failed("set the time of", place);
}

absl::Status Unpacker::WriteContent(int fd, int64_t size, const Place& place) {
  int64_t end = 0;
  while (true) {
    VX_ASSIGN_OR_RETURN(TarReader::Piece piece, reader_.Read());
    if (piece.data.empty()) break;
    int64_t length = piece.data.size();
    if (piece.offset < 0 || piece.offset > size - length) {
      return BadArchive(
          absl::StrCat("the layer's file \"", place.path, "\" is longer than it says"));
    }
    VX_RETURN_IF_ERROR(WriteAt(fd, piece, place));
    end = piece.offset + length;
  }
  // A hole at the end.
  if (end < size && ftruncate(fd, size) < 0) return Failed("write", place);
  return absl::OkStatus();
}

absl::Status Unpacker::WriteAt(int fd, TarReader::Piece piece, const Place& place) {
  while (!piece.data.empty()) {
    ssize_t n = pwrite(fd, piece.data.data(), piece.data.size(), piece.offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed("write", place);
    piece.data.remove_prefix(n);
    piece.offset += n;
  }
  return absl::OkStatus();
}

absl::Status Unpacker::MakeSymlink(archive_entry* entry, const Place& place) {
  const char* target = archive_entry_symlink(entry);
  if (target == nullptr || *target == '\0') {
    return BadArchive(absl::StrCat("the layer's link \"", place.path, "\" has no target"));
  }
  VX_RETURN_IF_ERROR(ClearWay(place));
  if (symlinkat(target, place.folder, place.leaf.c_str()) < 0)
    return Failed("make the link", place);
  VX_RETURN_IF_ERROR(SetOwner(entry, place));
  timespec times[2] = {TimeOf(entry), TimeOf(entry)};
  utimensat(place.folder, place.leaf.c_str(), times, AT_SYMLINK_NOFOLLOW);
  return absl::OkStatus();
}

absl::Status Unpacker::MakeHardlink(const char* target, const Place& place) {
  VX_ASSIGN_OR_RETURN(std::string clean, CleanPath(target));
  auto [folder, leaf] = Split(clean);
  absl::StatusOr<UniqueFd> from = root_.OpenFolder(folder);
  struct stat st;
  if (!from.ok() || fstatat(from->get(), leaf.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0 ||
      S_ISDIR(st.st_mode) || IsWhiteout(st)) {
    return BadArchive(absl::StrCat("the layer's hard link \"", place.path, "\" is to \"", target,
                                   "\", which is no file of the layer"));
  }
  if (clean == place.path) return absl::OkStatus();
  VX_RETURN_IF_ERROR(ClearWay(place));
  if (linkat(from->get(), leaf.c_str(), place.folder, place.leaf.c_str(), 0) == 0) {
    return absl::OkStatus();
  }
  return Failed("make the hard link", place);
}

absl::Status Unpacker::MakeFifo(archive_entry* entry, const Place& place) {
  VX_RETURN_IF_ERROR(ClearWay(place));
  if (mkfifoat(place.folder, place.leaf.c_str(), 0600) < 0) return Failed("make the fifo", place);
  VX_RETURN_IF_ERROR(SetOwner(entry, place));
  if (fchmodat(place.folder, place.leaf.c_str(), archive_entry_perm(entry), 0) == 0) {
    return absl::OkStatus();
  }
  return Failed("set the mode of", place);
}

// The other way round, so that a folder is done after what is in it.
absl::Status Unpacker::FinishFolders() {
  root_.Forget();
  for (auto late = folders_.rbegin(); late != folders_.rend(); ++late) {
    VX_RETURN_IF_ERROR(FinishFolder(*late));
  }
  return absl::OkStatus();
}

absl::Status Unpacker::FinishFolder(const LateFolder& late) {
  auto [folder, leaf] = Split(late.path);
  absl::StatusOr<UniqueFd> parent = root_.OpenFolder(folder);
  if (!parent.ok()) return absl::OkStatus();  // a later entry replaced it
  UniqueFd fd(openat(parent->get(), leaf.empty() ? "." : leaf.c_str(),
                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return absl::OkStatus();
  Place place = {late.path, parent->get(), leaf};
  if (fchmod(fd.get(), late.mode) < 0) return Failed("set the mode of", place);
  timespec times[2] = {late.mtime, late.mtime};
  return futimens(fd.get(), times) == 0 ? absl::OkStatus() : Failed("set the time of", place);
}

}  // namespace

absl::Status UnpackLayer(ByteSource& tar, const std::string& dir, Budget& files) {
  BlockSource blocks(&tar);
  VX_ASSIGN_OR_RETURN(RootDir root, RootDir::Open(dir));
  return Unpacker(blocks, std::move(root), files).Run();
}

}  // namespace vx::image
