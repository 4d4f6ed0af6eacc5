// StreamStats as a call: who is in it, how often, and how it ends.
#include "tests/integration/daemon_fixture.h"

namespace vx::integration {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class StatsTest : public DaemonTest {
 protected:
  StatsTest() { StartDaemon(); }

  struct Stream {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::StreamStatsResponse>> reader;

    // The names in the next message.
    std::vector<std::string> Next() {
      v1::StreamStatsResponse response;
      EXPECT_TRUE(reader->Read(&response));
      return NamesOf(response);
    }
    // Reads on until a message holds these.
    bool Reaches(const std::vector<std::string>& names) {
      v1::StreamStatsResponse response;
      while (reader->Read(&response)) {
        if (NamesOf(response) == names) return true;
      }
      return false;
    }
  };

  static std::vector<std::string> NamesOf(const v1::StreamStatsResponse& response) {
    std::vector<std::string> names;
    for (const v1::WorkloadStats& stats : response.stats()) names.push_back(stats.name());
    return names;
  }

  static v1::StreamStatsRequest Named(const std::vector<std::string>& names) {
    v1::StreamStatsRequest request;
    for (const std::string& name : names) request.add_names(name);
    return request;
  }

  std::unique_ptr<Stream> Begin(v1::StreamStatsRequest request, int interval_ms = 100) {
    request.mutable_interval()->set_nanos(interval_ms * 1'000'000);
    auto stream = std::make_unique<Stream>();
    stream->reader = workloads().StreamStats(&stream->context, request);
    return stream;
  }

  // All messages of a call without an interval, and how it ends.
  std::pair<std::vector<v1::StreamStatsResponse>, grpc::Status> Once(
      const v1::StreamStatsRequest& request) {
    grpc::ClientContext context;
    auto reader = workloads().StreamStats(&context, request);
    std::vector<v1::StreamStatsResponse> all;
    v1::StreamStatsResponse response;
    while (reader->Read(&response)) all.push_back(response);
    return {all, reader->Finish()};
  }

  std::vector<std::string> OnceNames(const v1::StreamStatsRequest& request) {
    auto [messages, status] = Once(request);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(messages.size(), 1u);
    return messages.empty() ? std::vector<std::string>() : NamesOf(messages[0]);
  }
};

TEST_F(StatsTest, OneMessageHoldsAllThatRun) {
  Made("a", {"sleep", "infinity"}, /*start=*/true);
  Made("b", {"sleep", "infinity"}, /*start=*/false);
  Made("c", {"sleep", "infinity"}, /*start=*/true);
  auto [messages, status] = Once({});
  EXPECT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_THAT(NamesOf(messages[0]), ElementsAre("a", "c"));
  const v1::WorkloadStats& stats = messages[0].stats(0);
  EXPECT_EQ(stats.uid(), Get("a").uid());
  EXPECT_EQ(stats.kind(), v1::KIND_CONTAINER);
  EXPECT_GT(stats.time().seconds(), 0);
  EXPECT_GT(stats.usage().memory_bytes(), 0);
  EXPECT_EQ(stats.usage().pids(), 1);
}

TEST_F(StatsTest, AreEmptyWhereNothingRuns) { EXPECT_THAT(OnceNames({}), IsEmpty()); }

TEST_F(StatsTest, AreOfThoseThatAreNamedOrFit) {
  Made("a", {"sleep", "infinity"}, /*start=*/true);
  Made("b", {"sleep", "infinity"}, /*start=*/true);
  Made("c", {"sleep", "infinity"}, /*start=*/false);
  EXPECT_THAT(OnceNames(Named({"b", "c", "b"})), ElementsAre("b"));
  EXPECT_THAT(OnceNames(Named({Get("a").uid()})), ElementsAre("a"));
  v1::StreamStatsRequest request;
  request.add_filters("name=b");
  EXPECT_THAT(OnceNames(request), ElementsAre("b"));
  request.add_names("a");
  EXPECT_THAT(OnceNames(request), IsEmpty());
}

TEST_F(StatsTest, WhoIsUnknownIsNotFound) {
  const grpc::Status status = Once(Named({"nobody"})).second;
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Reason(status), "WORKLOAD_NOT_FOUND");
}

