// Many workloads of the fake driver, as tests/bench/run measures them. Each part prints
// one JSON object of numbers.
//
//   bench_scale SOCKET fill COUNT          makes w0 to w<COUNT - 1>; every second one runs
//   bench_scale SOCKET churn COUNT SECONDS RATE
//                                          RATE changes a second of those, while pages of
//                                          100 are listed
//   bench_scale SOCKET ready NANOSECONDS   waits for vxd's first answer and until its
//                                          drivers are ready; tells how long after that
//                                          point of CLOCK_MONOTONIC
#include <atomic>
#include <cstdlib>
#include <map>
#include <random>

#include "absl/time/clock.h"
#include "tests/bench/measure.h"

namespace vx {
namespace {

using namespace bench;

constexpr int kThreads = 8;
constexpr int kPageSize = 100;

std::string Name(int number) { return absl::StrCat("w", number); }

void Create(client::Connection& connection, int number) {
  v1::CreateWorkloadRequest request;
  v1::Workload* workload = request.mutable_workload();
  workload->set_name(Name(number));
  workload->set_kind(v1::KIND_CONTAINER);
  (*workload->mutable_labels())["team"] = absl::StrCat("team-", number % 10);
  workload->mutable_spec()->set_image("busybox");
  workload->mutable_spec()->add_command("sleep");
  workload->mutable_spec()->add_command("infinity");
  request.set_start(number % 2 == 0);
  Finish(connection, Must(connection.CreateWorkload(request)).operation());
}

void Stop(client::Connection& connection, int number) {
  v1::StopWorkloadRequest request;
  request.set_name(Name(number));
  request.mutable_grace()->set_seconds(0);
  Finish(connection, Must(connection.StopWorkload(request)).operation());
}

void Start(client::Connection& connection, int number) {
  v1::StartWorkloadRequest request;
  request.set_name(Name(number));
  Finish(connection, Must(connection.StartWorkload(request)).operation());
}

void Update(client::Connection& connection, int number, int64_t memory) {
  v1::UpdateWorkloadRequest request;
  request.mutable_workload()->set_name(Name(number));
  request.mutable_workload()->mutable_spec()->mutable_resources()->set_memory_bytes(memory);
  request.mutable_update_mask()->add_paths("spec.resources.memory_bytes");
  Finish(connection, Must(connection.UpdateWorkload(request)).operation());
}

void Replace(client::Connection& connection, int number) {
  v1::DeleteWorkloadRequest request;
  request.set_name(Name(number));
  request.set_force(true);
  Finish(connection, Must(connection.DeleteWorkload(request)).operation());
  Create(connection, number);
}

void Fill(const client::Target& target, int count) {
  Times all;
  all.Measure([&] {
    InThreads(target, kThreads, [&](client::Connection& connection, int thread) {
      for (int i = thread; i < count; i += kThreads) Create(connection, i);
    });
  });
  std::cout << "{" << all.Json("fill") << "}" << std::endl;
}

// One change, or two; how many.
int Change(client::Connection& connection, std::mt19937& random, int number) {
  switch (random() % 4) {
    case 0:
      Stop(connection, number);
      return 1;
    case 1:
      Start(connection, number);
      return 1;
    case 2:
      Update(connection, number, int64_t{64 + static_cast<int>(random() % 1000)} << 20);
      return 1;
    default:
      Replace(connection, number);
      return 2;
  }
}

v1::ListWorkloadsResponse List(client::Connection& connection, const std::string& token) {
  v1::ListWorkloadsRequest request;
  request.set_page_size(kPageSize);
  request.set_page_token(token);
  return Must(connection.ListWorkloads(request));
}

// Where the first, the middle and the last page begin.
std::map<std::string, std::string> Pages(client::Connection& connection) {
  std::vector<std::string> tokens = {""};
  while (true) {
    const std::string next = List(connection, tokens.back()).next_page_token();
    if (next.empty()) break;
    tokens.push_back(next);
  }
  return {{"first", ""}, {"middle", tokens[tokens.size() / 2]}, {"last", tokens.back()}};
}

void Churn(const client::Target& target, int count, int seconds, int rate) {
  auto lister = Must(client::Connection::Open(target));
  const std::map<std::string, std::string> pages = Pages(*lister);
  std::map<std::string, Times> list_times;
  for (const auto& [page, token] : pages) list_times[page];
  Times change_times;
  std::atomic<int> changes = 0;
  std::atomic<bool> over = false;
  std::thread listing([&] {
    while (!over) {
      for (const auto& [page, token] : pages) {
        list_times[page].Measure([&, &token = token] { List(*lister, token); });
      }
      absl::SleepFor(absl::Milliseconds(20));  // 150 pages a second at most
    }
  });
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::seconds(seconds);
  InThreads(target, kThreads, [&](client::Connection& connection, int thread) {
    std::mt19937 random(thread);
    int done = 0;
    while (Clock::now() < end) {
      std::this_thread::sleep_until(begin +
                                    std::chrono::microseconds(1000000) * done * kThreads / rate);
      const int number = static_cast<int>(random() % (count / kThreads)) * kThreads + thread;
      change_times.Measure([&] { done += Change(connection, random, number); });
    }
    changes += done;
  });
  const double took = Milliseconds(Clock::now() - begin) / 1000;
  over = true;
  listing.join();
  std::cout << "{\"rate\": " << changes / took << ", " << change_times.Json("change");
  for (auto& [page, times] : list_times) std::cout << ", " << times.Json(page);
  std::cout << "}" << std::endl;
}

bool AllReady(const v1::GetInfoResponse& info) {
  return std::all_of(info.drivers().begin(), info.drivers().end(),
                     [](const auto& driver) { return driver.state() != v1::DRIVER_STATE_PROBING; });
}

void Ready(const client::Target& target, int64_t since) {
  auto after = [since] {
    const auto now = Clock::now().time_since_epoch();
    return Milliseconds(now - std::chrono::nanoseconds(since));
  };
  auto connection = client::Connection::Open(target);
  while (!connection.ok()) {
    absl::SleepFor(absl::Milliseconds(1));
    connection = client::Connection::Open(target);
  }
  List(**connection, "");
  const double first = after();
  while (!AllReady(Must((*connection)->GetInfo()))) absl::SleepFor(absl::Milliseconds(1));
  std::cout << "{\"first_answer\": " << first << ", \"ready\": " << after() << "}" << std::endl;
}

int Main(int argc, char** argv) {
  const std::string part = argc > 3 ? argv[2] : "";
  const client::Target target = TargetOf(argc > 1 ? argv[1] : "/");
  if (part == "fill") {
    Fill(target, atoi(argv[3]));
  } else if (part == "churn" && argc == 6) {
    Churn(target, atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
  } else if (part == "ready") {
    Ready(target, atoll(argv[3]));
  } else {
    std::cerr << "usage: bench_scale SOCKET fill COUNT | churn COUNT SECONDS RATE | ready SINCE\n";
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace vx

int main(int argc, char** argv) { return vx::Main(argc, argv); }
