#include "plugins/agent/wire.h"

#include <string.h>

namespace vx::agent {

std::string EncodeFrame(WireType type, uint32_t stream, uint8_t channel, std::string_view body) {
  const WireHeader header = {kWireMagic, type, channel, stream, static_cast<uint32_t>(body.size())};
  std::string frame(reinterpret_cast<const char*>(&header), sizeof header);
  return frame.append(body);
}

bool WireReader::IsFrame(const WireHeader& header) const {
  if (header.magic != kWireMagic || header.channel >= kChannels) return false;
  if (header.type < WireType::kHello || header.type > WireType::kReset) return false;
  return header.length <= (header.type == WireType::kData ? kMaxData : max_message_);
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

bool WireReader::Feed(std::string_view data, const Take& take) {
  std::string joined;
  if (!kept_.empty()) {
    joined = std::move(kept_);
    kept_.clear();
    data = joined.append(data);
  }
  while (true) {
    if (sought_ != WireType{0}) data.remove_prefix(Skip(data));
    const long used = TakeOne(data, take);
    if (used < 0) return false;
    if (used == 0) break;
    data.remove_prefix(static_cast<size_t>(used));
  }
  kept_ = std::string(data);
  return true;
}

}  // namespace vx::agent
