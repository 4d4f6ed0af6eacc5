// Fetching images before they are used.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/arguments.h"
#include "client/cli/context.h"
#include "vx/v1/operation.pb.h"
#include "vx/v1/workload_service.pb.h"

namespace vx::cli {

// --pull of run and create.
struct PullFlags {
  std::string when = "missing";
  std::string platform;
};

void DeclarePull(Arguments& arguments, PullFlags* flags);

// Begins the pull with the user's credentials for that registry.
absl::StatusOr<v1::Operation> BeginPull(Context& context, const std::string& reference,
                                        const std::string& platform);

// Misuse, unless it is one of the words.
absl::Status CheckPull(const PullFlags& flags);

// Creates the workload; fetches its image before that when --pull is "always", and when
// it is "missing" and the image turns out to be. Waits for the fetching, with progress.
absl::StatusOr<v1::CreateWorkloadResponse> CreateWithImage(Context& context,
                                                           const v1::CreateWorkloadRequest& request,
                                                           const PullFlags& flags);

}  // namespace vx::cli
