#include "client/cli/event_source.h"

#include <memory>

#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

using Take = std::function<absl::Status(const v1::Event&)>;

v1::WatchEventsRequest MakeRequest(const EventStart& start, int64_t revision) {
  v1::WatchEventsRequest request;
  request.set_since_revision(revision);
  request.set_until_now(!start.follow);
  request.set_workload(start.workload);
  return request;
}

absl::Status ReadFrom(client::Connection& connection, const v1::WatchEventsRequest& request,
                      const Take& take) {
  auto events = connection.WatchEvents(request);
  v1::WatchEventsResponse response;
  while (events->Read(&response)) VX_RETURN_IF_ERROR(take(response.event()));
  return events->Finish();
}

bool IsSnapshot(const v1::Event& event) {
  return event.type() == v1::EVENT_TYPE_SNAPSHOT || event.type() == v1::EVENT_TYPE_SYNCED;
}

absl::StatusOr<int64_t> NewestRevision(client::Connection& connection) {
  int64_t newest = 0;
  v1::WatchEventsRequest request;
  request.set_until_now(true);
  VX_RETURN_IF_ERROR(ReadFrom(connection, request, [&](const v1::Event& event) {
    newest = event.revision();
    return absl::OkStatus();
  }));
  return newest;
}

// Whether the events after `revision` are still kept.
absl::StatusOr<bool> IsKept(client::Connection& connection, int64_t revision) {
  v1::WatchEventsRequest request;
  request.set_since_revision(revision);
  request.set_until_now(true);
  auto events = connection.WatchEvents(request);
  v1::WatchEventsResponse response;
  if (events->Read(&response)) return true;
  absl::Status end = events->Finish();
  if (ErrorReason(end) == "REVISION_TOO_OLD") return false;
  VX_RETURN_IF_ERROR(end);
  return true;
}

// The first revision after which all events are kept; 0 when there are none. The
// daemon doesn't say, so it is searched by halves.
absl::StatusOr<int64_t> OldestRevision(client::Connection& connection) {
  VX_ASSIGN_OR_RETURN(int64_t high, NewestRevision(connection));
  int64_t low = high == 0 ? 0 : 1;
  for (int64_t probe = low; low < high; probe = low + (high - low) / 2) {
    VX_ASSIGN_OR_RETURN(bool kept, IsKept(connection, probe));
    (kept ? high : low) = kept ? probe : probe + 1;
  }
  return high;
}

}  // namespace

absl::Status ReadEvents(client::Connection& connection, const EventStart& start, const Take& take) {
  int64_t revision = start.revision.value_or(0);
  bool from_now = !start.revision.has_value() && !start.time.has_value() && start.follow;
  if (!start.revision.has_value() && !from_now) {
    VX_ASSIGN_OR_RETURN(revision, OldestRevision(connection));
    // Nothing ever happened.
    if (revision == 0 && !start.follow) return absl::OkStatus();
  }
  bool snapshot_wanted = start.revision.has_value();
  return ReadFrom(connection, MakeRequest(start, revision), [&](const v1::Event& event) {
    absl::Time time =
        absl::FromUnixSeconds(event.time().seconds()) + absl::Nanoseconds(event.time().nanos());
    bool early = start.time.has_value() && time < *start.time;
    if (early || (IsSnapshot(event) && !snapshot_wanted)) return absl::OkStatus();
    return take(event);
  });
}

}  // namespace vx::cli
