#include "plugins/agent/channel.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <cerrno>

#include "plugins/agent/boot_config.h"
#include "plugins/agent/file.h"
#include "plugins/agent/uevents.h"

namespace vx::agent {
namespace {

constexpr char kPorts[] = "/sys/class/virtio-ports";
constexpr char kGreeting[] = "vx-agent";
// A host that takes longer than this to read a few kilobytes is not there.
constexpr int kHangUpMs = 30000;

std::string Frame(shim::FrameType type, const void* data, size_t size) {
  const shim::FrameHeader header = {type, static_cast<uint32_t>(size)};
  std::string frame(reinterpret_cast<const char*>(&header), sizeof header);
  return frame.append(static_cast<const char*>(data), size);
}

// Name of the device of the port called `name`; empty when it is not there yet.
std::string FindPort(const char* name) {
  DIR* dir = opendir(kPorts);
  if (dir == nullptr) return "";
  std::string found;
  while (const dirent* entry = readdir(dir)) {
    const std::string file = std::string(kPorts) + "/" + entry->d_name + "/name";
    if (entry->d_name[0] != '.' && ReadSmallFile(file.c_str()) == std::string(name) + "\n") {
      found = entry->d_name;
    }
  }
  closedir(dir);
  return found;
}

}  // namespace

int OpenPort(const char* name, int timeout_ms) {
  Uevents events;
  const Deadline deadline(timeout_ms);
  std::string port;
  while ((port = FindPort(name)).empty()) {
    if (!events.WaitForNext(deadline)) return -1;
  }
  return open(("/dev/" + port).c_str(), O_RDWR | O_CLOEXEC);
}

std::string Channel::Introduce() {
  std::string hello(reinterpret_cast<const char*>(&shim::kAgentProtocolVersion),
                    sizeof shim::kAgentProtocolVersion);
  hello += kGreeting;
  // Blocking: waits until the host is connected.
  const std::string frame = Frame(shim::FrameType::kHello, hello.data(), hello.size());
  if (write(fd_, frame.data(), frame.size()) != static_cast<ssize_t>(frame.size())) return "";
  shim::FrameHeader header;
  if (!ReadFully(&header, sizeof header) || header.type != shim::FrameType::kConfig ||
      header.length > kMaxBootConfig) {
    return "";
  }
  std::string config(header.length, '\0');
  if (!ReadFully(config.data(), config.size())) return "";
  SetNonBlocking(fd_, true);
  return config;
}

bool Channel::ReadFully(void* data, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t n = read(fd_, static_cast<char*>(data) + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += n;
  }
  return true;
}

void Channel::Send(shim::FrameType type, const void* data, size_t size) {
  out_.erase(0, sent_);
  sent_ = 0;
  out_ += Frame(type, data, size);
  Flush();
}

bool Channel::Flush() {
  while (busy()) {
    const ssize_t n = write(fd_, out_.data() + sent_, out_.size() - sent_);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN;
    sent_ += n;
  }
  return true;
}

bool Channel::TakeFrame(const Handler& handler, bool& broken) {
  shim::FrameHeader header;
  if (in_.size() < sizeof header) return false;
  memcpy(&header, in_.data(), sizeof header);
  const bool known =
      (header.type == shim::FrameType::kSignal && header.length == sizeof(int32_t)) ||
      (header.type == shim::FrameType::kInput && header.length >= sizeof(shim::InputHeader) &&
       header.length <= sizeof(shim::InputHeader) + shim::kMaxInput);
  broken = !known;
  if (broken || in_.size() < sizeof header + header.length) return false;
  const std::string body = in_.substr(sizeof header, header.length);
  in_.erase(0, sizeof header + header.length);
  handler(header.type, body);
  return true;
}

bool Channel::Receive(const Handler& handler) {
  char buffer[8192];
  const ssize_t n = read(fd_, buffer, sizeof buffer);
  if (n == 0) return false;
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  in_.append(buffer, n);
  bool broken = false;
  while (TakeFrame(handler, broken)) {
  }
  return !broken;
}

bool Channel::WaitWritable() {
  pollfd p = {fd_, POLLOUT, 0};
  while (poll(&p, 1, -1) < 0 && errno == EINTR) {
  }
  return (p.revents & (POLLHUP | POLLERR)) == 0;
}

void Channel::SendLast(shim::FrameType type, const void* data, size_t size) {
  while (busy()) {
    if (!WaitWritable() || !Flush()) return;
  }
  if (!WaitWritable()) return;
  SetNonBlocking(fd_, false);
  const std::string frame = Frame(type, data, size);
  if (write(fd_, frame.data(), frame.size()) < 0) return;
  // The port takes many buffers before the machine does, and what it has not
  // taken is lost with the power: only the host's hanging up tells that all came.
  pollfd p = {fd_, 0, 0};
  while (poll(&p, 1, kHangUpMs) < 0 && errno == EINTR) {
  }
}

}  // namespace vx::agent
