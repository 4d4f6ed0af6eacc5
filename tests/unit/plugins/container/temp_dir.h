// A folder that is gone when the test is over.
#pragma once

#include <cstdlib>
#include <string>

#include "daemon/base/file.h"

namespace vx::container {

class TempDir {
 public:
  TempDir() {
    char name[] = "/tmp/vx-test-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~TempDir() { RemoveTree(path_).IgnoreError(); }

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace vx::container
