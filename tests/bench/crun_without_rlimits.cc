// Stands for crun where the caller may not raise its limits, as in most
// containers: hides "rlimits" in the bundle's config.json and becomes crun.
// Adds well under a millisecond to what it stands for.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <string>

namespace {

// Gives the member "rlimits" a name that no runtime knows.
void HideRlimits(std::string& json) {
  size_t begin = json.find("\"rlimits\"");
  if (begin != std::string::npos) json[begin + 1] = 'x';
}

void StripBundle(const std::string& dir) {
  int fd = open((dir + "/config.json").c_str(), O_RDWR | O_CLOEXEC);
  struct stat info{};
  if (fd < 0 || fstat(fd, &info) < 0) return;
  std::string json(static_cast<size_t>(info.st_size), '\0');
  if (pread(fd, json.data(), json.size(), 0) == info.st_size) {
    HideRlimits(json);
    if (pwrite(fd, json.data(), json.size(), 0) < 0) return;
  }
  close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (strcmp(argv[i], "--bundle") == 0 || strcmp(argv[i], "-b") == 0) StripBundle(argv[i + 1]);
  }
  execv("/usr/bin/crun", argv);
  return 127;
}
