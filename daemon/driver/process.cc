// Merges spec and image as Docker does, so that the same image runs the same in
// both kinds.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "daemon/base/signals.h"
#include "daemon/driver/driver.h"

namespace vx::driver {
namespace {

constexpr char kDefaultPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

void SetVariable(std::vector<std::string>& env, const std::string& key, const std::string& value) {
  std::erase_if(env, [&](const std::string& v) { return v.starts_with(absl::StrCat(key, "=")); });
  env.push_back(absl::StrCat(key, "=", value));
}

void SetDefault(std::vector<std::string>& env, const std::string& key, const std::string& value) {
  bool there = std::any_of(env.begin(), env.end(), [&](const std::string& v) {
    return v.starts_with(absl::StrCat(key, "="));
  });
  if (!there) env.push_back(absl::StrCat(key, "=", value));
}

std::vector<std::string> Argv(const v1::WorkloadSpec& spec, const v1::ImageConfig& config) {
  const bool own_entrypoint = spec.entrypoint_size() > 0;
  const auto& entrypoint = own_entrypoint ? spec.entrypoint() : config.entrypoint();
  std::vector<std::string> argv(entrypoint.begin(), entrypoint.end());
  if (argv.size() == 1 && argv[0].empty()) argv.clear();
  const bool use_image_command = spec.command_size() == 0 && !own_entrypoint;
  const auto& command = use_image_command ? config.command() : spec.command();
  argv.insert(argv.end(), command.begin(), command.end());
  return argv;
}

bool IsRoot(const std::string& user) {
  const std::string name = user.substr(0, user.find(':'));
  return name.empty() || name == "0" || name == "root";
}

}  // namespace

absl::Status CheckSources(const v1::Workload& workload, const std::vector<MountSource>& sources) {
  if (sources.size() == static_cast<size_t>(workload.spec().mounts_size())) return absl::OkStatus();
  return Error(absl::StatusCode::kInternal, "NO_SOURCES",
               absl::StrCat("workload ", workload.name(), " has ", workload.spec().mounts_size(),
                            " mounts and ", sources.size(), " sources"));
}

absl::StatusOr<Process> ResolveProcess(const v1::Workload& workload,
                                       const v1::ImageConfig& config) {
  const v1::WorkloadSpec& spec = workload.spec();
  Process process;
  process.argv = Argv(spec, config);
  if (process.argv.empty()) {
    return Error(absl::StatusCode::kInvalidArgument, "NO_COMMAND",
                 absl::StrCat("image ", spec.image(), " names no command to run"),
                 "give one after --");
  }
  process.hostname = spec.hostname().empty() ? workload.name() : spec.hostname();
  process.working_dir = !spec.working_dir().empty()     ? spec.working_dir()
                        : !config.working_dir().empty() ? config.working_dir()
                                                        : "/";
  process.user = spec.user().empty() ? config.user() : spec.user();
  process.env.assign(config.env().begin(), config.env().end());
  SetDefault(process.env, "PATH", kDefaultPath);
  SetVariable(process.env, "HOSTNAME", process.hostname);
  // Maps have no order of their own; sorted, the same spec gives the same bytes.
  std::vector<std::pair<std::string, std::string>> own(spec.env().begin(), spec.env().end());
  std::sort(own.begin(), own.end());
  for (const auto& [key, value] : own) SetVariable(process.env, key, value);
  SetDefault(process.env, "HOME", IsRoot(process.user) ? "/root" : "/");
  const std::string& signal = spec.stop_signal().empty() ? config.stop_signal() : spec.stop_signal();
  process.stop_signal = ParseSignal(signal).value_or(15);
  return process;
}

}  // namespace vx::driver
