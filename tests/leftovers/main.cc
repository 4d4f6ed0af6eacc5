// vx-leftovers: says what vx left on this host, one line each; see leftovers.h.
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

#include "tests/leftovers/leftovers.h"

namespace {

using vx::leftovers::Finding;
using vx::leftovers::Instance;
using vx::leftovers::Report;
using vx::leftovers::Scope;

constexpr int kNothing = 0, kSomething = 1, kMisuse = 2;

constexpr char kUsage[] =
    R"(usage: vx-leftovers WHAT... [--save FILE | --since FILE] [--wait SECONDS]

what to look for, one or more of:
  --state-dir DIR --runtime-dir DIR
                     all of the vxd that has these folders; and with them
    --instance ID      its id, where STATE/instance-id does not say it
    --alive            it runs: only what is of a workload that there is not
    --workload UID     its inventory holds this workload; it may have files
    --running UID      and that one runs; it may have all the rest
  --dir DIR          what names this folder or is below it; DIR* also what
                     begins so, and these themselves
  --programs DIR     processes of programs below this folder
  --host             what has a name that begins with "vx"; all claims of ids;
                     all System V shared memory
  --here             mounts, links and nftables of these namespaces, whatever
                     their names
  --children         children of the tester

  --tester PID       whose children count; it and its parents never do
                     (default: the parent of this process)
  --claims FILE      instead of /run/vx-id-ranges
  --save FILE        writes what is found there, for --since; exit status 0
  --since FILE       leaves out what is in that file
  --wait SECONDS     gives what is on its way out that long to be gone

prints a line for each thing; exit status 0 when there is none, 1 when there is
one, 2 for misuse
)";

enum Option {
  kState = 256,
  kRuntime,
  kInstance,
  kAlive,
  kWorkload,
  kRunning,
  kDir,
  kPrograms,
  kHost,
  kHere,
  kChildren,
  kTester,
  kClaims,
  kSave,
  kSince,
  kWait,
  kHelp,
};

constexpr option kOptions[] = {{"state-dir", required_argument, nullptr, kState},
                               {"runtime-dir", required_argument, nullptr, kRuntime},
                               {"instance", required_argument, nullptr, kInstance},
                               {"alive", no_argument, nullptr, kAlive},
                               {"workload", required_argument, nullptr, kWorkload},
                               {"running", required_argument, nullptr, kRunning},
                               {"dir", required_argument, nullptr, kDir},
                               {"programs", required_argument, nullptr, kPrograms},
                               {"host", no_argument, nullptr, kHost},
                               {"here", no_argument, nullptr, kHere},
                               {"children", no_argument, nullptr, kChildren},
                               {"tester", required_argument, nullptr, kTester},
                               {"claims", required_argument, nullptr, kClaims},
                               {"save", required_argument, nullptr, kSave},
                               {"since", required_argument, nullptr, kSince},
                               {"wait", required_argument, nullptr, kWait},
                               {"help", no_argument, nullptr, kHelp},
                               {}};

struct Request {
  Scope scope;
  Instance instance;
  bool of_instance = false;  // something was said of one
  std::string save, since;
  double wait = 0;
  bool help = false;
};

// Whole, and not negative.
bool ParseNumber(const char* text, double& number) {
  char* end = nullptr;
  number = strtod(text, &end);
  return end != text && *end == '\0' && number >= 0 && number < 1e6;
}

bool TakeOfInstance(int key, const char* value, Request& request) {
  Instance& instance = request.instance;
  switch (key) {
    case kState:
      instance.state_dir = value;
      break;
    case kRuntime:
      instance.runtime_dir = value;
      break;
    case kInstance:
      instance.id = value;
      break;
    case kAlive:
      instance.alive = true;
      break;
    case kWorkload:
      instance.workloads.insert(value);
      break;
    case kRunning:
      instance.running.insert(value);
      break;
    default:
      return false;
  }
  request.of_instance = true;
  return true;
}

