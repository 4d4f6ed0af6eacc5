// What a guest says on its agent's port, as vxd hears it: whatever the bytes, what is
// kept is bounded and nothing is believed that may not be.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "plugins/libvirt/agent_demux.h"

namespace {

constexpr uint64_t kNonce = 1;
constexpr int kStreams = 3;

std::string Welcome() {
  vx::agent::v1::Welcome welcome;
  welcome.set_nonce(kNonce);
  welcome.set_version(vx::agent::kWireVersion);
  welcome.add_features("exec");
  return vx::agent::EncodeFrame(vx::agent::WireType::kWelcome, 0, 0, welcome.SerializeAsString());
}

void Check(vx::libvirt::AgentStream& stream) {
  if (stream.out.size() > vx::agent::kOutputRoom || stream.err.size() > vx::agent::kOutputRoom) abort();
  if (stream.input_room > vx::agent::kRoom) abort();
  char data[1000];
  stream.out.Take(data, sizeof data);
  stream.err.Take(data, sizeof data);
}

}  // namespace

// The first byte says how much comes at once, and whether the welcome is the fuzzer's.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const size_t step = 1 + (data[0] & 0x7f);
  vx::libvirt::AgentDemux demux;
  demux.Begin(kNonce);
  if ((data[0] & 0x80) == 0 && !demux.Feed(Welcome()).ok()) abort();
  std::shared_ptr<vx::libvirt::AgentStream> streams[kStreams];
  for (int i = 0; i < kStreams; ++i) streams[i] = demux.Add(i > 0);
  for (size_t at = 1; at < size; at += step) {
    const size_t n = std::min(step, size - at);
    if (!demux.Feed({reinterpret_cast<const char*>(data) + at, n}).ok()) break;
    for (auto& stream : streams) Check(*stream);
  }
  demux.EndAll(absl::OkStatus());
  return 0;
}
