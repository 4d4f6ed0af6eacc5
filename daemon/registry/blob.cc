#include "daemon/registry/blob.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/unique_fd.h"
#include "daemon/image/byte_source.h"
#include "daemon/image/digest.h"
#include "daemon/registry/errors.h"

namespace vx::registry {
namespace {

constexpr int kPartial = 206;
constexpr int kRangeWrong = 416;

// A file that grows to a blob, and the hash of what is in it.
class Fetch {
 public:
  Fetch(Client& client, const std::string& repository, const image::Descriptor& blob,
        const std::string& path, const std::function<void(int64_t)>& on_bytes)
      : client_(client), repository_(repository), blob_(blob), path_(path), on_bytes_(on_bytes) {}

  absl::Status Run();

 private:
  absl::Status Open();
  absl::Status HashWhatIsThere();
  absl::Status Truncate();
  absl::Status Download();
  absl::StatusOr<HttpRequest> Request();
  absl::Status Take(const HttpResponse& head, absl::string_view piece);
  absl::Status Align(const HttpResponse& head);
  bool Progressed();
  absl::Status Check();

  Client& client_;
  const std::string& repository_;
  const image::Descriptor& blob_;
  const std::string& path_;
  const std::function<void(int64_t)>& on_bytes_;
  UniqueFd file_;
  image::Sha256 hash_;
  int64_t have_ = 0;
  // Of the answer whose body comes: its beginning has been dealt with.
  bool aligned_ = false;
  bool resumed_ = false;
  // The most that was there at the beginning of a try.
  int64_t reached_ = 0;
};

absl::Status Fetch::Truncate() {
  if (ftruncate(file_.get(), 0) < 0 || lseek(file_.get(), 0, SEEK_SET) < 0) {
    return ErrnoError(errno, absl::StrCat("truncate ", path_));
  }
  hash_ = image::Sha256();
  have_ = 0;
  return absl::OkStatus();
}

absl::Status Fetch::HashWhatIsThere() {
  VX_ASSIGN_OR_RETURN(image::FileSource there, image::FileSource::Open(path_));
  while (true) {
    VX_ASSIGN_OR_RETURN(absl::string_view piece, there.Next());
    if (piece.empty()) break;
    VX_RETURN_IF_ERROR(client_.cancellation().Check());
    hash_.Update(piece);
    have_ += piece.size();
  }
  return absl::OkStatus();
}

absl::Status Fetch::Open() {
  VX_ASSIGN_OR_RETURN(file_, OpenFile(path_, O_RDWR | O_CREAT | O_APPEND, 0644));
  VX_RETURN_IF_ERROR(HashWhatIsThere());
  if (have_ > blob_.size) return Truncate();
  resumed_ = have_ > 0;
  reached_ = have_;
  on_bytes_(have_);
  return absl::OkStatus();
}

absl::StatusOr<HttpRequest> Fetch::Request() {
  aligned_ = false;
  HttpRequest request;
  request.url = absl::StrCat("/v2/", repository_, "/blobs/", blob_.digest);
  if (have_ > 0) request.headers.push_back(absl::StrCat("Range: bytes=", have_, "-"));
  request.sink = [this](const HttpResponse& head, absl::string_view piece) {
    return Take(head, piece);
  };
  return request;
}

// A registry may send all of it although it was asked for a part.
absl::Status Fetch::Align(const HttpResponse& head) {
  aligned_ = true;
  if (head.code != kPartial) return have_ > 0 ? Truncate() : absl::OkStatus();
  std::string range = head.Header("content-range");
  if (absl::StartsWith(range, absl::StrCat("bytes ", have_, "-"))) return absl::OkStatus();
  return Mismatch(client_.host(), absl::StrCat("another part of the blob ", blob_.digest,
                                               " than it was asked for"));
}

absl::Status Fetch::Take(const HttpResponse& head, absl::string_view piece) {
  if (!aligned_) VX_RETURN_IF_ERROR(Align(head));
  if (have_ + static_cast<int64_t>(piece.size()) > blob_.size) {
    return Mismatch(client_.host(), absl::StrCat("more than the ", blob_.size, " bytes of the blob ",
                                                 blob_.digest));
  }
  VX_RETURN_IF_ERROR(WriteAll(file_.get(), piece, absl::StrCat("write ", path_)));
  hash_.Update(piece);
  have_ += piece.size();
  on_bytes_(have_);
  return absl::OkStatus();
}

bool Fetch::Progressed() { return std::exchange(reached_, std::max(reached_, have_)) < have_; }

absl::Status Fetch::Download() {
  auto request = [this] { return Request(); };
  auto progressed = [this] { return Progressed(); };
  VX_ASSIGN_OR_RETURN(HttpResponse answer, client_.Call(request, progressed));
  if (answer.code == kRangeWrong) {
    VX_RETURN_IF_ERROR(Truncate());
    VX_ASSIGN_OR_RETURN(answer, client_.Call(request, progressed));
  }
  if (answer.code == 200 || answer.code == kPartial) return absl::OkStatus();
  std::string what = absl::StrCat("the request for the blob ", blob_.digest);
  if (answer.code == 401 || answer.code == 403) {
    return LoginNeeded(client_.host(), what, MessageOf(answer.body));
  }
  return Refused(client_.host(), what, answer.code, answer.body);
}

absl::Status Fetch::Check() {
  if (have_ < blob_.size) {
    return Mismatch(client_.host(), absl::StrCat("only ", have_, " of the ", blob_.size,
                                                 " bytes of the blob ", blob_.digest));
  }
  std::string actual = hash_.Finish();
  if (actual == blob_.digest) return absl::OkStatus();
  return Mismatch(client_.host(), absl::StrCat("something of digest ", actual,
                                               " in place of the blob ", blob_.digest));
}

absl::Status Fetch::Run() {
  VX_RETURN_IF_ERROR(Open());
  while (true) {
    absl::Status fetched = have_ < blob_.size || blob_.size == 0 ? Download() : absl::OkStatus();
    if (fetched.ok()) fetched = Check();
    if (ErrorReason(fetched) != "DIGEST_MISMATCH") return fetched;
    // It may be the earlier attempt's part that is wrong.
    VX_RETURN_IF_ERROR(Truncate());
    if (!std::exchange(resumed_, false)) {
      unlink(path_.c_str());
      return fetched;
    }
  }
}

}  // namespace

absl::Status FetchBlob(Client& client, const std::string& repository,
                       const image::Descriptor& blob, const std::string& path,
                       const std::function<void(int64_t)>& on_bytes) {
  return Fetch(client, repository, blob, path, on_bytes).Run();
}

}  // namespace vx::registry
