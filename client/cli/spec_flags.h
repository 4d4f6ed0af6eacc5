// The flags of create and run, and the request that they make.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/arguments.h"
#include "vx/v1/workload_service.pb.h"

namespace vx::cli {

struct SpecFlags {
  std::string kind;
  std::string name;
  std::string image;
  std::vector<std::string> words;  // [NAME] or IMAGE
  std::vector<std::string> command;
  std::optional<std::string> entrypoint;
  std::vector<std::string> env;
  std::vector<std::string> env_files;
  std::vector<std::string> labels;
  std::string workdir;
  std::string user;
  std::string hostname;
  std::optional<std::string> cpus;
  std::optional<std::string> memory;
  std::optional<std::string> disk;
  std::optional<std::string> pids;
  std::vector<std::string> networks;
  std::vector<std::string> ports;
  std::vector<std::string> volumes;
  std::optional<std::string> restart;
  std::string stop_signal;
  std::optional<std::string> stop_timeout;
  bool remove = false;
  bool autostart = false;
  bool privileged = false;
  bool interactive = false;
  bool tty = false;
};

void DeclareSpec(Arguments& arguments, SpecFlags* flags);

// The workload as its flags say; what they leave out is left to the daemon. Every
// error is misuse and names the flag.
absl::StatusOr<v1::Workload> ToWorkload(const SpecFlags& flags);

// --cpus, -m and --pids into `resources`.
absl::Status FillResources(const SpecFlags& flags, v1::Resources* resources);

// --cpus, -m/--memory and --pids, which update shares.
void DeclareResources(Arguments& arguments, SpecFlags* flags);

}  // namespace vx::cli
