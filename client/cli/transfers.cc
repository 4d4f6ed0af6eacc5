#include "client/cli/transfers.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <functional>
#include <memory>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "client/cli/context.h"
#include "client/cli/errors.h"
#include "client/cli/signal_watcher.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/ids.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/subprocess.h"

namespace vx::cli {
namespace {

constexpr size_t kPiece = size_t{1} << 20;
using Words = std::vector<std::string>;

bool IsFolder(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

// A device or a pipe, which can be written to but not replaced.
bool IsSpecial(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode);
}

// Up to a piece; empty at the end.
absl::StatusOr<std::string> ReadPiece(int fd, const std::string& name) {
  std::string piece(kPiece, '\0');
  ssize_t got = 0;
  do {
    got = read(fd, piece.data(), piece.size());
  } while (got < 0 && errno == EINTR);
  if (got < 0) return ErrnoError(errno, absl::StrCat("read ", name));
  piece.resize(static_cast<size_t>(got));
  return piece;
}

// A tar that reads from us or writes to us.
class Tar {
 public:
  // `end` is its side of the pipe: STDIN_FILENO or STDOUT_FILENO.
  static absl::StatusOr<Tar> Start(const Words& argv, int end) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoError(errno, "make a pipe");
    UniqueFd reads(ends[0]), writes(ends[1]);
    SpawnOptions options;
    options.argv = argv;
    UniqueFd& its = end == STDIN_FILENO ? reads : writes;
    options.fds = {{its.get(), end}, {STDERR_FILENO, STDERR_FILENO}};
    VX_ASSIGN_OR_RETURN(pid_t pid, Spawn(options));
    return Tar(pid, std::move(end == STDIN_FILENO ? writes : reads));
  }

  int fd() const { return fd_.get(); }

  absl::Status Wait() {
    fd_.reset();
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
    return Error(absl::StatusCode::kUnknown, "TAR_FAILED", "tar has failed");
  }

 private:
  Tar(pid_t pid, UniqueFd fd) : pid_(pid), fd_(std::move(fd)) {}

  pid_t pid_;
  UniqueFd fd_;
};

absl::StatusOr<v1::Operation> ImportFrom(
    client::Connection& connection, const std::string& name,
    const std::function<absl::StatusOr<std::string>()>& next) {
  v1::ImportImageRequest::Header header;
  header.set_name(name);
  VX_ASSIGN_OR_RETURN(auto response, connection.ImportImage(std::move(header), next));
  return std::move(*response.mutable_operation());
}

// An OCI layout.
absl::StatusOr<v1::Operation> ImportFolder(client::Connection& connection,
                                           const std::string& folder, const std::string& name) {
  VX_ASSIGN_OR_RETURN(Tar tar, Tar::Start({"tar", "-c", "-C", folder, "-f", "-", "."},
                                          STDOUT_FILENO));
  auto operation = ImportFrom(connection, name, [&] { return ReadPiece(tar.fd(), folder); });
  absl::Status ended = tar.Wait();
  if (operation.ok() && !ended.ok()) return ended;
  return operation;
}

// What writes all of it to a descriptor.
using Source = std::function<absl::Status(int fd)>;

template <typename Response>
absl::Status Receive(std::unique_ptr<client::Stream<Response>> pieces, int fd) {
  Response response;
  while (pieces->Read(&response)) VX_RETURN_IF_ERROR(WriteAll(fd, response.data()));
  return pieces->Finish();
}

// To the file whole or not at all; "-" is stdout.
absl::Status WriteWhole(const std::string& file, mode_t mode, const Source& source) {
  if (file.empty()) return UsageError("where to?", "give -o FILE, or -o - for stdout");
  if (file == "-") {
    if (isatty(STDOUT_FILENO) == 0) return source(STDOUT_FILENO);
    return UsageError("this is nothing for a terminal", "write it to a file with -o FILE");
  }
  if (IsSpecial(file)) {
    VX_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(file, O_WRONLY));
    return source(fd.get());
  }
  std::string partial = absl::StrCat(file, ".", RandomHex(8), ".part");
  VX_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(partial, O_WRONLY | O_CREAT | O_EXCL, mode));
  absl::Cleanup remove = [&] { unlink(partial.c_str()); };
  SignalWatcher watcher([&](int signal) {
    unlink(partial.c_str());
    _exit(128 + signal);
  });
  VX_RETURN_IF_ERROR(source(fd.get()));
  if (rename(partial.c_str(), file.c_str()) != 0) {
    return ErrnoError(errno, absl::StrCat("write ", file));
  }
  std::move(remove).Cancel();
  return absl::OkStatus();
}

// Empty: stdin.
absl::StatusOr<UniqueFd> OpenSource(const std::string& file) {
  if (file == "-") return UniqueFd();
  return OpenFile(file, O_RDONLY);
}

}  // namespace

absl::StatusOr<v1::Operation> ImportImage(client::Connection& connection, const std::string& file,
                                          const std::string& name) {
  if (IsFolder(file)) return ImportFolder(connection, file, name);
  VX_ASSIGN_OR_RETURN(UniqueFd opened, OpenSource(file));
  int fd = opened.valid() ? opened.get() : STDIN_FILENO;
  return ImportFrom(connection, name, [&] { return ReadPiece(fd, file); });
}

absl::Status ExportImageToFolder(client::Connection& connection, const std::string& name,
                                 const std::string& folder) {
  if (folder.empty()) return UsageError("where to?", "give -o FOLDER, which is made");
  if (mkdir(folder.c_str(), 0755) != 0) return ErrnoError(errno, absl::StrCat("make ", folder));
  v1::ExportImageRequest request;
  request.set_name(name);
  VX_ASSIGN_OR_RETURN(Tar tar, Tar::Start({"tar", "-x", "-C", folder, "-f", "-"}, STDIN_FILENO));
  absl::Status received = Receive(connection.ExportImage(request), tar.fd());
  absl::Status ended = tar.Wait();
  received.Update(ended);
  if (!received.ok()) RemoveTree(folder).IgnoreError();
  return received;
}

absl::Status ExportImage(client::Connection& connection, const std::string& name,
                         const std::string& file) {
  return WriteWhole(file, 0644, [&](int fd) {
    v1::ExportImageRequest request;
    request.set_name(name);
    return Receive(connection.ExportImage(request), fd);
  });
}

absl::Status BackupInventory(client::Connection& connection, const std::string& file) {
  return WriteWhole(file, 0600, [&](int fd) { return Receive(connection.BackupInventory(), fd); });
}

absl::StatusOr<int> RestoreInventory(client::Connection& connection, const std::string& file,
                                     bool force) {
  VX_ASSIGN_OR_RETURN(UniqueFd opened, OpenSource(file));
  int fd = opened.valid() ? opened.get() : STDIN_FILENO;
  VX_ASSIGN_OR_RETURN(auto response,
                      connection.RestoreInventory(force, [&] { return ReadPiece(fd, file); }));
  return response.workloads();
}

}  // namespace vx::cli
