#include "client/cli/own_input.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/cli/errors.h"

namespace vx::cli {
namespace {

constexpr size_t kPiece = 32 << 10;
constexpr char kControlBits = 0x1f;

// What a terminal has a control code for: @ A to Z [ \ ] ^ _
bool HasControlCode(char key) { return key >= '@' && key <= '_'; }

// "ctrl-X" or "X"; -1: neither.
int ParseKey(absl::string_view text) {
  const bool control = absl::ConsumePrefix(&text, "ctrl-");
  if (text.size() != 1 || !absl::ascii_isprint(static_cast<unsigned char>(text[0]))) return -1;
  if (!control) return text[0];
  const char key = absl::ascii_toupper(static_cast<unsigned char>(text[0]));
  return HasControlCode(key) ? key & kControlBits : -1;
}

}  // namespace

absl::StatusOr<DetachKeys> DetachKeys::Parse(absl::string_view text) {
  std::string keys;
  for (absl::string_view word : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    const int key = ParseKey(word);
    if (key < 0) {
      return UsageError(absl::StrCat("--detach-keys: \"", word, "\" is no key"),
                        "write single characters, or ctrl- and one of a to z @ [ \\ ] ^ _, "
                        "with commas between: ctrl-p,ctrl-q");
    }
    keys.push_back(static_cast<char>(key));
  }
  return DetachKeys(std::move(keys));
}

bool DetachKeys::Take(absl::string_view data, std::string* out) {
  out->clear();
  for (const char c : data) {
    if (keys_.empty()) {
      out->push_back(c);
      continue;
    }
    if (c == keys_[seen_]) {
      if (++seen_ == keys_.size()) return true;
      continue;
    }
    out->append(keys_, 0, seen_);
    seen_ = c == keys_[0] ? 1 : 0;
    if (seen_ == 0) out->push_back(c);
    if (seen_ == keys_.size()) return true;
  }
  return false;
}

OwnInput::OwnInput(DetachKeys keys, Sink sink)
    : keys_(std::move(keys)),
      sink_(std::move(sink)),
      stop_(eventfd(0, EFD_CLOEXEC)),
      thread_([this] { Run(); }) {}

OwnInput::~OwnInput() {
  const uint64_t one = 1;
  (void)!write(stop_.get(), &one, sizeof one);
  thread_.join();
}

void OwnInput::Run() {
  std::string buffer, data;
  while (true) {
    pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) return sink_.end();
    if (fds[1].revents != 0) return;
    if (fds[0].revents == 0) continue;
    buffer.resize(kPiece);
    const ssize_t n = read(STDIN_FILENO, buffer.data(), buffer.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return sink_.end();
    buffer.resize(static_cast<size_t>(n));
    const bool detach = keys_.Take(buffer, &data);
    if (!data.empty() && !sink_.data(std::move(data))) return;
    if (detach) return sink_.detach();
  }
}

}  // namespace vx::cli
