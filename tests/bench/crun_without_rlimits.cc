// Stands for crun where the caller may not raise its limits, as in most
// containers: hides "rlimits" in the bundle's config.json, or in the process that is to
// be executed, and becomes crun.
// Adds well under a millisecond to what it stands for.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <string_view>

namespace {

// Gives the member "rlimits" a name that no runtime knows.
void HideRlimits(std::string& json) {
  size_t begin = json.find("\"rlimits\"");
  if (begin != std::string::npos) json[begin + 1] = 'x';
}

void StripFile(const std::string& path) {
  int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
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
    const std::string_view option = argv[i];
    if (option == "--bundle" || option == "-b") {
      StripFile(std::string(argv[i + 1]) + "/config.json");
    } else if (option == "--process" || option == "-p") {
      StripFile(argv[i + 1]);
    }
  }
  execv("/usr/bin/crun", argv);
  return 127;
}
