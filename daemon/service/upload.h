// A file that a caller sends, kept in the spool folder until it is whole.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "daemon/base/unique_fd.h"

namespace vx::service {

// Used by one thread at a time. Removes the file unless it was taken.
class Upload {
 public:
  Upload() = default;
  ~Upload();
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  absl::Status Begin(const std::string& spool_dir);
  bool begun() const { return !path_.empty(); }
  absl::Status Write(absl::string_view data);
  // Ends the writing; the file is the Upload's to remove.
  const std::string& Close();
  // Ends the writing; the file is the caller's to remove.
  std::string Take();

 private:
  std::string path_;
  UniqueFd file_;
};

}  // namespace vx::service
