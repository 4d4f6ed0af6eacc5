#include "plugins/libvirt/connection.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "daemon/base/error.h"
#include "plugins/libvirt/embed.h"

namespace vx::libvirt {
namespace {

constexpr char kEmbedHint[] = "install libvirt-daemon-driver-qemu and qemu-system-x86";
constexpr char kOtherHint[] = "start libvirtd, or leave vm.uri at qemu:///embed, which needs none";

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case VIR_ERR_NO_DOMAIN:
      return absl::StatusCode::kNotFound;
    case VIR_ERR_OPERATION_INVALID:
      return absl::StatusCode::kFailedPrecondition;
    case VIR_ERR_OPERATION_TIMEOUT:
      return absl::StatusCode::kDeadlineExceeded;
    default:
      return absl::StatusCode::kInternal;
  }
}

void IgnoreError(void*, virErrorPtr) {}
void IgnoreTimeout(int, void*) {}

}  // namespace

// The process's libvirt event loop and its thread, for as long as anybody holds
// it.
class EventLoop {
 public:
  static std::shared_ptr<EventLoop> Get() {
    static absl::Mutex mutex;
    static std::weak_ptr<EventLoop> shared;
    absl::MutexLock lock(&mutex);
    std::shared_ptr<EventLoop> loop = shared.lock();
    if (!loop) shared = loop = std::make_shared<EventLoop>();
    return loop;
  }

  EventLoop() {
    static std::once_flag registered;
    std::call_once(registered, [] {
      virInitialize();
      virSetErrorFunc(nullptr, IgnoreError);
      virEventRegisterDefaultImpl();
    });
    thread_ = std::thread([this] {
      while (!stop_) virEventRunDefaultImpl();
    });
    pthread_setname_np(thread_.native_handle(), "vx-libvirt");
  }

  ~EventLoop() {
    stop_ = true;
    const int wake = virEventAddTimeout(0, IgnoreTimeout, nullptr, nullptr);
    thread_.join();
    virEventRemoveTimeout(wake);
  }

 private:
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

void QuietLibvirt() { setenv("LIBVIRT_DEBUG", "error", 0); }

absl::Status LibvirtError(const std::string& what) {
  const virError* error = virGetLastError();
  const bool known = error != nullptr && error->message != nullptr;
  return Error(known ? CodeOf(error->code) : absl::StatusCode::kInternal, "LIBVIRT_FAILED",
               absl::StrCat(what, ": ", known ? error->message : "libvirt does not say why"));
}

void Connection::Close::operator()(virConnectPtr connection) const { virConnectClose(connection); }

Connection::Connection(std::shared_ptr<EventLoop> loop, virConnectPtr connection)
    : loop_(std::move(loop)), connection_(connection) {}

Connection::~Connection() = default;

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& uri) {
  std::shared_ptr<EventLoop> loop = EventLoop::Get();
  virConnectPtr connection = virConnectOpen(uri.c_str());
  if (connection != nullptr) {
    return std::unique_ptr<Connection>(new Connection(std::move(loop), connection));
  }
  const absl::Status why = LibvirtError(absl::StrCat("libvirt cannot open ", uri));
  return Error(absl::StatusCode::kUnavailable, "LIBVIRT_UNAVAILABLE", why.message(),
               IsEmbedded(uri) ? kEmbedHint : kOtherHint);
}

absl::Status Connection::ProbeEmulator(const std::string& emulator, bool kvm) {
  std::unique_ptr<char, void (*)(void*)> capabilities(
      virConnectGetDomainCapabilities(connection_.get(), emulator.c_str(), nullptr, nullptr,
                                      kvm ? "kvm" : "qemu", 0),
      free);
  return capabilities ? absl::OkStatus()
                      : LibvirtError(absl::StrCat("libvirt cannot use ", emulator));
}

absl::StatusOr<Domain> Connection::CreatePaused(const std::string& xml) {
  virDomainPtr domain = virDomainCreateXML(connection_.get(), xml.c_str(), VIR_DOMAIN_START_PAUSED);
  if (domain == nullptr) return LibvirtError("libvirt cannot start the VM");
  return Domain(domain);
}

absl::StatusOr<Domain> Connection::Find(const std::string& name) {
  virDomainPtr domain = virDomainLookupByName(connection_.get(), name.c_str());
  if (domain == nullptr) return LibvirtError(absl::StrCat("domain ", name));
  return Domain(domain);
}

}  // namespace vx::libvirt
