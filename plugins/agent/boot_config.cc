#include "plugins/agent/boot_config.h"

#include <charconv>
#include <cstring>

namespace vx::agent {
namespace {

constexpr size_t kMagicSize = sizeof kBootConfigMagic - 1;
constexpr size_t kFieldHeader = 1 + sizeof(uint32_t);

struct Field {
  BootField tag;
  std::string_view value;
};

// Takes the first field off `rest`; false when it is cut short.
bool TakeField(std::string_view& rest, Field& field) {
  if (rest.size() < kFieldHeader) return false;
  uint32_t length;
  memcpy(&length, rest.data() + 1, sizeof length);
  field.tag = static_cast<BootField>(rest[0]);
  rest.remove_prefix(kFieldHeader);
  if (length > rest.size()) return false;
  field.value = rest.substr(0, length);
  rest.remove_prefix(length);
  return true;
}

// Takes a number and the space behind it off `rest`.
bool TakeNumber(std::string_view& rest, uint64_t& number) {
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  const size_t used = static_cast<size_t>(end - rest.data());
  if (error != std::errc() || used >= rest.size() || rest[used] != ' ') return false;
  rest.remove_prefix(used + 1);
  return true;
}

bool DecodeTmpfs(std::string_view value, BootConfig& config) {
  BootTmpfs tmpfs;
  uint64_t mode = 0, exec = 0;
  if (!TakeNumber(value, tmpfs.size_bytes) || !TakeNumber(value, mode) ||
      !TakeNumber(value, exec) || mode > 07777) {
    return false;
  }
  tmpfs.mode = static_cast<uint32_t>(mode);
  tmpfs.exec = exec != 0;
  tmpfs.target = value;
  config.tmpfs.push_back(tmpfs);
  return true;
}

std::string EncodeTmpfs(const BootTmpfs& tmpfs) {
  return std::to_string(tmpfs.size_bytes) + " " + std::to_string(tmpfs.mode) +
         (tmpfs.exec ? " 1 " : " 0 ") + tmpfs.target;
}

bool DecodeShare(std::string_view value, BootConfig& config) {
  BootShare share;
  uint64_t number = 0, disk = 0, read_only = 0, copy_up = 0;
  if (!TakeNumber(value, number) || !TakeNumber(value, disk) || !TakeNumber(value, read_only) ||
      !TakeNumber(value, copy_up) || number > kMaxBootItems) {
    return false;
  }
  share.number = static_cast<uint32_t>(number);
  share.disk = disk != 0;
  share.read_only = read_only != 0;
  share.copy_up = copy_up != 0;
  share.target = value;
  config.shares.push_back(share);
  return true;
}

std::string EncodeShare(const BootShare& share) {
  return std::to_string(share.number) + (share.disk ? " 1" : " 0") + (share.read_only ? " 1" : " 0") +
         (share.copy_up ? " 1 " : " 0 ") + share.target;
}

// nullptr, or why the field can't be.
const char* Apply(const Field& field, BootConfig& config) {
  const std::string value(field.value);
  switch (field.tag) {
    case BootField::kArg:
      config.argv.push_back(value);
      return nullptr;
    case BootField::kEnv:
      config.env.push_back(value);
      return nullptr;
    case BootField::kWorkingDir:
      config.working_dir = value;
      return nullptr;
    case BootField::kUser:
      config.user = value;
      return nullptr;
    case BootField::kHostname:
      config.hostname = value;
      return nullptr;
    case BootField::kTty:
      config.tty = true;
      return nullptr;
    case BootField::kStdin:
      config.stdin = true;
      return nullptr;
    case BootField::kReadOnly:
      config.read_only = true;
      return nullptr;
    case BootField::kTmpfs:
      return DecodeTmpfs(field.value, config) ? nullptr : "a malformed tmpfs";
    case BootField::kNic:
      return DecodeNic(field.value, config.nics.emplace_back()) ? nullptr : "a malformed network";
    case BootField::kResolver:
      config.resolver = value;
      return nullptr;
    case BootField::kHosts:
      config.hosts = value;
      return nullptr;
    case BootField::kShare:
      return DecodeShare(field.value, config) ? nullptr : "a malformed share";
    case BootField::kEnd:
      return value.empty() ? nullptr : "an end with content";
  }
  return "an unknown field";
}

bool HasNul(const std::string& text) { return text.find('\0') != std::string::npos; }

bool AnyHasNul(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    if (HasNul(text)) return true;
  }
  return false;
}

size_t EncodedSize(const BootConfig& config) {
  size_t size = kMagicSize + kFieldHeader * 9 + config.working_dir.size() + config.user.size() +
                config.hostname.size() + config.resolver.size() + config.hosts.size();
  for (const std::string& arg : config.argv) size += kFieldHeader + arg.size();
  for (const std::string& variable : config.env) size += kFieldHeader + variable.size();
  for (const BootTmpfs& tmpfs : config.tmpfs) size += kFieldHeader + EncodeTmpfs(tmpfs).size();
  for (const BootNic& nic : config.nics) size += kFieldHeader + EncodeNic(nic).size();
  for (const BootShare& share : config.shares) size += kFieldHeader + EncodeShare(share).size();
  return size;
}

void Append(std::string& blob, BootField tag, const std::string& value) {
  const uint32_t length = static_cast<uint32_t>(value.size());
  blob.push_back(static_cast<char>(tag));
  blob.append(reinterpret_cast<const char*>(&length), sizeof length);
  blob.append(value);
}

template <typename Mount>
const char* CheckTargets(const std::vector<Mount>& all) {
  for (const Mount& mount : all) {
    if (mount.target.empty() || mount.target[0] != '/' || mount.target.size() > kMaxPath) {
      return "a mount whose path is not absolute, or too long";
    }
    if (HasNul(mount.target)) return "a NUL character";
  }
  return nullptr;
}

const char* CheckNics(const std::vector<BootNic>& nics) {
  if (nics.size() > kMaxNics) return "too many networks";
  for (const BootNic& nic : nics) {
    if (const char* error = CheckNic(nic)) return error;
  }
  return nullptr;
}

size_t CountItems(const BootConfig& config) {
  return config.argv.size() + config.env.size() + config.tmpfs.size() +
         config.shares.size() + config.nics.size();
}

}  // namespace

