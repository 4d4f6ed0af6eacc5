// A guest without vx: boots a kernel and an initramfs by libvirt alone, and tells
// how long it took from the create to the first byte on the output port.
//
// usage: bench_bare_boot FOLDER KERNEL INITRD CMDLINE EMULATOR TYPE MACHINE MIB
//
// For each line on stdin: one boot, one line with milliseconds on stdout. FOLDER
// is empty, short, and its own.
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kBootTimeoutMs = 60000;

struct Guest {
  std::string folder, kernel, initrd, cmdline, emulator, type, machine, mib;
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

std::string DomainXml(const Guest& g) {
  return "<domain type='" + g.type + "'><name>bare</name><memory unit='MiB'>" + g.mib +
         "</memory><vcpu>1</vcpu><os><type machine='" + g.machine + "'>hvm</type><kernel>" +
         Escaped(g.kernel) + "</kernel><initrd>" + Escaped(g.initrd) + "</initrd><cmdline>" +
         Escaped(g.cmdline) + "</cmdline></os><features><acpi/></features>" +
         (g.type == "qemu" ? "<cpu mode='custom' match='exact'><model>qemu64</model></cpu>"
                           : "<cpu mode='host-passthrough'/>") +
         "<seclabel type='none'/><on_poweroff>destroy</on_poweroff><devices><emulator>" +
         Escaped(g.emulator) +
         "</emulator><controller type='usb' model='none'/><memballoon model='none'/>"
         "<channel type='unix'><source mode='connect' path='" +
         g.folder +
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

// libvirt leaves QEMU to its parent to reap; without that a destroy takes seconds.
std::thread Reaper(const std::string& folder) {
  int pid = 0;
  std::ifstream(folder + "/root/run/qemu/bare.pid") >> pid;
  return std::thread([pid] { waitpid(pid, nullptr, 0); });
}

double Boot(virConnectPtr connection, const Guest& guest, int listener) {
  Clock::time_point begin = Clock::now();
  virDomainPtr domain = virDomainCreateXML(connection, DomainXml(guest).c_str(), 0);
  if (domain == nullptr) Die(virGetLastErrorMessage());
  WaitReadable(listener);
  int port = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  WaitReadable(port);
  double ms = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  std::thread reaper = Reaper(guest.folder);
  virDomainDestroy(domain);
  virDomainFree(domain);
  reaper.join();
  close(port);
  return ms;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 9) Die("see the file's comment for its arguments");
  Guest guest{argv[1], argv[2], argv[3], argv[4], argv[5], argv[6], argv[7], argv[8]};
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  virEventRegisterDefaultImpl();
  std::thread([] {
    while (true) virEventRunDefaultImpl();
  }).detach();
  std::string uri = "qemu:///embed?root=" + guest.folder + "/root";
  virConnectPtr connection = virConnectOpen(uri.c_str());
  if (connection == nullptr) Die(virGetLastErrorMessage());
  int listener = Listen(guest.folder + "/output");
  for (std::string line; std::getline(std::cin, line);) {
    printf("%.1f\n", Boot(connection, guest, listener));
    fflush(stdout);
  }
  _exit(0);  // libvirt's event thread has no end
}
