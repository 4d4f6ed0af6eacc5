// A call whose caller sends input to a command while it gets what that writes.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/service/pumped_stream.h"
#include "daemon/service/unary.h"
#include "vx/v1/workload_service.pb.h"

namespace vx::service {

// INVALID_ARGUMENT when it is too large.
absl::StatusOr<driver::TerminalSize> ToSize(const v1::TerminalSize& size);

// What a caller's message is, in whatever words its call has for it.
enum class CallerPart { kStart, kInput, kEnd, kSize, kOther };

template <typename Request>
CallerPart PartOf(const Request& message) {
  switch (message.part_case()) {
    case Request::kStart:
      return CallerPart::kStart;
    case Request::kStdinData:
      return CallerPart::kInput;
    case Request::kStdinEof:
      return CallerPart::kEnd;
    case Request::kResize:
      return CallerPart::kSize;
    default:
      return CallerPart::kOther;
  }
}
inline CallerPart PartOf(const v1::ForwardPortRequest& message) {
  switch (message.part_case()) {
    case v1::ForwardPortRequest::kStart:
      return CallerPart::kStart;
    case v1::ForwardPortRequest::kData:
      return CallerPart::kInput;
    case v1::ForwardPortRequest::kEof:
      return CallerPart::kEnd;
    default:
      return CallerPart::kOther;
  }
}

template <typename Request>
std::string* InputOf(Request& message) {
  return message.mutable_stdin_data();
}
inline std::string* InputOf(v1::ForwardPortRequest& message) { return message.mutable_data(); }

// The caller's half: messages are taken one at a time, and only when the command has
// taken the input before them. The other half is PumpedStream's.
template <typename Request, typename Response>
class SessionStream : public PumpedStream<Response, grpc::ServerBidiReactor<Request, Response>> {
 public:
  SessionStream(const Context& context, grpc::CallbackServerContext* call)
      : PumpedStream<Response, grpc::ServerBidiReactor<Request, Response>>(context.slow_pool),
        context_(context),
        call_(call) {}

  void Begin() {
    this->HandOver();
    this->StartRead(&message_);
  }

  void OnReadDone(bool ok) override {
    Later([this, ok] { Take(ok); });
  }
  void OnDone() override { Drop(); }

 protected:
  // The first message, from a caller who may. Its error ends the call.
  virtual absl::Status Open(const typename Request::Start& start) = 0;
  // A message that is no input; End does not come meanwhile.
  virtual absl::Status Handle(const Request&) {
    return InvalidFields({{"part", "is missing or unknown"}});
  }
  // Whether the end of the caller's messages is the end of the input.
  virtual bool EndsWithItsCaller() const = 0;
  // Ends what the call is about; Open may still be under way.
  virtual void End() = 0;

  // From now on messages are taken; null: input is refused. Once; borrowed until End,
  // before which it may be gone already.
  void TakeInput(driver::Input* input) {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return;
    input_ = input;
    ReadOn();
  }

  // Why the call is to end; OK: nothing is wrong.
  absl::Status failure() {
    absl::MutexLock lock(&mutex_);
    return failure_;
  }

  const Context& context_;

 private:
  // Runs `work` in the pool, where the stream lives at least as long.
  void Later(std::function<void()> work) {
    ++uses_;
    context_.slow_pool.Run([this, work = std::move(work)] {
      work();
      Drop();
    });
  }
  void Drop() {
    if (--uses_ == 0) delete this;
  }

  void Take(bool ok) {
    if (!opened_) return TakeFirst(ok);
    absl::MutexLock lock(&mutex_);
    if (stopped_) return;
    if (ok && PartOf(message_) == CallerPart::kStart) {
      return Fail(InvalidFields({{"start", "was sent twice"}}));
    }
    read_ended_ = !ok;
    if (ok ? PartOf(message_) == CallerPart::kEnd : EndsWithItsCaller()) {
      closing_ = input_ != nullptr;
      return PassOn();
    }
    if (!ok) return;
    absl::Status status = TakePart();
    if (!status.ok()) return Fail(status);
    PassOn();
  }

  void TakeFirst(bool ok) {
    absl::Status status = InvalidFields({{"start", "is missing: it has to be the first message"}});
    if (ok && PartOf(message_) == CallerPart::kStart) {
      status = context_.authorizer.Authorize(call_->peer(), message_).status();
      opened_ = true;
      if (status.ok()) status = Open(message_.start());
    }
    if (!status.ok()) {
      absl::MutexLock lock(&mutex_);
      return Fail(status);
    }
    this->Wake();
  }

  absl::Status TakePart() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const CallerPart part = PartOf(message_);
    if (part != CallerPart::kInput && part != CallerPart::kSize) return Handle(message_);
    if (input_ == nullptr) return InvalidFields({{"stdin_data", "is of no use without stdin"}});
    if (part == CallerPart::kInput) pending_ = std::move(*InputOf(message_));
    if constexpr (requires { message_.resize(); }) {
      if (part == CallerPart::kSize) {
        VX_ASSIGN_OR_RETURN(driver::TerminalSize size, ToSize(message_.resize()));
        input_->Resize(size).IgnoreError();
      }
    }
    return absl::OkStatus();
  }

  // What the command does not take any more is dropped.
  void PassOn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (stopped_) return;
    if (!pending_.empty()) {
      auto taken = input_->Write(pending_);
      pending_.erase(0, taken.ok() ? *taken : pending_.size());
      if (!pending_.empty()) return WaitForRoom();
    }
    if (closing_) {
      auto closed = input_->Close();
      if (closed.ok() && !*closed) return WaitForRoom();
      closing_ = false;
    }
    ReadOn();
  }

  void WaitForRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    context_.waker.ArmWritable(input_->fd(), [this] {
      Later([this] {
        absl::MutexLock lock(&mutex_);
        PassOn();
      });
    });
  }

  void ReadOn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!stopped_ && !read_ended_) this->StartRead(&message_);
  }

  void Fail(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (failure_.ok()) failure_ = status;
    this->Wake();
  }

  void Stop() final {
    {
      absl::MutexLock lock(&mutex_);
      stopped_ = true;
      if (input_ != nullptr && input_->fd() >= 0) context_.waker.Forget(input_->fd());
    }
    End();
  }

  grpc::CallbackServerContext* const call_;
  Request message_;
  bool opened_ = false;
  // The call, and what was put off.
  std::atomic<int> uses_{1};

  absl::Mutex mutex_;
  driver::Input* input_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::string pending_ ABSL_GUARDED_BY(mutex_);
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  bool read_ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace vx::service
