#include "daemon/registry/push.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/work_pool.h"
#include "daemon/image/oci_layout.h"
#include "daemon/registry/client.h"
#include "daemon/registry/errors.h"
#include "daemon/registry/together.h"
#include "daemon/registry/upload.h"

namespace vx::registry {
namespace {

// Of each blob another repository of that registry which has it, as far as the names
// of the images here tell.
std::map<std::string, std::string> Sources(const image::ImageStore& store, const Reference& to) {
  std::map<std::string, std::string> sources;
  for (const v1::Image& image : store.List()) {
    absl::StatusOr<Reference> there = ParseReference(image.name());
    if (!there.ok() || there->registry != to.registry) continue;
    if (there->repository == to.repository) continue;
    for (const v1::ImageLayer& layer : image.layers()) sources[layer.digest()] = there->repository;
  }
  return sources;
}

class Pusher {
 public:
  Pusher(const PushRequest& request, const Options& options, Cancellation& cancellation,
         Progress& progress, std::map<std::string, std::string> sources)
      : request_(request),
        options_(options),
        together_(cancellation),
        progress_(progress),
        sources_(std::move(sources)),
        client_(request.reference.registry, Scope(), request.credentials, options,
                together_.stop()) {}

  absl::Status Send(const image::Content& content, const image::OciLayout& layout);

 private:
  std::string Scope() const;
  void SendBlob(const image::Descriptor& blob, const image::OciLayout& layout);
  absl::Status PutManifest(const image::Content& content, const image::OciLayout& layout);

  const PushRequest& request_;
  const Options& options_;
  Together together_;
  Progress& progress_;
  const std::map<std::string, std::string> sources_;
  Client client_;
};

std::string Pusher::Scope() const {
  std::set<std::string> others;
  for (const auto& [digest, repository] : sources_) others.insert(repository);
  std::string scope = absl::StrCat("repository:", request_.reference.repository, ":pull,push");
  for (const std::string& other : others) absl::StrAppend(&scope, " repository:", other, ":pull");
  return scope;
}

void Pusher::SendBlob(const image::Descriptor& blob, const image::OciLayout& layout) {
  if (!together_.stop().Check().ok()) return;
  progress_.SetPhase(blob.digest, "uploading");
  auto source = sources_.find(blob.digest);
  absl::StatusOr<bool> sent =
      UploadBlob(client_, request_.reference.repository, blob, layout.BlobPath(blob.digest),
                 source == sources_.end() ? "" : source->second,
                 [&](int64_t bytes) { progress_.SetDone(blob.digest, bytes); });
  if (sent.ok()) progress_.Finish(blob.digest, *sent ? "done" : "exists");
  together_.Note(sent.status());
}

absl::Status Pusher::PutManifest(const image::Content& content, const image::OciLayout& layout) {
  HttpRequest request;
  request.method = "PUT";
  request.url = absl::StrCat("/v2/", request_.reference.repository, "/manifests/",
                             request_.reference.tag);
  VX_ASSIGN_OR_RETURN(request.body, layout.ReadDocument(content.descriptor, "the manifest"));
  std::string type = content.descriptor.media_type;
  request.headers = {absl::StrCat("Content-Type: ", type.empty() ? image::kOciManifest : type)};
  VX_ASSIGN_OR_RETURN(HttpResponse answer, client_.Call(request));
  if (answer.code == 201 || answer.code == 200) return absl::OkStatus();
  std::string what = absl::StrCat("the manifest of ", request_.reference.ToString());
  if (answer.code == 401 || answer.code == 403) {
    return LoginNeeded(client_.host(), what, MessageOf(answer.body));
  }
  return Refused(client_.host(), what, answer.code, answer.body);
}

absl::Status Pusher::Send(const image::Content& content, const image::OciLayout& layout) {
  std::map<std::string, image::Descriptor> blobs;
  for (const image::Descriptor& layer : content.manifest.layers) {
    progress_.Add(layer.digest, layer.size);
    blobs[layer.digest] = layer;
  }
  progress_.Add(content.manifest.config.digest, content.manifest.config.size);
  blobs[content.manifest.config.digest] = content.manifest.config;
  {
    WorkPool pool("vx-layer", std::min<int>(options_.parallel, blobs.size()));
    for (const auto& [digest, blob] : blobs) {
      pool.Run([this, &blob = blob, &layout] { SendBlob(blob, layout); });
    }
  }
  VX_RETURN_IF_ERROR(together_.Outcome());
  return PutManifest(content, layout);
}

}  // namespace

absl::Status Push(image::ImageStore& store, const PushRequest& request, const Options& options,
                  Cancellation& cancellation, Progress& progress) {
  return store.Read(request.name, [&](const image::Content& content,
                                      const image::OciLayout& layout) {
    return Pusher(request, options, cancellation, progress, Sources(store, request.reference))
        .Send(content, layout);
  });
}

}  // namespace vx::registry
