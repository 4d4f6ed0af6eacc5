#include "daemon/service/import_stream.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace vx::service {

ImportStream::ImportStream(const Context& context, grpc::CallbackServerContext* call,
                           v1::ImportImageResponse* response)
    : UploadStream(context, call), response_(response), digest_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
  EVP_DigestInit_ex(digest_.get(), EVP_sha256(), nullptr);
}

void ImportStream::See(absl::string_view data) {
  EVP_DigestUpdate(digest_.get(), data.data(), data.size());
}

absl::Status ImportStream::Submit() {
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  EVP_DigestFinal_ex(digest_.get(), hash, &length);
  core::RequestKey key{
      header().request_id(),
      absl::StrCat(Fingerprint(header()), absl::BytesToHexString(absl::string_view(
                                              reinterpret_cast<const char*>(hash), length))),
      caller().name};
  // Import removes the file, whatever becomes of it.
  return Answer(context().core.images().Import(upload().Take(), header().name(), key), response_);
}

}  // namespace vx::service
