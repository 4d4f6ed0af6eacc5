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
#include "daemon/base/status_macros.h"
#include "plugins/libvirt/embed.h"
#include "plugins/libvirt/libvirt_error.h"

namespace vx::libvirt {
namespace {

constexpr char kEmbedHint[] = "install libvirt-daemon-driver-qemu and qemu-system-x86";
constexpr char kOtherHint[] = "start libvirtd, or leave vm.uri at qemu:///embed, which needs none";


// Until a libvirtd that hangs is taken for gone: 15 s.
constexpr int kKeepAliveSeconds = 5;
constexpr unsigned kKeepAliveCount = 3;

void IgnoreError(void*, virErrorPtr) {}
void IgnoreTimeout(int, void*) {}

using SharedListener = std::shared_ptr<Listener>;

int OnLifecycle(virConnectPtr, virDomainPtr domain, int event, int, void* opaque) {
  if (event != VIR_DOMAIN_EVENT_SUSPENDED && event != VIR_DOMAIN_EVENT_RESUMED) return 0;
  (*static_cast<SharedListener*>(opaque))->Tell(virDomainGetName(domain));
  return 0;
}

// For as long as the connection is open.
void ListenTo(virConnectPtr connection, const SharedListener& listener) {
  auto* shared = new SharedListener(listener);
  const int id = virConnectDomainEventRegisterAny(
      connection, nullptr, VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(OnLifecycle),
      shared, [](void* opaque) { delete static_cast<SharedListener*>(opaque); });
  if (id < 0) delete shared;
}

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

Connection::Connection(std::shared_ptr<EventLoop> loop, std::string uri,
                       std::shared_ptr<Listener> listener)
    : loop_(std::move(loop)), uri_(std::move(uri)), listener_(std::move(listener)) {}

Connection::~Connection() = default;

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& uri,
                                                             std::shared_ptr<Listener> listener) {
  std::unique_ptr<Connection> connection(
      new Connection(EventLoop::Get(), uri, std::move(listener)));
  VX_RETURN_IF_ERROR(connection->Get().status());
  return connection;
}

absl::StatusOr<Connection::Handle> Connection::OpenHandle() const {
  virConnectPtr connection = virConnectOpen(uri_.c_str());
  if (connection == nullptr) {
    const absl::Status why = LibvirtError(absl::StrCat("libvirt cannot open ", uri_));
    return Error(absl::StatusCode::kUnavailable, "LIBVIRT_UNAVAILABLE", why.message(),
                 IsEmbedded(uri_) ? kEmbedHint : kOtherHint);
  }
  // One that hangs is taken for gone. The embedded one can't, and knows no such thing.
  if (!IsEmbedded(uri_)) virConnectSetKeepAlive(connection, kKeepAliveSeconds, kKeepAliveCount);
  Handle handle(connection, [](virConnectPtr c) { virConnectClose(c); });
  ListenTo(connection, listener_);
  return handle;
}

absl::StatusOr<Connection::Handle> Connection::Get() {
  absl::MutexLock lock(&mutex_);
  // The embedded one lives as long as the process.
  if (handle_ && (IsEmbedded(uri_) || virConnectIsAlive(handle_.get()) == 1)) return handle_;
  handle_.reset();
  VX_ASSIGN_OR_RETURN(handle_, OpenHandle());
  return handle_;
}

bool Connection::Answers() { return Get().ok(); }

absl::Status Connection::ProbeEmulator(const std::string& emulator, bool kvm) {
  VX_ASSIGN_OR_RETURN(Handle handle, Get());
  std::unique_ptr<char, void (*)(void*)> capabilities(
      virConnectGetDomainCapabilities(handle.get(), emulator.c_str(), nullptr, nullptr,
                                      kvm ? "kvm" : "qemu", 0),
      free);
  return capabilities ? absl::OkStatus()
                      : LibvirtError(absl::StrCat("libvirt cannot use ", emulator));
}

absl::StatusOr<Domain> Connection::CreatePaused(const std::string& xml) {
  VX_ASSIGN_OR_RETURN(Handle handle, Get());
  virDomainPtr domain = virDomainCreateXML(handle.get(), xml.c_str(), VIR_DOMAIN_START_PAUSED);
  if (domain == nullptr) return LibvirtError("libvirt cannot start the VM");
  return Domain(domain);
}

absl::StatusOr<Domain> Connection::Find(const std::string& name) {
  VX_ASSIGN_OR_RETURN(Handle handle, Get());
  virDomainPtr domain = virDomainLookupByName(handle.get(), name.c_str());
  if (domain == nullptr) return LibvirtError(absl::StrCat("domain ", name));
  return Domain(domain);
}

}  // namespace vx::libvirt
