// An image on its way in or out.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "daemon/base/unique_fd.h"
#include "daemon/service/unary.h"
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
  // Ends the call; removes what was spooled unless the import has it.
  void End(const absl::Status& status);

  const Context& context_;
  grpc::CallbackServerContext* call_;
  v1::ImportImageResponse* response_;
  v1::ImportImageRequest message_;
  bool ended_ = false;
  bool submitted_ = false;
  Caller caller_;
  v1::ImportImageRequest::Header header_;
  std::string path_;
  UniqueFd file_;
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> digest_;
};

// Writes an image's archive. Owns itself. The store's export runs in a thread of
// the slow pool, which waits for each write.
class ExportStream : public grpc::ServerWriteReactor<v1::ExportImageResponse> {
 public:
  ExportStream(const Context& context, std::string name)
      : context_(context), name_(std::move(name)) {}

  void Begin();
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { delete this; }

 private:
  absl::Status Send(absl::string_view piece);

  const Context& context_;
  const std::string name_;
  v1::ExportImageResponse message_;
  absl::Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool gone_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace vx::service
