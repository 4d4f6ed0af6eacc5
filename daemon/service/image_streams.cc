#include "daemon/service/image_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/ids.h"
#include "daemon/base/status_macros.h"

namespace vx::service {

// --- ImportStream ---

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
    End(status);
  });
}

absl::Status ImportStream::Take() {
  if (path_.empty()) return TakeHeader();
  return TakeData();
}

absl::Status ImportStream::TakeHeader() {
  // Authorised before the first byte is kept.
  VX_ASSIGN_OR_RETURN(caller_, context_.authorizer.Authorize(call_->peer(), message_));
  if (!message_.has_header()) {
    return InvalidFields({{"header", "is missing: it has to be the first message"}});
  }
  header_ = message_.header();
  path_ = absl::StrCat(context_.spool_dir, "/", RandomHex(16));
  VX_ASSIGN_OR_RETURN(file_, OpenFile(path_, O_WRONLY | O_CREAT | O_EXCL, 0600));
  return absl::OkStatus();
}

absl::Status ImportStream::TakeData() {
  if (message_.has_header()) return InvalidFields({{"header", "was sent twice"}});
  absl::string_view data = message_.data();
  EVP_DigestUpdate(digest_.get(), data.data(), data.size());
  while (!data.empty()) {
    const ssize_t n = write(file_.get(), data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(errno, "keep the upload in the state directory");
    data.remove_prefix(n);
  }
  return absl::OkStatus();
}

absl::Status ImportStream::Submit() {
  if (call_->IsCancelled()) return absl::CancelledError("the caller has gone");
  if (path_.empty()) return InvalidFields({{"header", "is missing"}});
  file_.reset();
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  EVP_DigestFinal_ex(digest_.get(), hash, &length);
  core::RequestKey key{header_.request_id(),
                       absl::StrCat(Fingerprint(header_),
                                    absl::BytesToHexString(absl::string_view(
                                        reinterpret_cast<const char*>(hash), length))),
                       caller_.name};
  submitted_ = true;  // Import removes the file, whatever becomes of it
  return Answer(context_.core.images().Import(path_, header_.name(), key), response_);
}

void ImportStream::End(const absl::Status& status) {
  if (!submitted_ && !path_.empty()) unlink(path_.c_str());
  Finish(ToGrpc(status));
}

// --- ExportStream ---

void ExportStream::Begin() {
  context_.slow_pool.Run([this] {
    absl::Status status = context_.core.images().store().Export(
        name_, [this](absl::string_view piece) { return Send(piece); });
    Finish(ToGrpc(status));
  });
}

absl::Status ExportStream::Send(absl::string_view piece) {
  message_.set_data(piece.data(), piece.size());
  {
    absl::MutexLock lock(&mutex_);
    if (gone_) return absl::CancelledError("the caller has gone");
    writing_ = true;
  }
  StartWrite(&message_);
  absl::MutexLock lock(&mutex_);
  auto written = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !writing_; };
  mutex_.Await(absl::Condition(&written));
  return gone_ ? absl::CancelledError("the caller has gone") : absl::OkStatus();
}

void ExportStream::OnWriteDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  writing_ = false;
  if (!ok) gone_ = true;
}

void ExportStream::OnCancel() {
  absl::MutexLock lock(&mutex_);
  gone_ = true;
}

}  // namespace vx::service
