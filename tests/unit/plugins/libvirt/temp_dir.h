// A folder that goes with the test.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>

#include "daemon/base/file.h"

namespace vx::libvirt {

class TempDir {
 public:
  TempDir() {
    char path[] = "/tmp/vx-libvirt-XXXXXX";
    path_ = mkdtemp(path);
  }
  ~TempDir() { EXPECT_TRUE(RemoveTree(path_).ok()); }
  TempDir(const TempDir&) = delete;

  std::string path(const std::string& name = "") const { return path_ + "/" + name; }
  // Makes a file, with its folder.
  void Write(const std::string& name, const std::string& content) const {
    const std::string file = path(name);
    EXPECT_TRUE(MakeDirs(file.substr(0, file.rfind('/')), 0755).ok());
    EXPECT_TRUE(WriteFileAtomic(file, content, 0644).ok()) << file;
  }

 private:
  std::string path_;
};

}  // namespace vx::libvirt
