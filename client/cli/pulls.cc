#include "client/cli/pulls.h"

#include "absl/strings/str_cat.h"
#include "client/cli/changes.h"
#include "client/cli/errors.h"
#include "client/lib/credentials.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

absl::Status PullAndWait(Context& context, const std::string& image, const PullFlags& flags) {
  VX_ASSIGN_OR_RETURN(v1::Operation operation, BeginPull(context, image, flags.platform));
  return Await(context, operation);
}

}  // namespace

void DeclarePull(Arguments& arguments, PullFlags* flags) {
  arguments.Option("--pull", &flags->when, "WHEN",
                   "Fetch the image when it is missing (as when left out), always or never");
}

absl::StatusOr<v1::Operation> BeginPull(Context& context, const std::string& reference,
                                        const std::string& platform) {
  VX_ASSIGN_OR_RETURN(client::Connection * connection, context.Connect());
  v1::PullImageRequest request;
  request.set_reference(reference);
  request.set_platform(platform);
  VX_ASSIGN_OR_RETURN(*request.mutable_auth(), client::FindCredentials(reference));
  VX_ASSIGN_OR_RETURN(auto response, connection->PullImage(request));
  return std::move(*response.mutable_operation());
}

absl::Status CheckPull(const PullFlags& flags) {
  for (const char* word : {"missing", "always", "never"}) {
    if (flags.when == word) return absl::OkStatus();
  }
  return UsageError(absl::StrCat("there is no --pull ", flags.when),
                    "write --pull missing, always or never");
}

absl::StatusOr<v1::CreateWorkloadResponse> CreateWithImage(Context& context,
                                                           const v1::CreateWorkloadRequest& request,
                                                           const PullFlags& flags) {
  VX_RETURN_IF_ERROR(CheckPull(flags));
  const std::string& image = request.workload().spec().image();
  VX_ASSIGN_OR_RETURN(client::Connection * connection, context.Connect());
  if (flags.when == "always") VX_RETURN_IF_ERROR(PullAndWait(context, image, flags));
  auto response = connection->CreateWorkload(request);
  bool missing = ErrorReason(response.status()) == "IMAGE_NOT_FOUND";
  if (!missing || flags.when != "missing") return response;
  absl::Status pulled = PullAndWait(context, image, flags);
  if (!pulled.ok()) return Annotate(pulled, response.status().message());
  return connection->CreateWorkload(request);
}

}  // namespace vx::cli
