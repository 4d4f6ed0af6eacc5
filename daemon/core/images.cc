#include "daemon/core/images.h"

#include <memory>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/registry/client.h"
#include "daemon/registry/pull.h"
#include "daemon/registry/push.h"
#include "daemon/registry/reference.h"

namespace vx::core {
namespace {

// All changes of images take turns: two imports may share a name that only the
// archive tells.
constexpr char kKey[] = "images";

// Removes the file when its last holder lets go.
using TemporaryFile = std::shared_ptr<const std::string>;

TemporaryFile RemoveLater(const std::string& path) {
  return TemporaryFile(new std::string(path), [](const std::string* p) {
    (void)RemoveTree(*p);
    delete p;
  });
}

}  // namespace

absl::StatusOr<v1::Operation> Images::Import(const std::string& path, const std::string& name,
                                             const RequestKey& request) {
  TemporaryFile archive = RemoveLater(path);
  VX_ASSIGN_OR_RETURN(std::optional<v1::Operation> replayed, operations_.Replay(request));
  if (replayed) return *replayed;
  Submission submission;
  submission.type = v1::OPERATION_TYPE_IMAGE_IMPORT;
  submission.key = kKey;
  submission.target = name;
  if (!name.empty()) {
    VX_ASSIGN_OR_RETURN(submission.target, image::NormalizeName(name));
  }
  submission.request = request;
  submission.body = [this, archive, name](OperationRun& run) -> absl::Status {
    VX_RETURN_IF_ERROR(run.Phase("import"));
    return images_.Import(*archive, name, run.id()).status();
  };
  return operations_.Submit(std::move(submission));
}

std::function<absl::Status(OperationRun&)> Images::UntilClosed(
    std::function<absl::Status(OperationRun&)> body) {
  return [this, body = std::move(body)](OperationRun& run) -> absl::Status {
    Cancellation::Hook hook = closing_.OnCancel([&run] { run.Cancel(); });
    absl::Status status = body(run);
    if (!absl::IsCancelled(status) || !closing_.cancelled()) return status;
    return Error(absl::StatusCode::kAborted, "STOPPED", "vxd stopped before the change was done",
                 "ask for it again: what was transferred counts");
  };
}

absl::StatusOr<v1::Operation> Images::Pull(const std::string& reference,
                                           const std::string& platform,
                                           const registry::Credentials& credentials,
                                           const RequestKey& request) {
  VX_ASSIGN_OR_RETURN(std::optional<v1::Operation> replayed, operations_.Replay(request));
  if (replayed) return *replayed;
  registry::PullRequest pull;
  VX_ASSIGN_OR_RETURN(pull.reference, registry::ParseReference(reference));
  pull.platform = platform;
  pull.credentials = credentials;
  Submission submission;
  submission.type = v1::OPERATION_TYPE_IMAGE_PULL;
  submission.key = absl::StrCat("pull:", pull.reference.name);
  submission.pool = &transfers_;
  submission.target = pull.reference.name;
  submission.request = request;
  submission.body = UntilClosed([this, pull](OperationRun& run) mutable -> absl::Status {
    VX_RETURN_IF_ERROR(run.Phase("pull"));
    auto progress = std::make_shared<registry::Progress>();
    run.ShowProgress([progress] { return progress->Tell(); });
    pull.change = run.id();
    VX_ASSIGN_OR_RETURN(v1::Image image, registry::Pull(images_, pull, registries_,
                                                        run.cancellation(), *progress));
    run.SetResult(absl::StrCat(image.name(), " is ", image.digest()));
    return absl::OkStatus();
  });
  return operations_.Submit(std::move(submission));
}

absl::StatusOr<v1::Operation> Images::Push(const std::string& name, const std::string& reference,
                                           const registry::Credentials& credentials,
                                           const RequestKey& request) {
  VX_ASSIGN_OR_RETURN(std::optional<v1::Operation> replayed, operations_.Replay(request));
  if (replayed) return *replayed;
  VX_ASSIGN_OR_RETURN(v1::Image image, images_.Get(name));
  registry::PushRequest push;
  push.name = image.name();
  push.credentials = credentials;
  VX_ASSIGN_OR_RETURN(push.reference,
                      registry::ParseReference(reference.empty() ? image.name() : reference));
  if (push.reference.tag.empty()) {
    return InvalidFields({{"reference", absl::StrCat("\"", push.reference.name,
                                                     "\" has no tag to push to")}});
  }
  Submission submission;
  submission.type = v1::OPERATION_TYPE_IMAGE_PUSH;
  submission.key = absl::StrCat("push:", push.reference.ToString());
  submission.pool = &transfers_;
  submission.target = push.reference.name;
  submission.request = request;
  submission.body = UntilClosed([this, push](OperationRun& run) -> absl::Status {
    VX_RETURN_IF_ERROR(run.Phase("push"));
    auto progress = std::make_shared<registry::Progress>();
    run.ShowProgress([progress] { return progress->Tell(); });
    return registry::Push(images_, push, registries_, run.cancellation(), *progress);
  });
  return operations_.Submit(std::move(submission));
}

absl::StatusOr<v1::Operation> Images::Tag(const std::string& name, const std::string& new_name,
                                          const RequestKey& request) {
  VX_ASSIGN_OR_RETURN(std::optional<v1::Operation> replayed, operations_.Replay(request));
  if (replayed) return *replayed;
  VX_ASSIGN_OR_RETURN(v1::Image image, images_.Get(name));
  Submission submission;
  submission.type = v1::OPERATION_TYPE_IMAGE_TAG;
  submission.key = kKey;
  VX_ASSIGN_OR_RETURN(submission.target, image::NormalizeName(new_name));
  submission.request = request;
  submission.body = [this, from = image.name(), to = submission.target](OperationRun& run) {
    absl::Status begun = run.Phase("tag");
    return begun.ok() ? images_.Tag(from, to, run.id()) : begun;
  };
  return operations_.Submit(std::move(submission));
}

absl::Status Images::RemoveUnused(OperationRun& run, int& removed) {
  for (const v1::Image& image : images_.List()) {
    VX_RETURN_IF_ERROR(run.cancellation().Check());
    VX_ASSIGN_OR_RETURN(auto users, store_.Read().WorkloadsOfImage(image.name()));
    const std::string plain = image.name().substr(0, image.name().find(':'));
    const bool came_with_vx = PathExists(absl::StrCat(images_.dir(), "/builtin/", plain));
    if (!users.empty() || came_with_vx) continue;
    if (images_.Remove(image.name()).ok()) ++removed;
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Operation> Images::Prune(bool all, const RequestKey& request) {
  VX_ASSIGN_OR_RETURN(std::optional<v1::Operation> replayed, operations_.Replay(request));
  if (replayed) return *replayed;
  Submission submission;
  submission.type = v1::OPERATION_TYPE_IMAGE_PRUNE;
  submission.key = kKey;
  submission.target = "images";
  submission.request = request;
  submission.body = [this, all](OperationRun& run) -> absl::Status {
    VX_RETURN_IF_ERROR(run.Phase("prune"));
    int removed = 0;
    if (all) VX_RETURN_IF_ERROR(RemoveUnused(run, removed));
    const int64_t freed = images_.Prune();
    run.SetResult(absl::StrCat("removed ", removed, " images with what they alone needed, and ",
                               freed, " bytes that no image needs"));
    return absl::OkStatus();
  };
  return operations_.Submit(std::move(submission));
}

absl::StatusOr<v1::Image> Images::Get(const std::string& name) const {
  VX_ASSIGN_OR_RETURN(v1::Image image, images_.Get(name));
  VX_ASSIGN_OR_RETURN(std::vector<std::string> users, store_.Read().WorkloadsOfImage(image.name()));
  for (std::string& user : users) image.add_used_by(std::move(user));
  return image;
}

absl::Status Images::CheckLogin(const std::string& registry,
                                const registry::Credentials& credentials) const {
  // As a part of a name it must be one.
  VX_ASSIGN_OR_RETURN(registry::Reference reference,
                      registry::ParseReference(absl::StrCat(registry, "/x")));
  if (reference.registry != registry) {
    return InvalidFields({{"registry", absl::StrCat("\"", registry, "\" is no HOST[:PORT]")}});
  }
  Cancellation never;
  return registry::Client(registry, "", credentials, registries_, never).CheckLogin();
}

absl::StatusOr<v1::Operation> Images::Delete(const std::string& name, const RequestKey& request) {
  VX_ASSIGN_OR_RETURN(std::optional<v1::Operation> replayed, operations_.Replay(request));
  if (replayed) return *replayed;
  VX_ASSIGN_OR_RETURN(v1::Image image, images_.Get(name));
  auto check_unused = [this, full = image.name()]() -> absl::Status {
    VX_ASSIGN_OR_RETURN(std::vector<std::string> users, store_.Read().WorkloadsOfImage(full));
    if (users.empty()) return absl::OkStatus();
    return Error(absl::StatusCode::kFailedPrecondition, "IMAGE_IN_USE",
                 absl::StrCat("image ", full, " is used by ", absl::StrJoin(users, ", ")),
                 "remove these workloads first");
  };
  VX_RETURN_IF_ERROR(check_unused());
  Submission submission;
  submission.type = v1::OPERATION_TYPE_IMAGE_DELETE;
  submission.key = kKey;
  submission.target = image.name();
  submission.request = request;
  submission.body = [this, check_unused, full = image.name()](OperationRun& run) -> absl::Status {
    VX_RETURN_IF_ERROR(run.Phase("remove"));
    VX_RETURN_IF_ERROR(check_unused());
    return images_.Remove(full);
  };
  return operations_.Submit(std::move(submission));
}

}  // namespace vx::core
