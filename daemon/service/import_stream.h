// An image on its way in.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>

#include "daemon/service/unary.h"
#include "daemon/service/upload.h"
#include "vx/v1/image_service.pb.h"

namespace vx::service {

// Spools an upload to a file and submits its import. Owns itself; one message is
// worked on at a time.
class ImportStream : public grpc::ServerReadReactor<v1::ImportImageRequest> {
 public:
  ImportStream(const Context& context, grpc::CallbackServerContext* call,
               v1::ImportImageResponse* response);

  void OnReadDone(bool ok) override;
  void OnCancel() override {}
  void OnDone() override { delete this; }

 private:
  absl::Status Take();
  absl::Status TakeHeader();
  absl::Status TakeData();
  absl::Status Submit();

  const Context& context_;
  grpc::CallbackServerContext* call_;
  v1::ImportImageResponse* response_;
  v1::ImportImageRequest message_;
  Caller caller_;
  v1::ImportImageRequest::Header header_;
  Upload upload_;
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> digest_;
};

}  // namespace vx::service
