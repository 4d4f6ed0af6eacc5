#include "plugins/agent/wire.h"

#include <string.h>

#include <utility>

namespace vx::agent {

void AppendFrame(std::string& out, WireType type, uint32_t stream, uint8_t channel,
                 std::string_view body) {
  const WireHeader header = {kWireMagic, type, channel, stream, static_cast<uint32_t>(body.size())};
  out.append(reinterpret_cast<const char*>(&header), sizeof header).append(body);
}

std::string EncodeFrame(WireType type, uint32_t stream, uint8_t channel, std::string_view body) {
  std::string frame;
  AppendFrame(frame, type, stream, channel, body);
  return frame;
}

bool WireReader::IsFrame(const WireHeader& header) const {
  if (header.magic != kWireMagic || header.channel >= kChannels) return false;
  if (header.type < WireType::kHello || header.type > WireType::kReset) return false;
  return header.length <= (header.type == WireType::kData ? max_data_ : max_message_);
}

void WireReader::Seek(WireType type) {
  kept_.clear();
  sought_ = type;
  skipped_ = 0;
}

// How many bytes at the front are no header of the sought type.
size_t WireReader::Skip(std::string_view data) {
  size_t at = 0;
  for (; data.size() - at >= sizeof(WireHeader); ++at) {
    WireHeader header;
    memcpy(&header, data.data() + at, sizeof header);
    if (header.type == sought_ && header.stream == 0 && IsFrame(header)) break;
  }
  skipped_ += at;
  return at;
}

long WireReader::TakeOne(std::string_view data, const Take& take) {
  if (data.size() < sizeof(WireHeader)) return 0;
  WireHeader header;
  memcpy(&header, data.data(), sizeof header);
  if (!IsFrame(header)) return -1;
  if (data.size() < sizeof header + header.length) return 0;
  sought_ = WireType{0};
  const bool taken = take(header, data.substr(sizeof header, header.length));
  return taken ? static_cast<long>(sizeof header + header.length) : -1;
}

long WireReader::TakeAll(std::string_view data, const Take& take) {
  size_t at = 0;
  while (true) {
    if (sought_ != WireType{0}) at += Skip(data.substr(at));
    const long used = TakeOne(data.substr(at), take);
    if (used < 0) return -1;
    if (used == 0) return static_cast<long>(at);
    at += static_cast<size_t>(used);
  }
}

bool WireReader::Feed(std::string_view data, const Take& take) {
  const bool kept = !kept_.empty();
  // Not handed out from where `take` may Seek.
  std::string joined = std::exchange(kept_, {});
  if (kept) data = joined.append(data);
  const long used = TakeAll(data, take);
  if (used < 0) return false;
  if (kept) {
    joined.erase(0, static_cast<size_t>(used));
    kept_ = std::move(joined);
  } else {
    kept_.assign(data.substr(static_cast<size_t>(used)));
  }
  return true;
}

}  // namespace vx::agent