TEST_F(StatsTest, WhatIsWrongWithTheRequestIsSaid) {
  v1::StreamStatsRequest request;
  request.mutable_interval()->set_nanos(99'000'000);
  EXPECT_THAT(Fields(Once(request).second), ElementsAre("interval"));
  request.mutable_interval()->set_seconds(-1);
  EXPECT_THAT(Fields(Once(request).second), ElementsAre("interval"));
  request.clear_interval();
  request.add_filters("colour=red");
  EXPECT_THAT(Fields(Once(request).second), ElementsAre("filters"));
}

TEST_F(StatsTest, WhatEndsIsLeftOutAndWhatStartsComesIn) {
  Made("a", {"sleep", "infinity"}, /*start=*/true);
  Made("b", {"sleep", "infinity"}, /*start=*/true);
  auto stream = Begin({});
  EXPECT_THAT(stream->Next(), ElementsAre("a", "b"));
  Stop("a");
  EXPECT_TRUE(stream->Reaches({"b"}));
  Start("a");
  EXPECT_TRUE(stream->Reaches({"a", "b"}));
  stream->context.TryCancel();
}

TEST_F(StatsTest, EndWhenAllThatWereNamedAreRemoved) {
  Made("a", {"sleep", "infinity"}, /*start=*/true);
  Made("b", {"sleep", "infinity"}, /*start=*/true);
  auto stream = Begin(Named({"a"}));
  EXPECT_THAT(stream->Next(), ElementsAre("a"));
  Stop("a");
  EXPECT_TRUE(stream->Reaches({}));
  Delete("a");
  EXPECT_FALSE(stream->Reaches({"a"}));
  const grpc::Status status = stream->reader->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(StatsTest, TellWhatWasUsedSinceTheMessageBefore) {
  Made("busy", {"tick", "1"}, /*start=*/true);
  Made("idle", {"sleep", "infinity"}, /*start=*/true);
  auto stream = Begin({});
  v1::StreamStatsResponse response;
  bool busy = false;
  for (int i = 0; i < 20 && !busy; ++i) {
    ASSERT_TRUE(stream->reader->Read(&response));
    ASSERT_EQ(response.stats_size(), 2);
    busy = response.stats(0).cpus() > 0.01;
    if (i > 0) {
      EXPECT_EQ(response.stats(1).cpus(), 0);
    }
  }
  EXPECT_TRUE(busy);
  stream->context.TryCancel();
}

TEST_F(StatsTest, ASlowReaderHoldsUpNobody) {
  Made("a", {"sleep", "infinity"}, /*start=*/true);
  std::vector<std::unique_ptr<Stream>> slow;
  for (int i = 0; i < 64; ++i) slow.push_back(Begin({}));
  for (auto& stream : slow) EXPECT_THAT(stream->Next(), ElementsAre("a"));
  auto stream = Begin({});
  for (int i = 0; i < 5; ++i) EXPECT_THAT(stream->Next(), ElementsAre("a"));
  EXPECT_THAT(OnceNames({}), ElementsAre("a"));
  for (auto& other : slow) other->context.TryCancel();
  stream->context.TryCancel();
}

TEST_F(StatsTest, AnEndOfTheDaemonEndsThem) {
  Made("a", {"sleep", "infinity"}, /*start=*/true);
  auto stream = Begin({}, /*interval_ms=*/900);
  EXPECT_THAT(stream->Next(), ElementsAre("a"));
  StopDaemon();
  v1::StreamStatsResponse response;
  while (stream->reader->Read(&response)) {
  }
  EXPECT_FALSE(stream->reader->Finish().ok());
  StartDaemon();
}

}  // namespace
}  // namespace vx::integration
