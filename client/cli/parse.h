// The small languages of flags: labels, environment, ports, mounts. All errors
// are INVALID_ARGUMENT and name what was written and what would be right.
#pragma once

#include <google/protobuf/map.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "vx/v1/workload.pb.h"

namespace vx::cli {

using StringMap = google::protobuf::Map<std::string, std::string>;

// What the API can carry: text in UTF-8.
absl::Status CheckText(absl::string_view text);

// "K=V", or "K" with an empty value.
absl::Status AddLabel(absl::string_view text, StringMap* labels);

// "K=V", or "K" to take the value from vxctl's own environment, where it must be.
absl::Status AddEnv(absl::string_view text, StringMap* env);

// Lines as AddEnv takes them; empty lines and those that begin with # are left
// out. Errors name file and line.
absl::Status AddEnvFile(const std::string& path, StringMap* env);

// "[IP:]HOST:GUEST[/tcp|udp]"; an IPv6 address is in brackets.
absl::StatusOr<v1::PortMapping> ParsePort(absl::string_view text);

// "SOURCE:TARGET[:ro|rw]".
absl::StatusOr<v1::Mount> ParseMount(absl::string_view text);

// "container" or "vm".
absl::StatusOr<v1::Kind> ParseKind(absl::string_view text);

// "no", "on-failure", "always", "unless-stopped".
absl::StatusOr<v1::RestartPolicy> ParseRestart(absl::string_view text);

}  // namespace vx::cli
