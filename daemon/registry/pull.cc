#include "daemon/registry/pull.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/work_pool.h"
#include "daemon/image/intake.h"
#include "daemon/registry/blob.h"
#include "daemon/registry/client.h"
#include "daemon/registry/errors.h"
#include "daemon/registry/resolve.h"
#include "daemon/registry/together.h"

namespace vx::registry {
namespace {

// One pull from one host.
class Puller {
 public:
  Puller(image::ImageStore& store, const PullRequest& request, const Options& options,
         Cancellation& cancellation, Progress& progress)
      : store_(store),
        request_(request),
        options_(options),
        together_(cancellation),
        progress_(progress) {}

  absl::StatusOr<v1::Image> From(const std::string& host, const Credentials& credentials);

 private:
  absl::StatusOr<v1::Image> Take(Client& client, const Resolved& resolved);
  absl::Status CheckSizes(const image::Content& content) const;
  absl::Status TakeLayers(Client& client, const image::Content& content, image::Intake& intake);
  absl::Status TakeLayer(Client& client, const image::Descriptor& layer,
                         const std::string& diff_id, image::Intake& intake);

  image::ImageStore& store_;
  const PullRequest& request_;
  const Options& options_;
  Together together_;
  Progress& progress_;
};

absl::Status Puller::CheckSizes(const image::Content& content) const {
  for (const image::Descriptor& layer : content.manifest.layers) {
    if (layer.size > options_.max_layer_bytes) {
      return LayerTooBig(layer.digest, layer.size, options_.max_layer_bytes);
    }
  }
  return absl::OkStatus();
}

absl::Status Puller::TakeLayer(Client& client, const image::Descriptor& layer,
                               const std::string& diff_id, image::Intake& intake) {
  bool was_there = false;
  auto fetch = [&](const std::string& path) {
    progress_.SetPhase(layer.digest, "downloading");
    return FetchBlob(client, request_.reference.repository, layer, path,
                     [&](int64_t bytes) { progress_.SetDone(layer.digest, bytes); });
  };
  VX_RETURN_IF_ERROR(intake.Bring(layer, was_there, fetch));
  progress_.Finish(layer.digest, "unpacking");
  VX_RETURN_IF_ERROR(intake.MakeLayer(layer, diff_id));
  progress_.SetPhase(layer.digest, was_there ? "exists" : "done");
  return absl::OkStatus();
}

absl::Status Puller::TakeLayers(Client& client, const image::Content& content,
                                image::Intake& intake) {
  const auto& layers = content.manifest.layers;
  for (const image::Descriptor& layer : layers) progress_.Add(layer.digest, layer.size);
  {
    WorkPool pool("vx-layer", std::min<int>(options_.parallel, layers.size()));
    for (size_t i = 0; i < layers.size(); ++i) {
      pool.Run([&, i] {
        absl::Status status = together_.stop().Check();
        if (status.ok()) status = TakeLayer(client, layers[i], content.config.diff_ids[i], intake);
        together_.Note(status);
      });
    }
  }
  return together_.Outcome();
}

absl::StatusOr<v1::Image> Puller::Take(Client& client, const Resolved& resolved) {
  const image::Content& content = resolved.content;
  VX_RETURN_IF_ERROR(CheckSizes(content));
  std::unique_ptr<image::Intake> intake = store_.BeginIntake(together_.stop());
  VX_RETURN_IF_ERROR(intake->Put(content.descriptor, resolved.manifest));
  VX_RETURN_IF_ERROR(intake->Put(content.manifest.config, resolved.config));
  VX_RETURN_IF_ERROR(TakeLayers(client, content, *intake));
  return intake->Commit(request_.reference.name, content, request_.change);
}

absl::StatusOr<v1::Image> Puller::From(const std::string& host, const Credentials& credentials) {
  Client client(host, absl::StrCat("repository:", request_.reference.repository, ":pull"),
                credentials, options_, together_.stop());
  VX_ASSIGN_OR_RETURN(Resolved resolved,
                      Resolve(client, request_.reference, request_.platform));
  return Take(client, resolved);
}

}  // namespace

absl::StatusOr<v1::Image> Pull(image::ImageStore& store, const PullRequest& request,
                               const Options& options, Cancellation& cancellation,
                               Progress& progress) {
  auto mirror = options.mirrors.find(request.reference.registry);
  if (mirror != options.mirrors.end()) {
    absl::StatusOr<v1::Image> image =
        Puller(store, request, options, cancellation, progress).From(mirror->second, {});
    if (image.ok() || cancellation.cancelled()) return image;
    spdlog::warn("registry={} mirror={}: {}", request.reference.registry, mirror->second,
                 std::string(image.status().message()));
  }
  return Puller(store, request, options, cancellation, progress)
      .From(request.reference.registry, request.credentials);
}

}  // namespace vx::registry
