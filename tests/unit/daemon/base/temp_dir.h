// A folder for one test, gone with it.
#pragma once

#include <stdlib.h>

#include <string>

#include "daemon/base/file.h"

namespace vx {

class TempDir {
 public:
  explicit TempDir(const std::string& parent = "/tmp") : path_(parent + "/vx-test-XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) abort();
  }
  ~TempDir() { RemoveTree(path_).IgnoreError(); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace vx
