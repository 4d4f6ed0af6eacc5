#include "daemon/watchdog.h"

#include <pthread.h>
#include <systemd/sd-daemon.h>

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace vx {

struct Watchdog::State {
  absl::Mutex mutex;
  bool ending ABSL_GUARDED_BY(mutex) = false;
  bool under_way ABSL_GUARDED_BY(mutex) = false;

  // False when a proof is under way still.
  bool Begin() {
    absl::MutexLock lock(&mutex);
    return !std::exchange(under_way, true);
  }

  void Passed() {
    absl::MutexLock lock(&mutex);
    under_way = false;
    if (!ending) sd_notify(0, "WATCHDOG=1");
  }

  // False when the watchdog ends first.
  bool Wait(absl::Duration time) {
    absl::MutexLock lock(&mutex);
    return !mutex.AwaitWithTimeout(absl::Condition(&ending), time);
  }
};

Watchdog::Watchdog(Proof proof) : state_(std::make_shared<State>()) {
  uint64_t microseconds = 0;
  if (sd_watchdog_enabled(/*unset_environment=*/0, &microseconds) <= 0) return;
  const absl::Duration interval = absl::Microseconds(microseconds) / 2;
  thread_ = std::thread([state = state_, proof = std::move(proof), interval] {
    pthread_setname_np(pthread_self(), "vx-watchdog");
    do {
      if (state->Begin()) proof([state] { state->Passed(); });
    } while (state->Wait(interval));
  });
}

Watchdog::~Watchdog() {
  {
    absl::MutexLock lock(&state_->mutex);
    state_->ending = true;
  }
  if (thread_.joinable()) thread_.join();
}

}  // namespace vx
