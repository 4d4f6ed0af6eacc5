#pragma once

#include "daemon/service/unary.h"
#include "vx/v1/image_service.grpc.pb.h"

namespace vx::service {

// proto/vx/v1/image_service.proto over core::Images.
class ImageService : public v1::ImageService::CallbackService {
 public:
  // `context` outlives it.
  explicit ImageService(const Context& context) : context_(context) {}

  using Call = grpc::CallbackServerContext;

  grpc::ServerUnaryReactor* ListImages(Call*, const v1::ListImagesRequest*,
                                       v1::ListImagesResponse*) override;
  grpc::ServerUnaryReactor* GetImage(Call*, const v1::GetImageRequest*,
                                     v1::GetImageResponse*) override;
  grpc::ServerReadReactor<v1::ImportImageRequest>* ImportImage(Call*,
                                                               v1::ImportImageResponse*) override;
  grpc::ServerUnaryReactor* PullImage(Call*, const v1::PullImageRequest*,
                                      v1::PullImageResponse*) override;
  grpc::ServerUnaryReactor* PushImage(Call*, const v1::PushImageRequest*,
                                      v1::PushImageResponse*) override;
  grpc::ServerUnaryReactor* TagImage(Call*, const v1::TagImageRequest*,
                                     v1::TagImageResponse*) override;
  grpc::ServerUnaryReactor* PruneImages(Call*, const v1::PruneImagesRequest*,
                                        v1::PruneImagesResponse*) override;
  grpc::ServerUnaryReactor* CheckRegistryLogin(Call*, const v1::CheckRegistryLoginRequest*,
                                               v1::CheckRegistryLoginResponse*) override;
  grpc::ServerWriteReactor<v1::ExportImageResponse>* ExportImage(
      Call*, const v1::ExportImageRequest*) override;
  grpc::ServerUnaryReactor* DeleteImage(Call*, const v1::DeleteImageRequest*,
                                        v1::DeleteImageResponse*) override;

 private:
  const Context& context_;
};

}  // namespace vx::service
