// What the programs that measure have in common.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "client/lib/connection.h"
#include "client/lib/operation.h"

namespace vx::bench {

using Clock = std::chrono::steady_clock;

template <typename Value>
Value Must(absl::StatusOr<Value> value) {
  if (!value.ok()) {
    std::cerr << "bench: " << value.status() << std::endl;
    _exit(1);
  }
  return *std::move(value);
}

inline client::Target TargetOf(const std::string& socket) {
  return Must(client::ParseTarget("unix://" + socket));
}

inline double Milliseconds(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

// Times of one thing, in milliseconds. Thread-safe.
class Times {
 public:
  void Add(double time) {
    absl::MutexLock lock(&mutex_);
    times_.push_back(time);
  }
  void Measure(const std::function<void()>& what) {
    const auto begin = Clock::now();
    what();
    Add(Milliseconds(Clock::now() - begin));
  }
  // "NAME_median": 1, "NAME_p99": 2
  std::string Json(const std::string& name) {
    absl::MutexLock lock(&mutex_);
    std::sort(times_.begin(), times_.end());
    auto at = [&](double part) {
      mutex_.AssertHeld();
      return times_.empty() ? 0 : times_[static_cast<size_t>(part * (times_.size() - 1))];
    };
    return absl::StrCat("\"", name, "_median\": ", at(0.5), ", \"", name, "_p99\": ", at(0.99));
  }

 private:
  absl::Mutex mutex_;
  std::vector<double> times_ ABSL_GUARDED_BY(mutex_);
};

// Runs `use` in `count` threads, each with a connection of its own.
inline void InThreads(const client::Target& target, int count,
                      const std::function<void(client::Connection&, int)>& use) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&, i] { use(*Must(client::Connection::Open(target)), i); });
  }
  for (std::thread& thread : threads) thread.join();
}

// Waits for the end of a change, and says so when it is no good one.
inline void Finish(client::Connection& connection, const v1::Operation& begun) {
  const v1::Operation ended = Must(client::FollowOperation(connection, begun));
  const absl::Status status = client::OperationError(ended);
  if (!status.ok()) std::cerr << ended.target() << ": " << status << std::endl;
}

}  // namespace vx::bench
