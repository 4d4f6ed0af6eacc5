// Frames between vxd and a guest's agent, on the virtio-serial port org.vx.agent.0
// (QEMU's end is a unix socket that vxd connects to). What is in them is in
// proto/vx/agent/v1/agent.proto.
//
// A connection begins with Hello and Welcome; what comes before them is thrown away, as
// it may be the rest of an earlier connection. A stream is opened by a Request of
// vxd's, with a number that grows and is not used again, answered by a Reply, and over
// with
//   - the Reply, unless it is of a command that was started, or
//   - Exit, the agent's last word on a command, or
//   - Reset, which each side may send, and the agent answers with one.
//
// Data is sent on a channel only while the other side has room: kRoom bytes at first
// (output: what Hello says), then what it says by kRoom frames. So a reader that stops
// holds up nothing but its own channel, and either side knows what a stream can cost it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace vx::agent {

inline constexpr char kAgentPort[] = "org.vx.agent.0";
inline constexpr uint32_t kWireVersion = 1;

enum class WireType : uint8_t {
  kHello = 1,    // vxd: Hello
  kWelcome = 2,  // agent: Welcome
  kRequest = 3,  // vxd: Request
  kReply = 4,    // agent: Reply
  kData = 5,     // bytes, on `channel`
  kEnd = 6,      // of the channel's bytes; of output, where Exit does not say it
  kRoom = 7,     // uint32_t: so many more bytes may come on `channel`
  kControl = 8,  // vxd: Control
  kExit = 9,     // agent: Exit
  kReset = 10,
};

enum WireChannel : uint8_t { kStdin = 0, kStdout = 1, kStderr = 2 };
inline constexpr int kChannels = 3;

// Little-endian, as everything here runs on little-endian machines.
struct __attribute__((packed)) WireHeader {
  uint16_t magic;
  WireType type;
  uint8_t channel;  // of kData, kEnd and kRoom; else 0
  uint32_t stream;  // 0 for kHello and kWelcome
  uint32_t length;  // of what follows
};

inline constexpr uint16_t kWireMagic = 0x5856;
// The most in a kData frame: a port takes 32 KiB in one go.
inline constexpr uint32_t kMaxData = 32 * 1024 - sizeof(WireHeader);
// The same for output to a vxd whose Hello says so: a frame wakes whom it is for once,
// and that costs more than its bytes.
inline constexpr uint32_t kMaxOutput = 128 * 1024 - sizeof(WireHeader);
// The longest message of an agent, and of vxd.
inline constexpr uint32_t kMaxAgentMessage = 64 * 1024;
inline constexpr uint32_t kMaxHostMessage = 2 * 1024 * 1024;
// What each channel has room for at first, and what vxd's Hello says for output.
inline constexpr uint32_t kRoom = 128 * 1024;
inline constexpr uint32_t kOutputRoom = 256 * 1024;
// Streams at once; the agent answers ENOBUFS to more.
inline constexpr int kMaxStreams = 64;

void AppendFrame(std::string& out, WireType type, uint32_t stream, uint8_t channel,
                 std::string_view body);
std::string EncodeFrame(WireType type, uint32_t stream, uint8_t channel, std::string_view body);

// Takes frames out of a stream of bytes, from which ever side.
class WireReader {
 public:
  // `max_message` and, of data, `max_data` bound frames; what is kept of one that is not
  // whole is less than that.
  explicit WireReader(uint32_t max_message, uint32_t max_data = kMaxData)
      : max_message_(max_message), max_data_(max_data) {}

  // False ends the reading: the frame was refused.
  using Take = std::function<bool(const WireHeader& header, std::string_view body)>;

  // Hands out the frames that are whole. False when the bytes are no frames, or one was
  // refused; then only Seek makes it of use again.
  bool Feed(std::string_view data, const Take& take);

  // Throws away what is kept, and all that comes before a frame of `type`.
  void Seek(WireType type);
  // Bytes that were thrown away since the last Seek.
  uint64_t skipped() const { return skipped_; }

 private:
  // Of a header at the front of `data`; false: there is none.
  bool IsFrame(const WireHeader& header) const;
  // Bytes used up, or -1.
  long TakeOne(std::string_view data, const Take& take);
  size_t Skip(std::string_view data);

  // Bytes used up, or -1.
  long TakeAll(std::string_view data, const Take& take);

  const uint32_t max_message_;
  const uint32_t max_data_;
  std::string kept_;
  WireType sought_ = WireType{0};  // 0: none
  uint64_t skipped_ = 0;
};

}  // namespace vx::agent