const char* CheckBootConfig(const BootConfig& config) {
  if (config.argv.empty()) return "no command";
  if (CountItems(config) > kMaxBootItems) {
    return "too many arguments and variables";
  }
  if (EncodedSize(config) > kMaxBootConfig) return "arguments and variables are too long";
  if (config.working_dir.empty() || config.working_dir[0] != '/') {
    return "a working directory that is not absolute";
  }
  if (config.working_dir.size() > kMaxPath) return "a working directory that is too long";
  if (config.hostname.size() > kMaxHostname) return "a hostname of more than 64 characters";
  if (AnyHasNul(config.argv) || AnyHasNul(config.env) || HasNul(config.working_dir) ||
      HasNul(config.user) || HasNul(config.hostname) || HasNul(config.resolver) ||
      HasNul(config.hosts)) {
    return "a NUL character";
  }
  if (const char* error = CheckTargets(config.tmpfs)) return error;
  if (const char* error = CheckTargets(config.shares)) return error;
  return CheckNics(config.nics);
}

const char* DecodeBootConfig(std::string_view blob, BootConfig& config) {
  config = BootConfig();
  if (blob.size() > kMaxBootConfig) return "it is too long";
  if (blob.substr(0, kMagicSize) != kBootConfigMagic) return "it has another format";
  blob.remove_prefix(kMagicSize);
  Field field;
  do {
    if (!TakeField(blob, field)) return "it is cut short";
    if (const char* error = Apply(field, config)) return error;
    if (CountItems(config) > kMaxBootItems) {
      return "it has too many items";
    }
  } while (field.tag != BootField::kEnd);
  if (!blob.empty()) return "something follows its end";
  return CheckBootConfig(config);
}

std::string EncodeBootConfig(const BootConfig& config) {
  std::string blob = kBootConfigMagic;
  blob.reserve(EncodedSize(config));
  for (const std::string& arg : config.argv) Append(blob, BootField::kArg, arg);
  for (const std::string& variable : config.env) Append(blob, BootField::kEnv, variable);
  Append(blob, BootField::kWorkingDir, config.working_dir);
  Append(blob, BootField::kUser, config.user);
  Append(blob, BootField::kHostname, config.hostname);
  if (config.tty) Append(blob, BootField::kTty, "");
  if (config.stdin) Append(blob, BootField::kStdin, "");
  if (config.read_only) Append(blob, BootField::kReadOnly, "");
  for (const BootTmpfs& tmpfs : config.tmpfs) {
    Append(blob, BootField::kTmpfs, EncodeTmpfs(tmpfs));
  }
  for (const BootNic& nic : config.nics) Append(blob, BootField::kNic, EncodeNic(nic));
  if (!config.resolver.empty()) Append(blob, BootField::kResolver, config.resolver);
  if (!config.hosts.empty()) Append(blob, BootField::kHosts, config.hosts);
  for (const BootShare& share : config.shares) {
    Append(blob, BootField::kShare, EncodeShare(share));
  }
  Append(blob, BootField::kEnd, "");
  return blob;
}

}  // namespace vx::agent
