#include "tests/leftovers/context.h"

namespace vx::leftovers {
namespace {

constexpr std::string_view kPrefix = "vx";
// QEMU's command lines are pages.
constexpr size_t kMaxText = 300;

// Blanks for what would break a line.
std::string OneLine(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return text;
}

std::string Shortened(const std::string& text) {
  return text.size() <= kMaxText ? text : text.substr(0, kMaxText) + "...";
}

}  // namespace

Context::Context(const Scope& wanted)
    : scope(wanted),
      marks(wanted),
      processes(ReadProcesses()),
      mount_namespace(ReadLink("/proc/thread-self/ns/mnt")),
      net_namespace(ReadLink("/proc/thread-self/ns/net")) {}

void Context::Add(const std::string& kind, const std::string& name, const std::string& detail) {
  report.findings.insert({kind, OneLine(name), Shortened(OneLine(detail))});
}

bool Context::IsLeft(std::string_view name) const {
  const size_t slash = name.rfind('/');
  const std::string_view base = slash == name.npos ? name : name.substr(slash + 1);
  return (scope.host && base.starts_with(kPrefix)) || marks.IsLeft(marks.Of(name));
}

std::string Described(const Process& process) {
  return Shortened(process.CommandLine()) + " (" + std::to_string(process.pid) + ")";
}

std::string InodeKey(uint64_t device, uint64_t inode) {
  return std::to_string(device) + ":" + std::to_string(inode);
}

}  // namespace vx::leftovers
