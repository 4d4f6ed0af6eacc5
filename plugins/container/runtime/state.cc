#include "plugins/container/runtime/state.h"

#include <fcntl.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/status_macros.h"
#include "nlohmann/json.hpp"
#include "plugins/container/runtime/paths.h"

namespace vx::container {
namespace {

using nlohmann::json;

bool IsPlain(const std::string& id) {
  if (id.empty() || id.size() > 255 || id == "." || id == "..") return false;
  return id.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
             "_+-.") == std::string::npos;
}

// Init has the fifo open for as long as it waits there.
bool WaitsForStart(const std::string& dir) {
  const int fd =
      open(absl::StrCat(dir, "/", kStartFifo).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  return UniqueFd(fd).valid();
}

}  // namespace

absl::StatusOr<std::string> StateDir(const std::string& root, const std::string& id) {
  if (!IsPlain(id)) {
    return Error(absl::StatusCode::kInvalidArgument, "BAD_ID",
                 absl::StrCat("\"", id, "\" is no container id"),
                 "use letters, digits and _ + - .");
  }
  return absl::StrCat(root, "/", id);
}

absl::StatusOr<ContainerState> ReadState(const std::string& dir, const std::string& id) {
  auto text = ReadFile(absl::StrCat(dir, "/", kStateFile));
  if (!text.ok()) {
    return Error(absl::StatusCode::kNotFound, "NO_CONTAINER",
                 absl::StrCat("there is no container \"", id, "\""));
  }
  const json state = json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!state.is_object())
    return absl::DataLossError(absl::StrCat(dir, "/", kStateFile, " is broken"));
  ContainerState result;
  result.id = id;
  result.bundle = state.value("bundle", "");
  result.cgroups_path = state.value("cgroupsPath", "");
  result.pid = state.value("pid", 0);
  result.start_ticks = state.value("startTicks", uint64_t{0});
  result.annotations = state.value("annotations", std::map<std::string, std::string>());
  return result;
}

absl::Status WriteState(const std::string& dir, const ContainerState& state) {
  json out = {{"bundle", state.bundle},
              {"cgroupsPath", state.cgroups_path},
              {"pid", state.pid},
              {"startTicks", state.start_ticks}};
  if (!state.annotations.empty()) out["annotations"] = state.annotations;
  return WriteFileAtomic(absl::StrCat(dir, "/", kStateFile), out.dump(), 0600);
}

std::string StatusOf(const std::string& dir, const ContainerState& state) {
  if (ProcessStartTicks(state.pid) != state.start_ticks) return "stopped";
  return WaitsForStart(dir) ? "created" : "running";
}

std::string ToOciState(const std::string& dir, const ContainerState& state) {
  const std::string status = StatusOf(dir, state);
  json out = {{"ociVersion", "1.1.0"},
              {"id", state.id},
              {"status", status},
              {"bundle", state.bundle},
              {"pid", status == "stopped" ? 0 : state.pid}};
  if (!state.annotations.empty()) out["annotations"] = state.annotations;
  return out.dump(2) + "\n";
}

}  // namespace vx::container
