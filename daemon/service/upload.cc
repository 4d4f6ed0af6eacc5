#include "daemon/service/upload.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "daemon/base/ids.h"
#include "daemon/base/status_macros.h"

namespace vx::service {

Upload::~Upload() {
  if (begun()) unlink(path_.c_str());
}

absl::Status Upload::Begin(const std::string& spool_dir) {
  path_ = absl::StrCat(spool_dir, "/", RandomHex(16));
  VX_ASSIGN_OR_RETURN(file_, OpenFile(path_, O_WRONLY | O_CREAT | O_EXCL, 0600));
  return absl::OkStatus();
}

absl::Status Upload::Write(absl::string_view data) {
  return WriteAll(file_.get(), data, "keep the upload in the state directory");
}

const std::string& Upload::Close() {
  file_.reset();
  return path_;
}

std::string Upload::Take() {
  file_.reset();
  return std::exchange(path_, "");
}

}  // namespace vx::service
