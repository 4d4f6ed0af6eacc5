// What a guest's agent is told: the blob that travels from the libvirt driver by
// vx-shim's kConfig frame. With boot_network.h and wire.h what the driver and the agent
// share.
//
// Form: the 4 bytes "VXB1", then fields, each a tag byte, a little-endian
// uint32_t length and that many bytes; kEnd, of length 0, is the last. Texts hold
// no NUL. A decoder refuses what it does not know: both ends are of one build.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/agent/boot_network.h"

namespace vx::agent {

// A filesystem in memory.
struct BootTmpfs {
  // Absolute.
  std::string target;
  uint64_t size_bytes = 0;
  uint32_t mode = 01777;
  bool exec = false;

  bool operator==(const BootTmpfs&) const = default;
};

// A folder of the host, or a disk with a filesystem on it.
struct BootShare {
  // Of its tag, or its disk's serial number: "vxN".
  uint32_t number = 0;
  bool disk = false;
  // Absolute.
  std::string target;
  bool read_only = false;
  // It gets what the image has at `target`, if nothing is in it.
  bool copy_up = false;

  bool operator==(const BootShare&) const = default;
};

struct BootConfig {
  // At least one.
  std::vector<std::string> argv;
  // "K=V".
  std::vector<std::string> env;
  // Absolute.
  std::string working_dir = "/";
  // "user[:group]", names or numbers; empty: root.
  std::string user;
  std::string hostname;
  // The command has a terminal; has an input.
  bool tty = false;
  bool stdin = false;
  // The root can't be written to.
  bool read_only = false;
  // Each list with outer ones first.
  std::vector<BootTmpfs> tmpfs;
  std::vector<BootShare> shares;
  // Its networks; without any, no link but the loopback is touched.
  std::vector<BootNic> nics;
  // What /etc/resolv.conf and /etc/hosts say in place of the image's; empty: the image's.
  std::string resolver;
  std::string hosts;

  bool operator==(const BootConfig&) const = default;
};

inline constexpr char kBootConfigMagic[] = "VXB1";

enum class BootField : uint8_t {
  kEnd = 0,
  kArg = 1,  // once for each
  kEnv = 2,  // once for each
  kWorkingDir = 3,
  kUser = 4,
  kHostname = 5,
  kTty = 6,       // empty
  kStdin = 7,     // empty
  kReadOnly = 8,  // empty
  kTmpfs = 9,     // "SIZE MODE EXEC TARGET", decimal numbers; once for each
  kNic = 10,      // boot_network.h has its form; once for each
  kResolver = 11,
  kHosts = 12,
  kShare = 13,    // "NUMBER DISK READ_ONLY COPY_UP TARGET", decimal numbers; once for each
};

// Bounds that both sides keep; the kernel's own are not larger.
inline constexpr uint32_t kMaxBootConfig = 1024 * 1024;
inline constexpr uint32_t kMaxBootItems = 8192;
inline constexpr uint32_t kMaxHostname = 64;
inline constexpr uint32_t kMaxPath = 4095;

// Fills `config`; nullptr, or what is wrong with the blob (then `config` is
// unspecified).
const char* DecodeBootConfig(std::string_view blob, BootConfig& config);

// nullptr, or which rule above `config` breaks.
const char* CheckBootConfig(const BootConfig& config);

// For a config that passes CheckBootConfig.
std::string EncodeBootConfig(const BootConfig& config);

}  // namespace vx::agent
