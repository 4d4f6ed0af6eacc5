// Streams of bytes that are pulled piece by piece, and what an image may cost.
//
// None of these is thread-safe, but for Budget.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/base/cancellation.h"
#include "daemon/base/unique_fd.h"
#include "daemon/image/digest.h"

namespace vx::image {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // The next piece, valid until the next call; empty at the end. After an error
  // the stream is of no more use.
  virtual absl::StatusOr<absl::string_view> Next() = 0;
};

class FileSource : public ByteSource {
 public:
  static absl::StatusOr<FileSource> Open(const std::string& path);
  absl::StatusOr<absl::string_view> Next() override;

 private:
  FileSource(UniqueFd fd, std::string path);

  UniqueFd fd_;
  std::string path_;
  std::vector<char> buffer_;
};

// What may still be spent of a bound. Thread-safe.
class Budget {
 public:
  // `key` is the bound's name in vxd.toml.
  Budget(int64_t bytes, std::string key) : total_(bytes), left_(bytes), key_(std::move(key)) {}
  Budget(const Budget&) = delete;

  // RESOURCE_EXHAUSTED (IMAGE_TOO_LARGE) when less is left.
  absl::Status Spend(int64_t bytes);

 private:
  const int64_t total_;
  std::atomic<int64_t> left_;
  const std::string key_;
};

// Passes a tar on, and at its end the zeros up to a whole block of 512 bytes, which some
// writers of layers leave away.
class BlockSource : public ByteSource {
 public:
  // Borrowed.
  explicit BlockSource(ByteSource* source) : source_(source) {}
  absl::StatusOr<absl::string_view> Next() override;

 private:
  ByteSource* source_;
  int64_t bytes_ = 0;
};

// Passes another source on, hashing and counting. Both are borrowed.
class MeteredSource : public ByteSource {
 public:
  // `budget` and `cancellation`, which are borrowed too, may be null.
  MeteredSource(ByteSource* source, Budget* budget, Cancellation* cancellation = nullptr)
      : source_(source), budget_(budget), cancellation_(cancellation) {}
  absl::StatusOr<absl::string_view> Next() override;

  // Reads to the end, then the digest of all that passed. Call it once, last.
  absl::StatusOr<std::string> Finish();
  int64_t bytes() const { return bytes_; }

 private:
  ByteSource* source_;
  Budget* budget_;
  Cancellation* cancellation_;
  Sha256 hash_;
  int64_t bytes_ = 0;
};

}  // namespace vx::image