// False for what is no option, or has no such value.
bool Take(int key, const char* value, Request& request) {
  if (TakeOfInstance(key, value, request)) return true;
  Scope& scope = request.scope;
  switch (key) {
    case kDir:
      scope.dirs.push_back(value);
      return true;
    case kPrograms:
      scope.programs = value;
      return true;
    case kHost:
      return scope.host = true;
    case kHere:
      return scope.here = true;
    case kChildren:
      return scope.children = true;
    case kTester:
      scope.tester = atoi(value);
      return scope.tester > 0;
    case kClaims:
      scope.claims_file = value;
      return true;
    case kSave:
      request.save = value;
      return true;
    case kSince:
      request.since = value;
      return true;
    case kWait:
      return ParseNumber(value, request.wait);
    case kHelp:
      return request.help = true;
    default:
      return false;
  }
}

bool IsHex(const std::string& text, size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == text.npos;
}

// What is wrong with the request, or nothing.
std::string Check(const Request& request) {
  const Scope& scope = request.scope;
  const Instance& instance = request.instance;
  const bool both = !instance.state_dir.empty() && !instance.runtime_dir.empty();
  if (request.of_instance && !both) return "an instance has a --state-dir and a --runtime-dir";
  if (!instance.id.empty() && !IsHex(instance.id, 8)) return "an instance id has 8 hex digits";
  for (const auto* uids : {&instance.workloads, &instance.running}) {
    for (const std::string& uid : *uids) {
      if (!IsHex(uid, 32)) return "a workload's uid has 32 hex digits, not " + uid;
    }
  }
  for (const std::string& dir : scope.dirs) {
    if (!dir.starts_with('/')) return "--dir wants a whole path, not " + dir;
  }
  if (!request.save.empty() && !request.since.empty()) return "--save or --since, not both";
  const bool something = request.of_instance || !scope.dirs.empty() || !scope.programs.empty() ||
                         scope.host || scope.here || scope.children;
  return something ? "" : "say what to look for";
}

int Misuse(const std::string& problem) {
  fprintf(stderr, "vx-leftovers: %s\n%s", problem.c_str(), kUsage);
  return kMisuse;
}

int SaveTo(const Request& request) {
  const int error = Save(vx::leftovers::Look(request.scope).findings, request.save);
  if (error == 0) return kNothing;
  fprintf(stderr, "vx-leftovers: can't write %s: %s\n", request.save.c_str(), strerror(error));
  return kMisuse;
}

int Tell(const Report& report) {
  for (const std::string& note : report.notes) fprintf(stderr, "note: %s\n", note.c_str());
  for (const std::string& line : report.Lines()) printf("%s\n", line.c_str());
  return report.findings.empty() ? kNothing : kSomething;
}

int Run(const Request& request) {
  if (!request.save.empty()) return SaveTo(request);
  std::set<Finding> before;
  if (!request.since.empty()) {
    auto loaded = vx::leftovers::Load(request.since);
    if (!loaded) return Misuse("can't read " + request.since);
    before = std::move(*loaded);
  }
  const auto wait = std::chrono::milliseconds(static_cast<int64_t>(request.wait * 1000));
  return Tell(LookAfter(request.scope, before, wait));
}

}  // namespace

int main(int argc, char** argv) {
  Request request;
  request.scope.tester = getppid();
  for (int key = 0; (key = getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
    if (!Take(key, optarg, request))
      return Misuse("what is " + std::string(argv[optind - 1]) + "?");
  }
  if (request.help) return printf("%s", kUsage) > 0 ? kNothing : kMisuse;
  if (optind < argc) return Misuse("what is " + std::string(argv[optind]) + "?");
  if (const std::string problem = Check(request); !problem.empty()) return Misuse(problem);
  if (request.of_instance) request.scope.instance = request.instance;
  return Run(request);
}
