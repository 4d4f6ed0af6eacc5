#include "plugins/agent/statistics.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <map>
#include <string>
#include <string_view>

#include "plugins/agent/file.h"

namespace vx::agent {
namespace {

constexpr char kCpus[] = "/sys/devices/system/cpu";
// Of the lists that a guest may make as long as it likes.
constexpr int kMaxDisks = 64, kMaxInterfaces = 64, kMaxAddresses = 64;

// Takes a word off the front of `text`.
std::string_view Word(std::string_view& text) {
  const size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
  text.remove_prefix(begin);
  const size_t end = std::min(text.find_first_of(" \t\n"), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

template <typename F>
void ForEachLine(const std::string& text, F f) {
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    f(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
  }
}

uint64_t Number(std::string_view text) { return strtoull(std::string(text).c_str(), nullptr, 10); }

// user, nice, system, irq, softirq and steal; idle and iowait are the third and fourth.
uint64_t CpuNanos() {
  const std::string stat = ReadSmallFile("/proc/stat");
  std::string_view rest = std::string_view(stat).substr(0, stat.find('\n'));
  if (Word(rest) != "cpu") return 0;
  uint64_t ticks = 0;
  for (int i = 0; i < 8; ++i) {
    const uint64_t value = Number(Word(rest));
    if (i != 3 && i != 4) ticks += value;
  }
  return ticks * (1000000000 / static_cast<uint64_t>(sysconf(_SC_CLK_TCK)));
}

void ReadMemory(v1::Stats& stats) {
  ForEachLine(ReadSmallFile("/proc/meminfo"), [&](std::string_view line) {
    const std::string_view key = Word(line);
    const uint64_t bytes = Number(Word(line)) * 1024;
    if (key == "MemTotal:") stats.set_memory_total_bytes(bytes);
    if (key == "MemAvailable:") stats.set_memory_available_bytes(bytes);
  });
}

// The kernel's own threads are children of the second process.
bool IsProcess(const char* pid) {
  if (pid[0] < '1' || pid[0] > '9' || strcmp(pid, "2") == 0) return false;
  const std::string stat = ReadSmallFile((std::string("/proc/") + pid + "/stat").c_str());
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return false;
  std::string_view rest = std::string_view(stat).substr(name_end + 1);
  Word(rest);
  return Word(rest) != "2";
}

uint32_t CountProcesses() {
  DIR* dir = opendir("/proc");
  if (dir == nullptr) return 0;
  uint32_t count = 0;
  while (const dirent* entry = readdir(dir)) count += IsProcess(entry->d_name) ? 1 : 0;
  closedir(dir);
  return count;
}

void ReadDisks(v1::Stats& stats) {
  ForEachLine(ReadSmallFile("/proc/mounts"), [&](std::string_view line) {
    const std::string_view source = Word(line);
    const std::string target(Word(line));
    struct statvfs size = {};
    if (source.substr(0, 5) != "/dev/" || stats.disks_size() >= kMaxDisks) return;
    if (statvfs(target.c_str(), &size) < 0) return;
    v1::Disk& disk = *stats.add_disks();
    disk.set_mount_point(target);
    disk.set_total_bytes(size.f_blocks * size.f_frsize);
    disk.set_used_bytes((size.f_blocks - size.f_bfree) * size.f_frsize);
  });
}

// "some avg10=0.00 avg60=…", "full …".
bool ReadPressure(const char* path, v1::Pressure& pressure) {
  const std::string text = ReadSmallFile(path);
  ForEachLine(text, [&](std::string_view line) {
    const std::string_view kind = Word(line), avg10 = Word(line);
    if (avg10.substr(0, 6) != "avg10=") return;
    const double value = atof(std::string(avg10.substr(6)).c_str());
    if (kind == "some") pressure.set_some_avg10(value);
    if (kind == "full") pressure.set_full_avg10(value);
  });
  return !text.empty();
}

int PrefixLength(const sockaddr* mask) {
  if (mask == nullptr) return 0;
  int bits = 0;
  const bool v4 = mask->sa_family == AF_INET;
  const auto* bytes =
      v4 ? reinterpret_cast<const uint8_t*>(&reinterpret_cast<const sockaddr_in*>(mask)->sin_addr)
         : reinterpret_cast<const uint8_t*>(
               &reinterpret_cast<const sockaddr_in6*>(mask)->sin6_addr);
  for (int i = 0; i < (v4 ? 4 : 16); ++i) bits += std::popcount(bytes[i]);
  return bits;
}

void AddAddress(const ifaddrs& from, v1::Interface& to) {
  char text[INET6_ADDRSTRLEN];
  const sockaddr* address = from.ifa_addr;
  if (address->sa_family == AF_PACKET) {
    const auto& link = *reinterpret_cast<const sockaddr_ll*>(address);
    if (link.sll_halen != 6) return;
    const auto* m = link.sll_addr;
    snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
    to.set_mac(text);
    return;
  }
  const void* bytes =
      address->sa_family == AF_INET
          ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(address)->sin_addr)
          : &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
  if (to.addresses_size() >= kMaxAddresses) return;
  if (inet_ntop(address->sa_family, bytes, text, sizeof text) == nullptr) return;
  to.add_addresses(std::string(text) + "/" + std::to_string(PrefixLength(from.ifa_netmask)));
}

}  // namespace

v1::Stats ReadStats() {
  v1::Stats stats;
  stats.set_cpu_nanos(CpuNanos());
  ReadMemory(stats);
  stats.set_processes(CountProcesses());
  stats.set_cpus(static_cast<uint32_t>(sysconf(_SC_NPROCESSORS_ONLN)));
  ReadDisks(stats);
  v1::Pressure pressure;
  if (ReadPressure("/proc/pressure/cpu", pressure)) *stats.mutable_cpu_pressure() = pressure;
  if (ReadPressure("/proc/pressure/memory", pressure)) *stats.mutable_memory_pressure() = pressure;
  if (ReadPressure("/proc/pressure/io", pressure)) *stats.mutable_io_pressure() = pressure;
  return stats;
}

v1::Addresses ReadAddresses() {
  v1::Addresses addresses;
  std::map<std::string, v1::Interface> by_name;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) < 0) return addresses;
  for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
    if (by_name.size() >= kMaxInterfaces && by_name.count(each->ifa_name) == 0) continue;
    v1::Interface& interface = by_name[each->ifa_name];
    interface.set_name(each->ifa_name);
    interface.set_up((each->ifa_flags & IFF_UP) != 0);
    const bool known = each->ifa_addr != nullptr && (each->ifa_addr->sa_family == AF_INET ||
                                                     each->ifa_addr->sa_family == AF_INET6 ||
                                                     each->ifa_addr->sa_family == AF_PACKET);
    if (known) AddAddress(*each, interface);
  }
  freeifaddrs(list);
  for (auto& [name, interface] : by_name) *addresses.add_interfaces() = std::move(interface);
  return addresses;
}

int UseAllCpus() {
  DIR* dir = opendir(kCpus);
  if (dir != nullptr) {
    while (const dirent* entry = readdir(dir)) {
      const std::string file = std::string(kCpus) + "/" + entry->d_name + "/online";
      if (strncmp(entry->d_name, "cpu", 3) != 0 || ReadSmallFile(file.c_str()) != "0\n") continue;
      const int fd = open(file.c_str(), O_WRONLY | O_CLOEXEC);
      if (fd < 0) continue;
      if (write(fd, "1", 1) < 0) {
        // It stays unused.
      }
      close(fd);
    }
    closedir(dir);
  }
  return static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
}

}  // namespace vx::agent
