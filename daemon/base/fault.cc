#include "daemon/base/fault.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/error.h"

namespace vx {
namespace {

struct Armed {
  const FaultPoint* point = nullptr;
  std::string action;
  std::atomic<int> left = 1;

  explicit Armed(const char* text) {
    if (text == nullptr) return;
    const std::vector<std::string> halves = absl::StrSplit(text, absl::MaxSplits('=', 1));
    if (halves.size() != 2) return;
    const std::vector<std::string> parts = absl::StrSplit(halves[1], ':');
    action = parts[0];
    int times = 1;
    if (parts.size() == 2 && absl::SimpleAtoi(parts[1], &times)) left = times;
    for (const FaultPoint& known : kFaultPoints) {
      if (known.name == halves[0]) point = &known;
    }
  }
};

[[noreturn]] void HangForEver() {
  while (true) pause();
}

absl::Status Happen(const Armed& armed) {
  if (armed.action == "kill") kill(getpid(), SIGKILL);
  const std::string reached =
      absl::StrCat("fault point ", std::string(armed.point->name), " is reached");
  if (armed.action == "hang") dprintf(STDERR_FILENO, "%s\n", reached.c_str());
  if (armed.action == "kill" || armed.action == "hang") HangForEver();
  return Error(absl::StatusCode::kInternal, "FAULT", reached);
}

}  // namespace

absl::Status AtFaultPoint(const FaultPoint& point) {
  static Armed armed(getenv("VX_FAULT"));
  if (armed.point != &point || armed.left.fetch_sub(1) != 1) return absl::OkStatus();
  return Happen(armed);
}

}  // namespace vx
