#include "daemon/command_line.h"

#include <getopt.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx {
namespace {

constexpr char kDefaultFile[] = "/etc/vx/vxd.toml";

constexpr char kHelp[] =
    R"(vxd runs virtual machines and containers side by side; vxctl operates it.

Usage: vxd [flags]

  --config FILE             configuration (default /etc/vx/vxd.toml and
                            /etc/vx/vxd.toml.d/*.toml)
  --state-dir DIR           what survives a reboot (default /var/lib/vx)
  --runtime-dir DIR         what need not (default /run/vx)
  --socket PATH             where to serve (default RUNTIME_DIR/vxd.sock)
  --listen HOST:PORT        serve over TCP with mutual TLS (not supported yet)
  --set SECTION.KEY=VALUE   any key of the configuration; repeatable
  --log-level LEVEL         debug, info, warn or error
  --restore FILE            put a backup (vxctl system backup) into the place of
                            the inventory, which is kept, and end; for when
                            vxd refuses to start
  --version, -h, --help

Flags win over the environment (VX_SECTION_KEY), which wins over drop-ins and
file. Two daemons with other directories run side by side.

Example: vxd --state-dir /srv/vx --runtime-dir /run/vx2 --set vm.accel=tcg
)";

absl::Status Usage(const std::string& what) {
  return Error(absl::StatusCode::kInvalidArgument, "USAGE", what, "vxd --help lists the flags");
}

// What the flags say, in their order: applied last, since they win.
struct Flags {
  std::string file;
  std::vector<std::pair<std::string, std::string>> keys;
  std::vector<std::string> assignments;
  CommandLine line;
};

enum Option {
  kConfig = 256,
  kStateDir,
  kRuntimeDir,
  kSocket,
  kListen,
  kSet,
  kLogLevel,
  kRestore,
  kVersion
};

constexpr option kOptions[] = {{"config", required_argument, nullptr, kConfig},
                               {"state-dir", required_argument, nullptr, kStateDir},
                               {"runtime-dir", required_argument, nullptr, kRuntimeDir},
                               {"socket", required_argument, nullptr, kSocket},
                               {"listen", required_argument, nullptr, kListen},
                               {"set", required_argument, nullptr, kSet},
                               {"log-level", required_argument, nullptr, kLogLevel},
                               {"restore", required_argument, nullptr, kRestore},
                               {"version", no_argument, nullptr, kVersion},
                               {"help", no_argument, nullptr, 'h'},
                               {nullptr, 0, nullptr, 0}};

// A shell's user means the folder that the shell is in.
std::string FromHere(const std::string& path) {
  std::error_code error;
  return path.empty() ? path : std::filesystem::absolute(path, error).lexically_normal().string();
}

absl::Status ReadFlags(int argc, char** argv, Flags& flags) {
  opterr = 0;
  for (int c = 0; (c = getopt_long(argc, argv, ":h", kOptions, nullptr)) != -1;) {
    switch (c) {
      case 'h':
        fputs(kHelp, stdout);
        flags.line.exit = true;
        return absl::OkStatus();
      case kVersion:
        printf("vxd %s\n", VX_VERSION);
        flags.line.exit = true;
        return absl::OkStatus();
      case kConfig:
        flags.file = optarg;
        break;
      case kStateDir:
        flags.keys.emplace_back("daemon.state_dir", FromHere(optarg));
        break;
      case kRuntimeDir:
        flags.keys.emplace_back("daemon.runtime_dir", FromHere(optarg));
        break;
      case kSocket:
        flags.keys.emplace_back("daemon.socket", FromHere(optarg));
        break;
      case kListen:
        flags.keys.emplace_back("daemon.listen", optarg);
        break;
      case kLogLevel:
        flags.keys.emplace_back("log.level", optarg);
        break;
      case kRestore:
        flags.line.restore = FromHere(optarg);
        break;
      case kSet:
        flags.assignments.push_back(optarg);
        break;
      case ':':
        return Usage(absl::StrCat(argv[optind - 1], " needs a value"));
      default:
        return Usage(absl::StrCat("unknown flag ", argv[optind - 1]));
    }
  }
  if (optind < argc) return Usage(absl::StrCat("unexpected argument ", argv[optind]));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(int argc, char** argv, Config& config) {
  Flags flags;
  VX_RETURN_IF_ERROR(ReadFlags(argc, argv, flags));
  if (flags.line.exit) return flags.line;
  const bool own_file = !flags.file.empty();
  VX_RETURN_IF_ERROR(config.ReadFiles(own_file ? flags.file : kDefaultFile, own_file));
  VX_RETURN_IF_ERROR(config.ReadEnvironment());
  for (const auto& [key, value] : flags.keys) VX_RETURN_IF_ERROR(config.Set(key, value, "flags"));
  for (const std::string& assignment : flags.assignments) {
    VX_RETURN_IF_ERROR(config.Set(assignment));
  }
  if (config.Get("daemon.socket").empty()) {
    VX_RETURN_IF_ERROR(config.Set(
        "daemon.socket", absl::StrCat(config.Get("daemon.runtime_dir"), "/vxd.sock"), "default"));
  }
  return flags.line;
}

}  // namespace vx
