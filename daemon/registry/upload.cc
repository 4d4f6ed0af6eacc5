#include "daemon/registry/upload.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/unique_fd.h"
#include "daemon/registry/errors.h"

namespace vx::registry {
namespace {

constexpr int64_t kChunk = 16 << 20;
constexpr int kRangeWrong = 416;

class Upload {
 public:
  Upload(Client& client, const std::string& repository, const image::Descriptor& blob,
         const std::string& path, const std::function<void(int64_t)>& on_bytes)
      : client_(client), repository_(repository), blob_(blob), path_(path), on_bytes_(on_bytes) {}

  absl::StatusOr<bool> Run(const std::string& from);

 private:
  absl::StatusOr<bool> IsThere();
  // True when the registry has taken it from the other repository.
  absl::StatusOr<bool> Begin(const std::string& from);
  absl::Status SendChunk();
  absl::StatusOr<HttpRequest> ChunkRequest(int64_t size);
  absl::Status AskOffset();
  absl::Status Finish();
  HttpRequest Body(const std::string& method, const std::string& url, int64_t size);
  absl::Status Follow(const HttpResponse& answer);
  std::string FinalUrl() const;
  absl::Status Refuse(const HttpResponse& answer) const;

  Client& client_;
  const std::string& repository_;
  const image::Descriptor& blob_;
  const std::string& path_;
  const std::function<void(int64_t)>& on_bytes_;
  UniqueFd file_;
  std::string location_;
  int64_t offset_ = 0;
  // The registry may have got some of what was sent.
  bool unsure_ = false;
};

absl::Status Upload::Refuse(const HttpResponse& answer) const {
  std::string what = absl::StrCat("the upload of ", blob_.digest, " to ", repository_);
  if (answer.code == 401 || answer.code == 403) {
    return LoginNeeded(client_.host(), what, MessageOf(answer.body));
  }
  return Refused(client_.host(), what, answer.code, answer.body);
}

absl::StatusOr<bool> Upload::IsThere() {
  HttpRequest request;
  request.method = "HEAD";
  request.url = absl::StrCat("/v2/", repository_, "/blobs/", blob_.digest);
  VX_ASSIGN_OR_RETURN(HttpResponse answer, client_.Call(request));
  if (answer.code == 200) return true;
  if (answer.code == 404) return false;
  return Refuse(answer);
}

// Where the next part goes is in each answer.
absl::Status Upload::Follow(const HttpResponse& answer) {
  std::string location = answer.Header("location");
  bool usable = absl::StartsWith(location, "/") || absl::StartsWith(location, "http://") ||
                absl::StartsWith(location, "https://");
  if (!usable) return Refused(client_.host(), "an upload without a place for it", answer.code, "");
  location_ = location;
  return absl::OkStatus();
}

absl::StatusOr<bool> Upload::Begin(const std::string& from) {
  HttpRequest request;
  request.method = "POST";
  request.url = absl::StrCat("/v2/", repository_, "/blobs/uploads/");
  if (!from.empty()) absl::StrAppend(&request.url, "?mount=", blob_.digest, "&from=", from);
  VX_ASSIGN_OR_RETURN(HttpResponse answer, client_.Call(request));
  if (answer.code == 201) return true;
  if (answer.code != 202) return Refuse(answer);
  offset_ = 0;
  VX_RETURN_IF_ERROR(Follow(answer));
  return false;
}

std::string Upload::FinalUrl() const {
  return absl::StrCat(location_, absl::StrContains(location_, '?') ? "&" : "?",
                      "digest=", blob_.digest);
}

// The next `size` bytes of the file.
HttpRequest Upload::Body(const std::string& method, const std::string& url, int64_t size) {
  HttpRequest request;
  request.method = method;
  request.url = url;
  request.headers = {"Content-Type: application/octet-stream"};
  request.source_bytes = size;
  request.source = [this, at = offset_](size_t most) mutable -> absl::StatusOr<std::string> {
    std::string piece(most, '\0');
    ssize_t n = pread(file_.get(), piece.data(), piece.size(), at);
    if (n < 0) return ErrnoError(errno, absl::StrCat("read ", path_));
    piece.resize(n);
    at += n;
    on_bytes_(std::min(at, blob_.size));
    return piece;
  };
  return request;
}

// How much of it the registry has.
absl::Status Upload::AskOffset() {
  HttpRequest request;
  request.url = location_;
  VX_ASSIGN_OR_RETURN(HttpResponse answer, client_.Call(request));
  if (answer.code != 204 && answer.code != 200) return Refuse(answer);
  // "0-1023"; "0-0" is none by docker-registry, and one byte sent again does no harm.
  std::string range = answer.Header("range");
  int64_t last = 0;
  if (!absl::SimpleAtoi(range.substr(range.find('-') + 1), &last)) return Refuse(answer);
  offset_ = last > 0 ? last + 1 : 0;
  return answer.Header("location").empty() ? absl::OkStatus() : Follow(answer);
}

absl::StatusOr<HttpRequest> Upload::ChunkRequest(int64_t size) {
  if (std::exchange(unsure_, true)) {
    VX_RETURN_IF_ERROR(AskOffset());
    size = std::min(size, blob_.size - offset_);
  }
  HttpRequest request = Body("PATCH", location_, size);
  request.headers.push_back(
      absl::StrCat("Content-Range: ", offset_, "-", std::max<int64_t>(offset_ + size - 1, 0)));
  return request;
}

absl::Status Upload::SendChunk() {
  unsure_ = false;
  VX_ASSIGN_OR_RETURN(HttpResponse answer, client_.Call([this] {
    return ChunkRequest(std::min(kChunk, blob_.size - offset_));
  }));
  if (answer.code == kRangeWrong) return AskOffset();
  if (answer.code != 202) return Refuse(answer);
  VX_RETURN_IF_ERROR(Follow(answer));
  std::string range = answer.Header("range");
  int64_t last = 0;
  if (!absl::SimpleAtoi(range.substr(range.find('-') + 1), &last) || last < offset_) {
    return Refuse(answer);
  }
  offset_ = last + 1;
  return absl::OkStatus();
}

absl::Status Upload::Finish() {
  int64_t left = blob_.size - offset_;
  HttpRequest request = Body("PUT", FinalUrl(), left);
  bool sent = false;
  VX_ASSIGN_OR_RETURN(HttpResponse answer, client_.Call([&]() -> absl::StatusOr<HttpRequest> {
    // What became of the first is not known.
    if (std::exchange(sent, true) && left > 0) {
      return Unreachable(client_.host(), "an upload broke off");
    }
    return request;
  }));
  if (answer.code == 201 || answer.code == 204) return absl::OkStatus();
  return Refuse(answer);
}

absl::StatusOr<bool> Upload::Run(const std::string& from) {
  VX_ASSIGN_OR_RETURN(bool there, IsThere());
  if (there) return false;
  VX_ASSIGN_OR_RETURN(file_, OpenFile(path_, O_RDONLY));
  VX_ASSIGN_OR_RETURN(bool mounted, Begin(from));
  if (mounted) return false;
  if (blob_.size > kChunk) {
    while (offset_ < blob_.size) VX_RETURN_IF_ERROR(SendChunk());
  }
  absl::Status finished = Finish();
  if (ErrorReason(finished) == "REGISTRY_UNREACHABLE" && blob_.size <= kChunk) {
    // Once more from the beginning: it is small.
    VX_ASSIGN_OR_RETURN(mounted, Begin(""));
    finished = mounted ? absl::OkStatus() : Finish();
  }
  VX_RETURN_IF_ERROR(finished);
  return true;
}

}  // namespace

absl::StatusOr<bool> UploadBlob(Client& client, const std::string& repository,
                                const image::Descriptor& blob, const std::string& path,
                                const std::string& from,
                                const std::function<void(int64_t)>& on_bytes) {
  return Upload(client, repository, blob, path, on_bytes).Run(from);
}

}  // namespace vx::registry
