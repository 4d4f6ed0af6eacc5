#include <algorithm>

#include "tests/integration/daemon_fixture.h"

namespace vx::integration {
namespace {

class EventsTest : public DaemonTest {
 protected:
  EventsTest() { StartDaemon(); }

  // Everything from `since` up to now.
  std::vector<v1::Event> UpToNow(int64_t since, grpc::Status* status = nullptr,
                                 const std::string& workload = "") {
    grpc::ClientContext context;
    v1::WatchEventsRequest request;
    request.set_since_revision(since);
    request.set_until_now(true);
    request.set_workload(workload);
    auto stream = events().WatchEvents(&context, request);
    std::vector<v1::Event> seen;
    v1::WatchEventsResponse response;
    while (stream->Read(&response)) seen.push_back(response.event());
    grpc::Status finished = stream->Finish();
    if (status) *status = finished;
    return seen;
  }

  // More than is kept.
  void TellOfMuch() {
    v1::Event event;
    event.set_type(v1::EVENT_TYPE_WORKLOAD_CHANGED);
    event.mutable_workload()->set_name("busy");
    // Also more than gRPC keeps for who does not read.
    event.mutable_workload()->mutable_status()->set_message(std::string(1000, 'x'));
    for (int64_t told = 0; told < 2 * store::kEventsKept; told += 1000) {
      auto tx = store().Begin(store::Durability::kObservation);
      ASSERT_TRUE(tx.ok()) << tx.status();
      for (int i = 0; i < 1000; ++i) ASSERT_TRUE(tx->AppendEvent(event).ok());
      ASSERT_TRUE(tx->Commit().ok());
    }
  }
};

TEST_F(EventsTest, AWatchBeginsWithASnapshot) {
  Made("web", {"sleep", "infinity"}, /*start=*/true);
  Made("job", {"true"});
  std::vector<v1::Event> events = UpToNow(0);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].type(), v1::EVENT_TYPE_SNAPSHOT);
  EXPECT_EQ(events[0].workload().name(), "web");
  EXPECT_EQ(events[1].workload().name(), "job");
  EXPECT_EQ(events[2].type(), v1::EVENT_TYPE_SYNCED);
  EXPECT_GT(events[2].revision(), 0);
}

TEST_F(EventsTest, ChangesAfterARevisionComeWithoutAGap) {
  Made("web", {"sleep", "infinity"});
  const int64_t base = UpToNow(0).back().revision();
  Start("web");
  Stop("web");
  std::vector<v1::Event> events = UpToNow(base);
  ASSERT_FALSE(events.empty());
  int64_t expected = base + 1;
  std::vector<v1::State> states;
  for (const v1::Event& event : events) {
    EXPECT_EQ(event.revision(), expected++);
    if (event.type() == v1::EVENT_TYPE_WORKLOAD_CHANGED) {
      states.push_back(event.workload().status().state());
    }
  }
  EXPECT_THAT(states, testing::ElementsAre(v1::STATE_STARTING, v1::STATE_RUNNING,
                                           v1::STATE_STOPPING, v1::STATE_STOPPED));
}

TEST_F(EventsTest, AWatcherSeesWhatHappensLater) {
  grpc::ClientContext context;
  auto stream = events().WatchEvents(&context, v1::WatchEventsRequest());
  v1::WatchEventsResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.event().type(), v1::EVENT_TYPE_SYNCED);
  Made("web", {"true"});
  bool created = false;
  while (!created && stream->Read(&response)) {
    created = response.event().type() == v1::EVENT_TYPE_WORKLOAD_CREATED;
  }
  EXPECT_TRUE(created);
  context.TryCancel();
  stream->Finish();
}

TEST_F(EventsTest, ARevisionThatWasNeverGivenOutIsOutOfRange) {
  grpc::Status status;
  UpToNow(1'000'000, &status);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(Reason(status), "REVISION_IN_FUTURE");
}

TEST_F(EventsTest, AWatchOfOneWorkloadTellsOfNoOther) {
  Made("web", {"true"});
  Made("job", {"true"});
  for (const v1::Event& event : UpToNow(1, nullptr, "job")) {
    EXPECT_EQ(event.has_operation() ? event.operation().target() : event.workload().name(), "job");
  }
}

TEST_F(EventsTest, WhatHappenedToAWorkloadThatIsGoneIsToldByItsUid) {
  const std::string uid = Made("web", {"true"}).uid();
  Delete("web");
  grpc::Status status;
  EXPECT_TRUE(UpToNow(1, &status, "web").empty());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  const std::vector<v1::Event> events = UpToNow(1, &status, uid);
  EXPECT_TRUE(status.ok()) << status.error_message();
  auto deleted = [&](const v1::Event& event) {
    return event.type() == v1::EVENT_TYPE_WORKLOAD_DELETED && event.workload().uid() == uid;
  };
  EXPECT_EQ(std::count_if(events.begin(), events.end(), deleted), 1);
}

TEST_F(EventsTest, RevisionsGoOnAfterARestart) {
  Made("web", {"true"});
  const int64_t before = UpToNow(0).back().revision();
  RestartDaemon();
  Made("job", {"true"});
  std::vector<v1::Event> events = UpToNow(before);
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.front().revision(), before + 1);
}

TEST_F(EventsTest, ARevisionThatIsNotKeptAnyMoreIsOutOfRange) {
  Made("web", {"true"});
  const int64_t base = UpToNow(0).back().revision();
  TellOfMuch();
  grpc::Status status;
  EXPECT_TRUE(UpToNow(base, &status).empty());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(Reason(status), "REVISION_TOO_OLD");
}

TEST_F(EventsTest, AWatcherThatDoesNotReadIsDroppedWithAReasonAndHoldsUpNobody) {
  Made("web", {"true"});
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(2));
  auto slow = events().WatchEvents(&context, v1::WatchEventsRequest());
  v1::WatchEventsResponse response;
  ASSERT_TRUE(slow->Read(&response));
  TellOfMuch();
  Made("job", {"true"});
  EXPECT_EQ(UpToNow(0).size(), 3u);
  int64_t last = 0;
  while (slow->Read(&response)) {
    if (response.event().type() == v1::EVENT_TYPE_SNAPSHOT) continue;
    EXPECT_TRUE(last == 0 || response.event().revision() == last + 1) << "a gap";
    last = response.event().revision();
  }
  const grpc::Status status = slow->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Reason(status), "WATCHER_TOO_SLOW");
}

TEST_F(EventsTest, HundredsOfWatchersAreServed) {
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::WatchEventsResponse>>> streams;
  v1::WatchEventsResponse response;
  for (int i = 0; i < 300; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    streams.push_back(events().WatchEvents(contexts.back().get(), v1::WatchEventsRequest()));
  }
  for (auto& stream : streams) ASSERT_TRUE(stream->Read(&response));
  Made("web", {"true"});
  for (auto& stream : streams) {
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.event().type(), v1::EVENT_TYPE_WORKLOAD_CREATED);
  }
  for (size_t i = 0; i < streams.size(); ++i) {
    contexts[i]->TryCancel();
    streams[i]->Finish();
  }
}

}  // namespace
}  // namespace vx::integration
