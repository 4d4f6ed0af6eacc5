#include "client/cli/signal_watcher.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <utility>

namespace vx::cli {
namespace {

// Where the handler writes; the handler may run on any thread.
std::atomic<int> handler_fd{-1};

void Handle(int signal) {
  int saved = errno;
  auto byte = static_cast<unsigned char>(signal);
  ssize_t ignored = write(handler_fd.load(), &byte, 1);
  static_cast<void>(ignored);
  errno = saved;
}

}  // namespace

SignalWatcher::SignalWatcher(std::function<void(int)> on_signal, std::vector<int> signals)
    : on_signal_(std::move(on_signal)), signals_(std::move(signals)), old_(signals_.size()) {
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) return;
  read_end_.reset(ends[0]);
  write_end_.reset(ends[1]);
  handler_fd = ends[1];
  thread_ = std::thread([this] { Run(); });
  struct sigaction action = {};
  action.sa_handler = Handle;
  action.sa_flags = SA_RESTART;
  for (size_t i = 0; i < signals_.size(); ++i) sigaction(signals_[i], &action, &old_[i]);
}

SignalWatcher::~SignalWatcher() {
  if (!thread_.joinable()) return;
  for (size_t i = 0; i < signals_.size(); ++i) sigaction(signals_[i], &old_[i], nullptr);
  handler_fd = -1;
  write_end_.reset();
  thread_.join();
}

void SignalWatcher::Run() {
  unsigned char signal = 0;
  while (read(read_end_.get(), &signal, 1) == 1) on_signal_(signal);
}

}  // namespace vx::cli
