// The flags of create and run, and the request that they make.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/arguments.h"
#include "client/cli/security_flags.h"
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
  std::optional<std::string> cpu_weight;
  std::optional<std::string> cpuset;
  std::optional<std::string> memory_reservation;
  std::optional<std::string> swap;
  std::optional<std::string> network_in;
  std::optional<std::string> network_out;
  std::vector<std::string> networks;
  std::vector<std::string> addresses;
  std::string mac;
  std::vector<std::string> aliases;
  std::vector<std::string> dns;
  std::vector<std::string> ports;
  std::vector<std::string> volumes;
  std::optional<std::string> restart;
  std::string stop_signal;
  std::optional<std::string> stop_timeout;
  bool remove = false;
  bool autostart = false;
  bool interactive = false;
  bool tty = false;
  SecurityFlags security;
};

void DeclareSpec(Arguments& arguments, SpecFlags* flags);

// "[IP:]HOST:GUEST[/udp]" of --publish into `ports`.
absl::Status FillPorts(const std::vector<std::string>& texts, v1::WorkloadSpec* spec);

// The workload as its flags say; what they leave out is left to the daemon. Every
// error is misuse and names the flag.
absl::StatusOr<v1::Workload> ToWorkload(const SpecFlags& flags);

// --cpus, -m, --pids and so on into `resources`.
absl::Status FillResources(const SpecFlags& flags, v1::Resources* resources);

// What of resources is given, in the names of v1::Resources' fields.
std::vector<std::string> GivenResources(const SpecFlags& flags);

// --cpus, -m/--memory, --pids and so on, which update shares.
void DeclareResources(Arguments& arguments, SpecFlags* flags);

}  // namespace vx::cli
