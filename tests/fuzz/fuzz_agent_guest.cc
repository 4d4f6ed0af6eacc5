// What comes on the agent's port, as the agent hears it, up to where it would act; and
// what it is told at its start.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "plugins/agent/boot_config.h"
#include "plugins/agent/user.h"
#include "plugins/agent/wire.h"
#include "vx/agent/v1/agent.pb.h"

using vx::agent::WireType;

namespace {

template <typename Message>
void Parse(std::string_view body) {
  Message message;
  message.ParseFromArray(body.data(), static_cast<int>(body.size()));
}

bool Take(const vx::agent::WireHeader& header, std::string_view body) {
  if (header.type == WireType::kRequest) Parse<vx::agent::v1::Request>(body);
  if (header.type == WireType::kHello) Parse<vx::agent::v1::Hello>(body);
  if (header.type == WireType::kControl) Parse<vx::agent::v1::Control>(body);
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  vx::agent::BootConfig config;
  if (vx::agent::DecodeBootConfig(bytes, config) == nullptr) {
    if (vx::agent::CheckBootConfig(config) != nullptr) abort();
  }
  vx::agent::Identity identity;
  const size_t third = size / 3;
  vx::agent::ResolveUser(bytes.substr(0, third), bytes.substr(third, third),
                         bytes.substr(2 * third), identity);
  vx::agent::WireReader reader(vx::agent::kMaxHostMessage);
  reader.Seek(WireType::kHello);
  for (size_t at = 0; at < size; at += 7) {
    if (!reader.Feed(bytes.substr(at, 7), Take)) reader.Seek(WireType::kHello);
  }
  return 0;
}
