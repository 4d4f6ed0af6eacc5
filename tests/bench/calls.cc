// Calls of a daemon with real containers, without a client's own start, as tests/bench/run
// measures them. Each part prints one JSON object of numbers, times in milliseconds.
//
//   bench_calls SOCKET span ROUNDS         from the call that makes a container which runs
//                                          `true` to its removal on record
//   bench_calls SOCKET exec NAME ROUNDS    `true` in a workload that runs
//   bench_calls SOCKET many COUNT          starts idle containers c0 to c<COUNT - 1>, the
//                                          first and the last of them one at a time
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <thread>
#include <utility>

#include "tests/bench/measure.h"

namespace vx {
namespace {

using namespace bench;

constexpr int kThreads = 16;
constexpr int kAlone = 20;

v1::CreateWorkloadRequest Request(const std::vector<std::string>& command) {
  v1::CreateWorkloadRequest request;
  request.set_start(true);
  request.mutable_workload()->set_kind(v1::KIND_CONTAINER);
  v1::WorkloadSpec* spec = request.mutable_workload()->mutable_spec();
  spec->set_image("busybox");
  for (const std::string& word : command) spec->add_command(word);
  return request;
}

// An event is told once it is on record.
void AwaitRemoval(client::Stream<v1::WatchEventsResponse>& events, const std::string& uid) {
  v1::WatchEventsResponse response;
  while (events.Read(&response)) {
    const v1::Event& event = response.event();
    const bool removed = event.type() == v1::EVENT_TYPE_WORKLOAD_DELETED;
    if (removed && event.workload().uid() == uid) return;
  }
  Must(absl::StatusOr<int>(events.Finish()));
}

void Span(client::Connection& connection, int rounds) {
  auto events = connection.WatchEvents({});
  v1::CreateWorkloadRequest request = Request({"true"});
  request.mutable_workload()->mutable_spec()->set_remove_on_exit(true);
  Times times;
  for (int i = 0; i < rounds; ++i) {
    times.Measure([&] {
      AwaitRemoval(*events, Must(connection.CreateWorkload(request)).workload().uid());
    });
  }
  std::cout << "{" << times.Json("span") << "}" << std::endl;
}

void Exec(client::Connection& connection, const std::string& name, int rounds) {
  v1::ExecRequest::Start start;
  start.set_name(name);
  start.add_command("true");
  Times times;
  for (int i = 0; i < rounds; ++i) {
    times.Measure([&] {
      auto session = connection.Exec(start);
      v1::ExecResponse response;
      while (session->Read(&response)) {
      }
      const absl::Status end = session->Finish();
      if (!end.ok()) Must(absl::StatusOr<int>(end));
    });
  }
  std::cout << "{" << times.Json("exec") << "}" << std::endl;
}

void StartIdle(client::Connection& connection, int number) {
  v1::CreateWorkloadRequest request = Request({"sleep", "100000"});
  request.mutable_workload()->set_name(absl::StrCat("c", number));
  const v1::Operation begun = Must(connection.CreateWorkload(request)).operation();
  const absl::Status end =
      client::OperationError(Must(client::FollowOperation(connection, begun)));
  if (!end.ok()) Must(absl::StatusOr<int>(end));
}

// Of all processors' time, in ticks since the boot (proc(5), /proc/stat).
std::pair<int64_t, int64_t> BusyAndAll() {
  std::ifstream stat("/proc/stat");
  std::string name;
  stat >> name;
  int64_t busy = 0, all = 0, ticks = 0;
  for (int column = 0; column < 8 && stat >> ticks; ++column) {
    all += ticks;
    const bool idles = column == 3 || column == 4;
    if (!idles) busy += ticks;
  }
  return {busy, all};
}

// Until what starts left to the kernel and the disk is done, or for ten seconds: the first
// and the last are measured on a machine that is at rest alike.
void Settle() {
  constexpr auto kLook = std::chrono::milliseconds(250);
  for (int i = 0; i < 40; ++i) {
    const auto before = BusyAndAll();
    std::this_thread::sleep_for(kLook);
    const auto after = BusyAndAll();
    if ((after.first - before.first) * 20 <= after.second - before.second) return;
  }
}

void Many(const client::Target& target, int count) {
  auto connection = Must(client::Connection::Open(target));
  Times first, last;
  Settle();
  const auto begin = Clock::now();
  for (int i = 0; i < kAlone; ++i) first.Measure([&] { StartIdle(*connection, i); });
  InThreads(target, kThreads, [&](client::Connection& own, int thread) {
    for (int i = kAlone + thread; i < count - kAlone; i += kThreads) StartIdle(own, i);
  });
  auto took = Clock::now() - begin;
  Settle();
  const auto again = Clock::now();
  for (int i = count - kAlone; i < count; ++i) last.Measure([&] { StartIdle(*connection, i); });
  took += Clock::now() - again;
  std::cout << "{" << first.Json("first") << ", " << last.Json("last")
            << ", \"all\": " << Milliseconds(took) << "}" << std::endl;
}

int Main(int argc, char** argv) {
  const std::string part = argc > 3 ? argv[2] : "";
  const client::Target target = TargetOf(argc > 1 ? argv[1] : "/");
  if (part == "span") {
    Span(*Must(client::Connection::Open(target)), atoi(argv[3]));
  } else if (part == "exec" && argc == 5) {
    Exec(*Must(client::Connection::Open(target)), argv[3], atoi(argv[4]));
  } else if (part == "many") {
    Many(target, atoi(argv[3]));
  } else {
    std::cerr << "usage: bench_calls SOCKET span ROUNDS | exec NAME ROUNDS | many COUNT\n";
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace vx

int main(int argc, char** argv) { return vx::Main(argc, argv); }
