#include "plugins/libvirt/agent_stream.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cstring>

namespace vx::libvirt {
namespace {

// The most that an eventfd counts: then it is not writable.
constexpr eventfd_t kFull = 0xfffffffffffffffe;
// The guest is told of room in pieces of this.
constexpr uint32_t kCreditStep = agent::kOutputRoom / 4;
constexpr size_t kCompactAbove = agent::kOutputRoom / 2;

}  // namespace

Flag::Flag() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Flag::Raise() const { eventfd_write(fd_.get(), kFull); }

void Flag::Lower() const {
  eventfd_t count;
  eventfd_read(fd_.get(), &count);
}

bool StreamBuffer::Put(absl::string_view data) {
  if (ended_ || data.empty() || data.size() > room_) return false;
  room_ -= static_cast<uint32_t>(data.size());
  data_.append(data.data(), data.size());
  flag_.Raise();
  return true;
}

void StreamBuffer::End() {
  ended_ = true;
  flag_.Raise();
}

size_t StreamBuffer::Take(char* data, size_t size) {
  const size_t n = std::min(size, this->size());
  memcpy(data, data_.data() + begin_, n);
  begin_ += n;
  credit_ += static_cast<uint32_t>(n);
  if (begin_ == data_.size()) {
    data_.clear();
    begin_ = 0;
    if (!ended_) flag_.Lower();
  } else if (begin_ >= kCompactAbove) {
    data_.erase(0, begin_);
    begin_ = 0;
  }
  return n;
}

uint32_t StreamBuffer::TakeCredit() {
  if (credit_ < kCreditStep || ended_) return 0;
  const uint32_t credit = credit_;
  credit_ = 0;
  room_ += credit;
  return credit;
}

}  // namespace vx::libvirt
