#include "daemon/service/restore_stream.h"

namespace vx::service {

absl::Status RestoreStream::Submit() {
  VX_ASSIGN_OR_RETURN(int workloads,
                      context().core.inventory().StageRestore(upload().Close(), header().force()));
  response_->set_workloads(workloads);
  staged_ = true;
  return absl::OkStatus();
}

void RestoreStream::OnDone() {
  // The answer is on its way.
  if (staged_) context().restart();
  UploadStream::OnDone();
}

}  // namespace vx::service
