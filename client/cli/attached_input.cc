#include "client/cli/attached_input.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/context.h"
#include "client/cli/errors.h"
#include "daemon/base/error.h"

namespace vx::cli {

AttachedInput::AttachedInput(client::Connection* connection, std::string uid, Attachment attachment,
                             std::function<void()> on_detach)
    : connection_(connection), uid_(std::move(uid)), attachment_(std::move(attachment)) {
  stream_ = Open();
  reader_ = std::thread([this] { Follow(); });
  if (!attachment_.stdin) return;
  if (attachment_.tty) raw_.emplace();
  OwnInput::Sink sink;
  sink.data = [this](std::string data) {
    v1::AttachRequest request;
    request.set_stdin_data(std::move(data));
    return Send(request);
  };
  sink.end = [this] {
    v1::AttachRequest request;
    request.set_stdin_eof(true);
    Send(request);
  };
  sink.detach = std::move(on_detach);
  input_.emplace(attachment_.keys, std::move(sink));
}

AttachedInput::~AttachedInput() {
  {
    absl::MutexLock lock(&mutex_);
    generation_ = 0;
    stream_->Cancel();
  }
  input_.reset();
  reader_.join();
}

std::shared_ptr<AttachedInput::Stream> AttachedInput::Open() const {
  v1::AttachRequest::Start start;
  start.set_name(uid_);
  start.set_stdin(attachment_.stdin);
  start.set_input_only(true);
  start.set_console(attachment_.console);
  if (attachment_.tty) *start.mutable_size() = OwnTerminalSize();
  return connection_->Attach(std::move(start));
}

void AttachedInput::Follow() {
  std::shared_ptr<Stream> stream;
  {
    absl::MutexLock lock(&mutex_);
    stream = stream_;
  }
  while (true) {
    v1::AttachResponse ignored;
    while (stream->Read(&ignored)) {
    }
    const absl::Status end = stream->Finish();
    NoteEnd(end);
    const bool lost = ErrorReason(end) == "CONNECTION_LOST";
    const bool back = lost && connection_->Reconnect(client::kRestartLimit).ok();
    absl::MutexLock lock(&mutex_);
    if (!back) generation_ = 0;
    if (generation_ == 0) return;
    stream = stream_ = Open();
    ++generation_;
  }
}

void AttachedInput::NoteEnd(const absl::Status& end) {
  if (!attachment_.console || ErrorReason(end) != "CONSOLE_BUSY") return;
  {
    absl::MutexLock lock(&mutex_);
    watches_ = true;
  }
  // The terminal may be raw.
  WriteAll(STDERR_FILENO, absl::StrCat("\rvxctl: ", Printable(std::string(end.message())),
                                       "; you only watch it (CONSOLE_BUSY)\r\n"))
      .IgnoreError();
}

bool AttachedInput::Send(const v1::AttachRequest& request) {
  absl::MutexLock writing(&write_mutex_);
  while (true) {
    std::shared_ptr<Stream> stream;
    int generation = 0;
    bool watches = false;
    {
      absl::MutexLock lock(&mutex_);
      stream = stream_;
      generation = generation_;
      watches = watches_;
    }
    if (generation == 0) return watches;
    if (stream->Write(request)) return true;
    absl::MutexLock lock(&mutex_);
    auto changed = [this, generation]()
                       ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return generation_ != generation; };
    mutex_.Await(absl::Condition(&changed));
  }
}

void AttachedInput::Resize() {
  v1::AttachRequest request;
  *request.mutable_resize() = OwnTerminalSize();
  if (attachment_.tty) Send(request);
}

}  // namespace vx::cli
