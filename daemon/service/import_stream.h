// An image on its way in.
#pragma once

#include <openssl/evp.h>

#include <memory>

#include "daemon/service/upload_stream.h"
#include "vx/v1/image_service.pb.h"

namespace vx::service {

// Submits the import of what it spooled.
class ImportStream : public UploadStream<v1::ImportImageRequest> {
 public:
  ImportStream(const Context& context, grpc::CallbackServerContext* call,
               v1::ImportImageResponse* response);

 private:
  void See(absl::string_view data) override;
  absl::Status Submit() override;

  v1::ImportImageResponse* response_;
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> digest_;
};

}  // namespace vx::service
