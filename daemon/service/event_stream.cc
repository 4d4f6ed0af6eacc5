#include "daemon/service/event_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/core/timestamps.h"

namespace vx::service {
namespace {

constexpr int kReadAhead = 256;
constexpr int kSnapshotPage = 1 << 30;
constexpr size_t kUidDigits = 32;

// A whole uid may be that of one that is gone: what happened to it is kept.
absl::StatusOr<std::string> UidOf(const store::View& view, const std::string& name) {
  absl::StatusOr<v1::Workload> workload = view.FindWorkload(name);
  if (workload.ok()) return workload->uid();
  const bool whole =
      name.size() == kUidDigits && name.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (whole && absl::IsNotFound(workload.status())) return name;
  return workload.status();
}

}  // namespace

bool EventStream::Wanted(const v1::Event& event) const {
  if (uid_.empty()) return true;
  return (event.has_operation() ? event.operation().workload_uid() : event.workload().uid()) ==
         uid_;
}

absl::Status EventStream::Open() {
  // First, without a view: who tells of events may wait for one.
  subscription_ = context_.core.events().Subscribe([this](const v1::Event&) { Wake(); });
  store::View view = context_.core.store().Read();
  if (!request_.workload().empty()) {
    VX_ASSIGN_OR_RETURN(uid_, UidOf(view, request_.workload()));
  }
  VX_ASSIGN_OR_RETURN(auto range, view.EventRange());
  const auto [oldest, newest] = range;
  until_ = newest;
  last_read_ = request_.since_revision();
  if (last_read_ < 0 || last_read_ > newest) {
    return Error(
        absl::StatusCode::kOutOfRange, "REVISION_IN_FUTURE",
        absl::StrCat("revision ", last_read_, " was never given out, the last is ", newest));
  }
  if (last_read_ == 0) {
    last_read_ = newest;
    return TakeSnapshot(view);
  }
  const bool kept = oldest > 0 && last_read_ + 1 >= oldest;
  if (last_read_ < newest && !kept) {
    return Error(absl::StatusCode::kOutOfRange, "REVISION_TOO_OLD",
                 absl::StrCat("events after revision ", last_read_, " are not kept any more"),
                 "watch from revision 0 for a snapshot");
  }
  return absl::OkStatus();
}

absl::Status EventStream::TakeSnapshot(const store::View& view) {
  VX_ASSIGN_OR_RETURN(store::Page<v1::Workload> all,
                      view.ListWorkloads(0, kSnapshotPage, [this](const v1::Workload& w) {
                        return uid_.empty() || w.uid() == uid_;
                      }));
  v1::Event event;
  event.set_revision(last_read_);
  *event.mutable_time() = core::ToProto(absl::Now());
  for (v1::Workload& workload : all.rows) {
    event.set_type(v1::EVENT_TYPE_SNAPSHOT);
    *event.mutable_workload() = std::move(workload);
    next_.push_back(event);
  }
  event.clear_subject();
  event.set_type(v1::EVENT_TYPE_SYNCED);
  next_.push_back(event);
  return absl::OkStatus();
}

absl::Status EventStream::Refill() {
  store::View view = context_.core.store().Read();
  VX_ASSIGN_OR_RETURN(std::vector<v1::Event> events, view.EventsAfter(last_read_, kReadAhead));
  if (events.empty()) return absl::OkStatus();
  if (events.front().revision() != last_read_ + 1) {
    return Error(absl::StatusCode::kResourceExhausted, "WATCHER_TOO_SLOW",
                 absl::StrCat("the watcher is ", events.front().revision() - last_read_,
                              " events behind what is kept"),
                 "read faster, or watch again from revision 0");
  }
  for (v1::Event& event : events) {
    last_read_ = event.revision();
    if (Wanted(event)) next_.push_back(std::move(event));
  }
  return absl::OkStatus();
}

EventStream::Next EventStream::Produce(v1::WatchEventsResponse& message) {
  if (!opened_) {
    if (absl::Status status = Open(); !status.ok()) return {.end = status};
    opened_ = true;
  }
  while (next_.empty()) {
    const int64_t before = last_read_;
    if (request_.until_now() && last_read_ >= until_) return {.end = absl::OkStatus()};
    if (absl::Status status = Refill(); !status.ok()) return {.end = status};
    if (last_read_ == before) return {};
  }
  if (request_.until_now() && next_.front().revision() > until_) return {.end = absl::OkStatus()};
  *message.mutable_event() = std::move(next_.front());
  next_.pop_front();
  return {.write = true};
}

}  // namespace vx::service
