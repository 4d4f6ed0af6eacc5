#include "plugins/shim/report.h"

#include <unistd.h>
#include <cerrno>

#include "plugins/shim/protocol.h"
#include "plugins/shim/sys.h"

namespace vx::shim {

bool ReportReady() {
  const bool heard = WriteAll(kReadyFd, "R", 1);
  close(kReadyFd);
  return heard;
}

bool Report(const char* text, size_t size) {
  WriteAll(kReadyFd, text, size);
  return false;
}

bool Report(const char* text) { return Report(text, strlen(text)); }

bool ReportErrno(const char* what) {
  const int error = errno;
  Text<256> text;
  text.Append("can't ").Append(what).Append(": ").Append(strerrordesc_np(error));
  return Report(text.c_str(), text.size());
}

}  // namespace vx::shim
