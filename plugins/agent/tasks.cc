#include "plugins/agent/tasks.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "plugins/agent/file.h"
#include "plugins/agent/network.h"
#include "plugins/agent/statistics.h"
#include "plugins/agent/system.h"

namespace vx::agent {
namespace {

constexpr uint32_t kMaxFreezeMillis = 60000;

v1::Reply ErrnoReply(bool done) {
  v1::Reply reply;
  if (!done) reply.set_error(errno);
  return reply;
}

bool MountShare(const v1::MountShare& share) {
  if (!MakeDirs(share.target())) return false;
  const unsigned long flags = MS_NODEV | MS_NOSUID | (share.read_only() ? MS_RDONLY : 0);
  return mount(share.tag().c_str(), share.target().c_str(), "virtiofs", flags, nullptr) == 0;
}

v1::Reply ConfigureLink(const v1::ConfigureLink& wanted) {
  v1::Reply reply;
  BootNic nic;
  if (!DecodeNic(wanted.nic(), nic) || CheckNic(nic) != nullptr) {
    reply.set_error(EINVAL);
  } else if (!HasCard(nic.mac)) {
    reply.set_error(ENODEV);
  } else if (wanted.down()) {
    reply.set_error(TakeDown(nic.mac));
  } else {
    for (const std::string& complaint : SetUpLinks({nic}, 0)) {
      reply.set_error(EIO);
      reply.set_message(complaint);
    }
  }
  return reply;
}

bool SetClock(int64_t unix_nanos) {
  const timespec now = {unix_nanos / 1000000000, unix_nanos % 1000000000};
  return clock_settime(CLOCK_REALTIME, &now) == 0;
}

}  // namespace

Tasks::Tasks(Loop& loop, std::function<void()> shutdown)
    : loop_(loop),
      shutdown_(std::move(shutdown)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
  loop_.Watch(timer_, EPOLLIN, [this](uint32_t) {
    uint64_t times;
    if (read(timer_, &times, sizeof times) > 0) Thaw();
  });
}

Tasks::~Tasks() {
  Thaw();
  loop_.Forget(timer_);
  close(timer_);
}

v1::Reply Tasks::Do(const v1::Request& request) {
  v1::Reply reply;
  switch (request.what_case()) {
    case v1::Request::kGetStats:
      *reply.mutable_stats() = ReadStats();
      return reply;
    case v1::Request::kGetAddresses:
      *reply.mutable_addresses() = ReadAddresses();
      return reply;
    case v1::Request::kMountShare:
      return ErrnoReply(MountShare(request.mount_share()));
    case v1::Request::kUnmountShare:
      return ErrnoReply(umount2(request.unmount_share().target().c_str(), MNT_DETACH) == 0);
    case v1::Request::kSetClock:
      return ErrnoReply(SetClock(request.set_clock().unix_nanos()));
    case v1::Request::kFreeze:
      reply.set_error(Freeze(request.freeze().timeout_millis()));
      return reply;
    case v1::Request::kThaw:
      Thaw();
      return reply;
    case v1::Request::kGrowRoot:
      return ErrnoReply(GrowRoot());
    case v1::Request::kOnlineCpus:
      reply.mutable_onlined_cpus()->set_cpus(static_cast<uint32_t>(UseAllCpus()));
      return reply;
    case v1::Request::kConfigureLink:
      return ConfigureLink(request.configure_link());
    case v1::Request::kShutdown:
      shutdown_();
      return reply;
    default:
      reply.set_error(ENOSYS);
      return reply;
  }
}

int Tasks::Freeze(uint32_t timeout_millis) {
  if (frozen_ >= 0) return EBUSY;
  if (timeout_millis == 0 || timeout_millis > kMaxFreezeMillis) return EINVAL;
  const int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0 || ioctl(root, FIFREEZE, 0) < 0) {
    const int error = errno;
    if (root >= 0) close(root);
    return error;
  }
  frozen_ = root;
  itimerspec at = {};
  at.it_value.tv_sec = timeout_millis / 1000;
  at.it_value.tv_nsec = static_cast<long>(timeout_millis % 1000) * 1000000;
  timerfd_settime(timer_, 0, &at, nullptr);
  return 0;
}

void Tasks::Thaw() {
  if (frozen_ < 0) return;
  ioctl(frozen_, FITHAW, 0);
  close(frozen_);
  frozen_ = -1;
  const itimerspec never = {};
  timerfd_settime(timer_, 0, &never, nullptr);
}

}  // namespace vx::agent
