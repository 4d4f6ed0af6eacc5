#include "daemon/service/image_service.h"

#include <algorithm>

#include "daemon/base/status_macros.h"
#include "daemon/service/import_stream.h"
#include "daemon/service/paging.h"
#include "daemon/service/pushed_stream.h"

namespace vx::service {
namespace {

registry::Credentials ToCredentials(const v1::RegistryAuth& auth) {
  return {auth.username(), auth.password(), auth.identity_token()};
}

// Nothing of a password, not even its hash, is to be on record.
template <typename Request>
core::RequestKey KeyWithoutAuth(const Caller& caller, Request request) {
  request.clear_auth();
  return KeyOf(caller, request);
}

}  // namespace

grpc::ServerUnaryReactor* ImageService::ListImages(Call* call, const v1::ListImagesRequest* request,
                                                   v1::ListImagesResponse* response) {
  return Unary(context_, call, request, [=, this](const Caller&) -> absl::Status {
    VX_ASSIGN_OR_RETURN(PageRequest page, ParsePage(*request));
    std::vector<v1::Image> images = context_.core.images().store().List();
    const int64_t count = static_cast<int64_t>(images.size());
    const int64_t end = std::min<int64_t>(count, page.key + page.size);
    for (int64_t i = page.key; i < end; ++i) *response->add_images() = std::move(images[i]);
    response->set_next_page_token(PageToken(end < count ? end : 0));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ImageService::GetImage(Call* call, const v1::GetImageRequest* request,
                                                 v1::GetImageResponse* response) {
  return Unary(context_, call, request, [=, this](const Caller&) -> absl::Status {
    VX_ASSIGN_OR_RETURN(*response->mutable_image(),
                        context_.core.images().Get(request->name()));
    return absl::OkStatus();
  });
}

grpc::ServerReadReactor<v1::ImportImageRequest>* ImageService::ImportImage(
    Call* call, v1::ImportImageResponse* response) {
  return new ImportStream(context_, call, response);
}

grpc::ServerUnaryReactor* ImageService::PullImage(Call* call, const v1::PullImageRequest* request,
                                                  v1::PullImageResponse* response) {
  return Unary(context_, call, request, [=, this](const Caller& caller) {
    return Answer(
        context_.core.images().Pull(request->reference(), request->platform(),
                                    ToCredentials(request->auth()), KeyWithoutAuth(caller, *request)),
        response);
  });
}

grpc::ServerUnaryReactor* ImageService::PushImage(Call* call, const v1::PushImageRequest* request,
                                                  v1::PushImageResponse* response) {
  return Unary(context_, call, request, [=, this](const Caller& caller) {
    return Answer(
        context_.core.images().Push(request->name(), request->reference(),
                                    ToCredentials(request->auth()), KeyWithoutAuth(caller, *request)),
        response);
  });
}

grpc::ServerUnaryReactor* ImageService::TagImage(Call* call, const v1::TagImageRequest* request,
                                                 v1::TagImageResponse* response) {
  return Unary(context_, call, request, [=, this](const Caller& caller) {
    return Answer(context_.core.images().Tag(request->name(), request->new_name(),
                                             KeyOf(caller, *request)),
                  response);
  });
}

grpc::ServerUnaryReactor* ImageService::PruneImages(Call* call,
                                                    const v1::PruneImagesRequest* request,
                                                    v1::PruneImagesResponse* response) {
  return Unary(context_, call, request, [=, this](const Caller& caller) {
    return Answer(context_.core.images().Prune(request->all(), KeyOf(caller, *request)), response);
  });
}

grpc::ServerUnaryReactor* ImageService::CheckRegistryLogin(
    Call* call, const v1::CheckRegistryLoginRequest* request, v1::CheckRegistryLoginResponse*) {
  auto check = [=, this](const Caller&) {
    return context_.core.images().CheckLogin(request->registry(), ToCredentials(request->auth()));
  };
  return Unary(context_, call, request, check, &context_.slow_pool);
}

grpc::ServerWriteReactor<v1::ExportImageResponse>* ImageService::ExportImage(
    Call* call, const v1::ExportImageRequest* request) {
  absl::StatusOr<Caller> caller = context_.authorizer.Authorize(call->peer(), *request);
  if (!caller.ok()) {
    return new Refusal<grpc::ServerWriteReactor<v1::ExportImageResponse>>(caller.status());
  }
  auto* stream = new PushedStream<v1::ExportImageResponse>();
  stream->Begin(context_.slow_pool, [this, name = request->name()](const auto& sink) {
    return context_.core.images().store().Export(name, sink);
  });
  return stream;
}

grpc::ServerUnaryReactor* ImageService::DeleteImage(Call* call,
                                                    const v1::DeleteImageRequest* request,
                                                    v1::DeleteImageResponse* response) {
  return Unary(context_, call, request, [=, this](const Caller& caller) {
    return Answer(context_.core.images().Delete(request->name(), KeyOf(caller, *request)),
                  response);
  });
}

}  // namespace vx::service
