// What a workload's runs wrote, and how the followed one ended, as messages.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "daemon/service/pumped_stream.h"
#include "daemon/service/unary.h"
#include "vx/v1/workload_service.pb.h"

namespace vx::service {

// Pulls entries from the driver's log reader. One that follows ends when the run that
// it follows has ended and all that it wrote was sent.
class RunOutput {
 public:
  struct Options {
    std::string name;
    bool follow = false;
    driver::LogPosition position;
    // Begin with the run that is there, or the one to come.
    bool this_run = false;
    // What the serial console says in place of what the command writes.
    bool console = false;
    // Only how the run ends, with nothing of what it writes.
    bool end_only = false;
  };

  // `found` is called once the workload is found and watched; `wake` from any thread
  // whenever Produce may have more. Neither may call back.
  RunOutput(const Context& context, Options options, std::function<void()> found,
            std::function<void()> wake)
      : context_(context),
        options_(std::move(options)),
        tell_found_(std::move(found)),
        wake_(std::move(wake)) {}

  PumpNext Produce(v1::StreamLogsResponse& message);
  // Nothing calls `wake` after it returns.
  void Stop();

  // Of the workload; empty before `found`.
  const std::string& uid() const { return uid_; }
  // Its command runs now.
  bool Runs();
  // A run is there, or is being made or ended: a machine may have been switched on.
  bool IsActive();
  // As it was when it was found.
  const v1::WorkloadSpec& spec() const { return spec_; }

 private:
  struct End {
    bool there = false;
    std::optional<v1::Exit> exit;
  };

  // Finds the workload and watches it from then on; tells the caller so.
  absl::Status Find();
  void Watch(const v1::Workload& workload);
  absl::Status OpenReader();
  // The command's output needs to be kept for this one no more.
  void NoteFollower();
  absl::Status Fill(v1::StreamLogsResponse& message);
  // Notes what becomes of the workload; under the store's lock.
  void Look(const v1::Event& event);
  End TheEnd();
  // A follower's last message: how the run ended, if that is known.
  PumpNext Conclude(const End& end, v1::StreamLogsResponse& message);
  // Whether the workload is still being made, so that it has no log yet.
  bool InTheMaking();
  // Whether its run has ended. One that is removed at its exit is there until then,
  // and for as long as a follower has not got all that it wrote.
  bool Stopped();

  const Context& context_;
  Options options_;
  const std::function<void()> tell_found_;
  const std::function<void()> wake_;
  bool found_ = false;
  bool exit_sent_ = false;
  std::string uid_;
  v1::WorkloadSpec spec_;
  // The end of an earlier run, which is not the one to wait for.
  std::optional<v1::Exit> earlier_;
  std::unique_ptr<driver::LogReader> reader_;
  core::EventHub::Subscription subscription_;
  absl::Mutex end_mutex_;
  End end_ ABSL_GUARDED_BY(end_mutex_);
  bool making_ ABSL_GUARDED_BY(end_mutex_) = false;
  bool runs_ ABSL_GUARDED_BY(end_mutex_) = false;
  bool active_ ABSL_GUARDED_BY(end_mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(end_mutex_) = false;
};

}  // namespace vx::service
