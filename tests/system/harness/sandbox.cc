#include "tests/system/harness/sandbox.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/file.h"
#include "daemon/base/unique_fd.h"

namespace vx::system_test {
namespace {

std::string Failed(const char* what) { return absl::StrCat(what, ": ", strerror(errno)); }

std::string LoopbackUp() {
  UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  return ioctl(socket.get(), SIOCSIFFLAGS, &request) < 0 ? Failed("bring lo up") : "";
}

// A copy of the host's groups with ours, in a file that lives as long as its
// mount.
std::string AddGroup() {
  absl::StatusOr<std::string> groups = ReadFile("/etc/group");
  if (!groups.ok()) return std::string(groups.status().message());
  std::string text;
  for (absl::string_view line : absl::StrSplit(*groups, '\n', absl::SkipEmpty())) {
    if (!absl::StartsWith(line, "vx:")) absl::StrAppend(&text, line, "\n");
  }
  absl::StrAppend(&text, "vx:x:", kVxGroup, ":\n");
  std::string path = absl::StrCat("/tmp/vx-test-group-", getpid());
  if (absl::Status s = WriteFileAtomic(path, text, 0644); !s.ok()) return std::string(s.message());
  int result = mount(path.c_str(), "/etc/group", nullptr, MS_BIND, nullptr);
  std::string problem = result < 0 ? Failed("mount over /etc/group") : "";
  unlink(path.c_str());
  return problem;
}

}  // namespace

std::string EnterSandbox() {
  if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0) return Failed("unshare");
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0)
    return Failed("make / private");
  std::string problem = LoopbackUp();
  return problem.empty() ? AddGroup() : problem;
}

}  // namespace vx::system_test
