// Room on a disk that is taken in good times, so that there is some in bad ones: a file
// whose blocks are given back a piece at a time.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/base/unique_fd.h"

namespace vx::store {

// How much Fill takes, and Release gives back at once.
inline constexpr int64_t kBallastBytes = int64_t{8} << 20;
inline constexpr int64_t kBallastPiece = int64_t{1} << 20;

class Ballast {
 public:
  // Holds what an earlier one held at `path`.
  static absl::StatusOr<Ballast> Open(const std::string& path);

  // Whether nothing of it is missing.
  bool full() const { return bytes_ >= kBallastBytes; }
  // What is missing, in bytes.
  int64_t missing() const { return kBallastBytes - bytes_; }

  // Takes what is missing; less or nothing where there is no room.
  void Fill();
  // Gives a piece back. False when there is none left.
  bool Release();

 private:
  explicit Ballast(UniqueFd file) : file_(std::move(file)) {}

  UniqueFd file_;
  int64_t bytes_ = 0;
};

}  // namespace vx::store
