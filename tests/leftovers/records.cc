// What is written down for the whole host: claims of ids, shared memory.
#include "tests/leftovers/context.h"

namespace vx::leftovers {
namespace {

constexpr char kPosix[] = "/dev/shm";
constexpr char kSystemV[] = "/proc/sysvipc/shm";

// Also the name of a semaphore.
std::string PlainName(const std::string& name) {
  return name.starts_with("sem.") ? name.substr(4) : name;
}

// "KEY ID PERMISSIONS BYTES CREATOR …" below a line of headings. Nothing in it says
// whose it is.
void FindSystemV(Context& context) {
  std::vector<std::string> lines = Split(ReadAll(kSystemV), '\n');
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> fields = Split(lines[i], ' ');
    if (fields.size() < 5) continue;
    context.Add("shm", "System V " + fields[1], fields[3] + " bytes, made by process " + fields[4]);
  }
}

}  // namespace

void FindClaims(Context& context) {
  for (const std::string& line : Split(ReadAll(context.scope.claims_file), '\n')) {
    if (context.scope.host || context.marks.IsLeft(context.marks.Of(line))) {
      context.Add("claim", line, "in " + context.scope.claims_file);
    }
  }
}

void FindSharedMemory(Context& context) {
  for (const std::string& name : Entries(kPosix)) {
    if (context.IsLeft(PlainName(name))) context.Add("shm", name, std::string("in ") + kPosix);
  }
  if (context.scope.host) FindSystemV(context);
}

}  // namespace vx::leftovers
