// One workload of the fake driver: its files, and its run if there is one.
//
// Time is handed in: a run is a list of steps, each due at a time, and Advance does
// all that are due. So a run whose driver was gone for a while catches up as if
// it had been running on, which is what a real one does.
//
//   STATE_DIR/UID/workload  the workload as of Prepare or the last Create
//   STATE_DIR/UID/config    the image's config
//   STATE_DIR/UID/log       see log.h
//   STATE_DIR/UID/console   the same, of a machine's console
//   STATE_DIR/UID/root      the writable root: one text
//   RUNTIME_DIR/UID         the run: "PRESENCE STEP TICK DUE LEFT START CODE SIGNAL REASON END"
//
// Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/driver/driver.h"
#include "plugins/fake/console.h"
#include "plugins/fake/log.h"
#include "plugins/fake/program.h"

namespace vx::fake {

class Workload {
 public:
  // Where the files of `uid` are.
  Workload(const driver::Environment& environment, const std::string& uid);

  // Makes the files.
  absl::Status Prepare(const v1::Workload& workload, const v1::ImageConfig& config);
  // Takes over what the files say.
  absl::Status Load();
  absl::Status Create(const v1::Workload& workload);
  // The errors of Driver::Start.
  absl::Status Start(absl::Time now);
  void Signal(int signal, absl::Time now);
  void Pause(absl::Time now);
  void Resume(absl::Time now);
  void Update(const v1::Resources& resources);
  // Forgets the run.
  absl::Status Delete();
  // Removes all files.
  absl::Status Release();

  // Does the steps that are due.
  void Advance(absl::Time now);
  // When Advance has something to do; InfiniteFuture: never by itself.
  absl::Time due() const;

  // Running or paused.
  bool active() const;
  driver::Presence presence() const { return presence_; }
  const std::string& name() const { return workload_.name(); }
  int stop_signal() const { return process_.stop_signal; }
  driver::Observation Observe() const;
  v1::Usage Stats() const;
  Log& log() { return *log_; }
  // Of a machine that was prepared; else null.
  Console* console() { return console_.get(); }

 private:
  void OpenLogs();
  void Resolve();
  void DoStep();
  void DoAction(const Step& step);
  void Sleep(const Step& step);
  void Tick(const Step& step);
  void Print(int stream, const std::string& data);
  std::string Variable(const std::string& name) const;
  void End(int code, int signal, v1::ExitReason reason);
  absl::Status Save() const;
  absl::Status LoadRun(const std::string& text);

  const std::string uid_;
  const std::string dir_;
  const std::string run_file_;
  v1::Workload workload_;
  v1::ImageConfig config_;
  std::shared_ptr<Log> log_;
  const bool is_machine_;
  std::unique_ptr<Console> console_;

  // The run.
  driver::Presence presence_ = driver::Presence::kNone;
  driver::Process process_;
  std::vector<Step> steps_;
  std::map<int, Step> handlers_;
  std::vector<int> pending_signals_;  // came while paused
  size_t step_ = 0;
  int64_t ticks_ = 0;    // of the present `tick`
  absl::Time clock_;     // the run's own time: when its next step is due
  absl::Duration left_;  // of the wait that a pause interrupted
  absl::Time start_time_ = absl::InfinitePast();
  std::optional<v1::Exit> exit_;
};

}  // namespace vx::fake
