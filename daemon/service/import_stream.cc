#include "daemon/service/import_stream.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::service {

ImportStream::ImportStream(const Context& context, grpc::CallbackServerContext* call,
                           v1::ImportImageResponse* response)
    : context_(context),
      call_(call),
      response_(response),
      digest_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
  EVP_DigestInit_ex(digest_.get(), EVP_sha256(), nullptr);
  StartRead(&message_);
}

void ImportStream::OnReadDone(bool ok) {
  context_.slow_pool.Run([this, ok] {
    // No more messages: the upload is whole, or the caller has gone.
    absl::Status status = ok ? Take() : Submit();
    if (ok && status.ok()) return StartRead(&message_);
    Finish(ToGrpc(status));
  });
}

absl::Status ImportStream::Take() { return upload_.begun() ? TakeData() : TakeHeader(); }

absl::Status ImportStream::TakeHeader() {
  // Authorised before the first byte is kept.
  VX_ASSIGN_OR_RETURN(caller_, context_.authorizer.Authorize(call_->peer(), message_));
  if (!message_.has_header()) {
    return InvalidFields({{"header", "is missing: it has to be the first message"}});
  }
  header_ = message_.header();
  return upload_.Begin(context_.spool_dir);
}

absl::Status ImportStream::TakeData() {
  if (message_.has_header()) return InvalidFields({{"header", "was sent twice"}});
  EVP_DigestUpdate(digest_.get(), message_.data().data(), message_.data().size());
  return upload_.Write(message_.data());
}

absl::Status ImportStream::Submit() {
  if (call_->IsCancelled()) return absl::CancelledError("the caller has gone");
  if (!upload_.begun()) return InvalidFields({{"header", "is missing"}});
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  EVP_DigestFinal_ex(digest_.get(), hash, &length);
  core::RequestKey key{
      header_.request_id(),
      absl::StrCat(Fingerprint(header_), absl::BytesToHexString(absl::string_view(
                                             reinterpret_cast<const char*>(hash), length))),
      caller_.name};
  // Import removes the file, whatever becomes of it.
  return Answer(context_.core.images().Import(upload_.Take(), header_.name(), key), response_);
}

}  // namespace vx::service
