// The few things that the shim needs instead of a library: it is a static
// program that counts every kilobyte, so there is no stdio, no heap and no
// exception here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace vx::shim {

// The one large buffer of the process: whatever is read goes through it and is
// dealt with before the next read.
inline constexpr size_t kBufferSize = 8 * 1024;
extern char g_buffer[kBufferSize];

// Text of a bounded length; what does not fit is cut off. Always terminated.
template <size_t N>
class Text {
 public:
  Text& Append(const char* text, size_t size) {
    if (size > N - 1 - size_) size = N - 1 - size_;
    memcpy(data_ + size_, text, size);
    size_ += size;
    data_[size_] = 0;
    return *this;
  }
  Text& Append(const char* text) { return Append(text, strlen(text)); }
  Text& Append(int64_t number) {
    char digits[20];
    size_t n = 0;
    uint64_t rest = number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
    do digits[n++] = static_cast<char>('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (number < 0) Append("-", 1);
    while (n > 0) Append(&digits[--n], 1);
    return *this;
  }
  const char* c_str() const { return data_; }
  size_t size() const { return size_; }

 private:
  size_t size_ = 0;
  char data_[N] = {};
};

// Writes all of it; false with errno on failure. Waits where `fd` would block.
bool WriteAll(int fd, const void* data, size_t size);

// read(2) that goes on after a signal.
long Read(int fd, void* data, size_t size);

// CLOCK_REALTIME.
int64_t NowNanos();

// CLOCK_MONOTONIC.
int64_t MonotonicMillis();

void SetNonBlocking(int fd);

// A listening socket of `type` in the working directory, mode 0600, in the place
// of whatever was there; -1 with errno on failure.
int Listen(const char* name, int type);

// Opens a file of the working directory that holds a number; 0 when it doesn't.
int32_t ReadNumber(const char* name);

}  // namespace vx::shim
