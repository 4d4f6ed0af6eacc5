// Calls that wait for something to happen without holding a thread.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "daemon/service/unary.h"

namespace vx::service {

// Finishes a unary call when an event settles it, when time is over, or when the
// caller has gone. Owns itself.
class WaitReactor : public grpc::ServerUnaryReactor {
 public:
  // Looks at an event; a status settles the call (the response is then filled).
  // Called under the store's lock.
  using Check = std::function<std::optional<absl::Status>(const v1::Event&)>;
  // Reads the present state from the view and may settle the call at once. Called once
  // or twice, the first time before any Check.
  using First = std::function<std::optional<absl::Status>(const store::View&)>;
  // What to answer when the time is over.
  using TimedOut = std::function<absl::Status()>;

  explicit WaitReactor(const Context& context) : context_(context) {}

  // Begins: reads, subscribes, and reads again, so that nothing falls in between.
  void Begin(First first, Check check, std::optional<absl::Duration> timeout, TimedOut timed_out);

  void OnCancel() override { Settle(absl::CancelledError("the caller has gone")); }
  void OnDone() override { delete this; }

 private:
  // Shared with an alarm that may fire after the end.
  struct Link {
    absl::Mutex mutex;
    bool waiting ABSL_GUARDED_BY(mutex) = true;
  };
  // True for the first who asks: that one finishes the call.
  static bool Take(Link& link);
  void Settle(const absl::Status& status);
  // Settles by what `how` finds, unless that is done already; whether it is now.
  bool Look(const std::function<std::optional<absl::Status>()>& how);
  // From the pool: no caller here may wait for gRPC.
  void FinishLater(std::function<absl::Status()> status);

  const Context& context_;
  std::shared_ptr<Link> link_ = std::make_shared<Link>();
  // One at a time fills the response.
  absl::Mutex look_mutex_;
  // Held while Begin sets the members below.
  absl::Mutex begin_mutex_;
  core::EventHub::Subscription subscription_;
  grpc::Alarm alarm_;
};

}  // namespace vx::service
