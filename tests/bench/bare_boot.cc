// A guest without vx: boots a kernel and an initramfs by libvirt alone, and tells
// how long it took from the create to the first byte on the output port.
//
// usage: bench_bare_boot FOLDER KERNEL INITRD CMDLINE EMULATOR TYPE MACHINE MIB DISK
//
// For each line "boot" on stdin: one boot, without a disk, one line with milliseconds on
// stdout. "keep" boots one whose root is DISK, in qcow2, and that runs an idle command
// there; it tells its QEMU's pid. The next line, "end", ends it and is answered. FOLDER is
// empty, short, and its own.
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <string>
#include <thread>

#include "plugins/agent/boot_config.h"
#include "plugins/shim/protocol.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kBootTimeoutMs = 60000;

struct Guest {
  std::string folder, kernel, initrd, cmdline, emulator, type, machine, mib, disk;
};

[[noreturn]] void Die(const std::string& what) {
  std::cerr << "bench_bare_boot: " << what << "\n";
  exit(1);
}

std::string Escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '\'')
      out += "&apos;";
    else
      out += c;
  }
  return out;
}

std::string DiskXml(const Guest& g) {
  return "<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='unsafe'/>"
         "<source file='" + Escaped(g.disk) + "'/><target dev='vda' bus='virtio'/></disk>";
}

std::string DomainXml(const Guest& g, bool disk) {
  return "<domain type='" + g.type + "'><name>bare</name><memory unit='MiB'>" + g.mib +
         "</memory><vcpu>1</vcpu><os><type machine='" + g.machine + "'>hvm</type><kernel>" +
         Escaped(g.kernel) + "</kernel><initrd>" + Escaped(g.initrd) + "</initrd><cmdline>" +
         Escaped(g.cmdline) + "</cmdline></os><features><acpi/></features>" +
         (g.type == "qemu" ? "<cpu mode='custom' match='exact'><model>qemu64</model></cpu>"
                           : "<cpu mode='host-passthrough'/>") +
         "<seclabel type='none'/><on_poweroff>destroy</on_poweroff><devices><emulator>" +
         Escaped(g.emulator) +
         "</emulator><controller type='usb' model='none'/><memballoon model='none'/>" +
         (disk ? DiskXml(g) : std::string()) +
         "<channel type='unix'><source mode='connect' path='" + g.folder +
         "/output'/>"
         "<target type='virtio' name='org.vx.output.0'/></channel></devices></domain>";
}

int Listen(const std::string& path) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  unlink(path.c_str());
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 || listen(fd, 4) < 0) {
    Die("listen on " + path);
  }
  chmod(path.c_str(), 0666);
  return fd;
}

void WaitReadable(int fd) {
  pollfd poll_fd{fd, POLLIN, 0};
  if (poll(&poll_fd, 1, kBootTimeoutMs) != 1) Die("the guest says nothing");
}

pid_t ReadPid(const std::string& file) {
  pid_t pid = 0;
  std::ifstream(file) >> pid;
  return pid;
}

pid_t QemuPid(const Guest& guest) { return ReadPid(guest.folder + "/root/run/qemu/bare.pid"); }

// A probe removes its pid file before it ends.
void ReapProbes(const std::string& folder, std::set<pid_t>& probes) {
  std::error_code none_yet;
  for (const auto& entry : std::filesystem::directory_iterator(folder, none_yet)) {
    probes.insert(ReadPid(entry.path() / "qmp.pid"));
  }
  probes.erase(0);
  for (pid_t probe : probes) waitpid(probe, nullptr, WNOHANG);
}

// Has libvirt find out what QEMU can do, which takes seconds, and does not end before its
// probes were reaped.
void WarmUp(virConnectPtr connection, const Guest& guest) {
  std::atomic<bool> done = false;
  std::thread reaper([&] {
    std::set<pid_t> probes;
    for (; !done; std::this_thread::sleep_for(std::chrono::milliseconds(20))) {
      ReapProbes(guest.folder + "/root/lib/qemu", probes);
    }
  });
  char* known = virConnectGetDomainCapabilities(connection, guest.emulator.c_str(), "x86_64",
                                                guest.machine.c_str(), guest.type.c_str(), 0);
  done = true;
  reaper.join();
  if (known == nullptr) Die(virGetLastErrorMessage());
  free(known);
}

struct Running {
  virDomainPtr domain;
  int port;
  double ms;
};

// Like vx's shim: answers the agent's hello with what is to be run.
void StartCommand(int port) {
  char hello[64];
  if (read(port, hello, sizeof hello) <= 0) Die("the agent is gone");
  vx::agent::BootConfig config;
  config.argv = {"sleep", "100000"};
  config.env = {"PATH=/bin"};
  const std::string blob = vx::agent::EncodeBootConfig(config);
  const vx::shim::FrameHeader header = {vx::shim::FrameType::kConfig,
                                        static_cast<uint32_t>(blob.size())};
  std::string frame(reinterpret_cast<const char*>(&header), sizeof header);
  frame += blob;
  if (write(port, frame.data(), frame.size()) != static_cast<ssize_t>(frame.size())) {
    Die("the agent does not read");
  }
  WaitReadable(port);
  vx::shim::FrameHeader answer;
  if (read(port, &answer, sizeof answer) != sizeof answer ||
      answer.type != vx::shim::FrameType::kStarted) {
    Die("the agent can't run the command");
  }
}

Running Boot(virConnectPtr connection, const Guest& guest, int listener, bool disk) {
  Clock::time_point begin = Clock::now();
  virDomainPtr domain = virDomainCreateXML(connection, DomainXml(guest, disk).c_str(), 0);
  if (domain == nullptr) Die(virGetLastErrorMessage());
  WaitReadable(listener);
  int port = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  WaitReadable(port);
  return {domain, port, std::chrono::duration<double, std::milli>(Clock::now() - begin).count()};
}

// libvirt leaves QEMU to its parent to reap; without that a destroy takes seconds.
void End(const Running& running, const Guest& guest) {
  std::thread reaper([pid = QemuPid(guest)] { waitpid(pid, nullptr, 0); });
  virDomainDestroy(running.domain);
  virDomainFree(running.domain);
  reaper.join();
  close(running.port);
}

void Answer(double figure) {
  printf("%.1f\n", figure);
  fflush(stdout);
}

// One that stays until the next line.
void Keep(const Running& running, const Guest& guest) {
  StartCommand(running.port);
  Answer(QemuPid(guest));
  std::string line;
  std::getline(std::cin, line);
  End(running, guest);
  Answer(0);
}

void Obey(const std::string& line, virConnectPtr connection, const Guest& guest, int listener) {
  const bool keep = line == "keep";
  const Running running = Boot(connection, guest, listener, keep);
  if (keep) return Keep(running, guest);
  End(running, guest);
  Answer(running.ms);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 10) Die("see the file's comment for its arguments");
  Guest guest{argv[1], argv[2], argv[3], argv[4], argv[5], argv[6], argv[7], argv[8], argv[9]};
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  virEventRegisterDefaultImpl();
  std::thread([] {
    while (true) virEventRunDefaultImpl();
  }).detach();
  std::string uri = "qemu:///embed?root=" + guest.folder + "/root";
  virConnectPtr connection = virConnectOpen(uri.c_str());
  if (connection == nullptr) Die(virGetLastErrorMessage());
  WarmUp(connection, guest);
  int listener = Listen(guest.folder + "/output");
  for (std::string line; std::getline(std::cin, line);) Obey(line, connection, guest, listener);
  _exit(0);  // libvirt's event thread has no end
}
