// The flags of create and run that confine a workload, or let it out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/cli/arguments.h"
#include "vx/v1/workload.pb.h"

namespace vx::cli {

struct SecurityFlags {
  bool privileged = false;
  bool read_only = false;
  bool init = false;
  std::vector<std::string> cap_add;
  std::vector<std::string> cap_drop;
  std::vector<std::string> security;
  std::optional<std::string> userns;
  std::vector<std::string> devices;
  std::vector<std::string> tmpfs;
};

void DeclareSecurity(Arguments& arguments, SecurityFlags* flags);

// Every error is misuse and names the flag.
absl::Status FillSecurity(const SecurityFlags& flags, v1::WorkloadSpec* spec);

// "PATH[:size=64M,mode=1777,exec]".
absl::StatusOr<v1::Tmpfs> ParseTmpfs(absl::string_view text);

// "SOURCE[:TARGET][:rwm]".
absl::StatusOr<v1::Device> ParseDevice(absl::string_view text);

}  // namespace vx::cli
