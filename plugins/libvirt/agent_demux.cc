#include "plugins/libvirt/agent_demux.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"

namespace vx::libvirt {
namespace {

using agent::WireType;

// What may come before an agent's Welcome: the rest of an earlier connection.
constexpr uint64_t kMaxSkipped = 1024 * 1024;
constexpr int kMaxStaleWelcomes = 64;
constexpr int kMaxFeatures = 64;

bool Parse(google::protobuf::MessageLite& message, std::string_view body) {
  return message.ParseFromArray(body.data(), static_cast<int>(body.size()));
}

v1::Exit Killed() {
  v1::Exit exit;
  exit.set_code(128 + 9);
  exit.set_signal(9);
  exit.set_reason(v1::EXIT_REASON_EXITED);
  return exit;
}

absl::Status Broke(absl::string_view how) {
  return Error(absl::StatusCode::kUnavailable, "AGENT_BROKEN",
               absl::StrCat("the guest's agent broke the protocol: ", how));
}

void EndStream(AgentStream& stream, const absl::Status& why) {
  if (stream.over) return;
  stream.over = true;
  if (ErrorReason(why) == "AGENT_BROKEN") {
    stream.failure = why;
  } else if (!stream.exit) {
    // Its machine, or its guest's last process, is gone.
    stream.exit = Killed();
  }
  stream.out.End();
  stream.err.End();
  stream.input_full.Lower();
  stream.ended.Raise();
}

}  // namespace

void AgentDemux::Begin(uint64_t nonce) {
  nonce_ = nonce;
  ready_ = false;
  features_.clear();
  reader_.Seek(WireType::kWelcome);
}

absl::Status AgentDemux::Feed(absl::string_view data) {
  const auto take = [this](const agent::WireHeader& header, std::string_view body) {
    return OnFrame(header, body);
  };
  const bool sound = reader_.Feed({data.data(), data.size()}, take);
  if (!sound || reader_.skipped() > kMaxSkipped) return Broke("a frame that may not be");
  return absl::OkStatus();
}

std::shared_ptr<AgentStream> AgentDemux::Add(bool stays) {
  auto stream = std::make_shared<AgentStream>(++last_stream_);
  stream->stays = stays;
  streams_[stream->number] = stream;
  return stream;
}

void AgentDemux::EndAll(const absl::Status& why) {
  ready_ = false;
  features_.clear();
  for (auto& [number, stream] : streams_) EndStream(*stream, why);
  streams_.clear();
}

bool AgentDemux::OnFrame(const agent::WireHeader& header, std::string_view body) {
  if (!ready_) return header.type == WireType::kWelcome && OnWelcome(body);
  const auto it = streams_.find(header.stream);
  return it != streams_.end() && OnStreamFrame(*it->second, header, body);
}

bool AgentDemux::OnWelcome(std::string_view body) {
  agent::v1::Welcome welcome;
  // To an earlier hello: the one that counts is still to come.
  if (!Parse(welcome, body) || welcome.nonce() != nonce_) {
    reader_.Seek(WireType::kWelcome);
    return ++stale_welcomes_ < kMaxStaleWelcomes;
  }
  if (welcome.version() != agent::kWireVersion) return false;
  for (int i = 0; i < std::min(welcome.features_size(), kMaxFeatures); ++i) {
    features_.insert(welcome.features(i));
  }
  ready_ = true;
  last_stream_ = 0;
  stale_welcomes_ = 0;
  return true;
}

bool AgentDemux::OnStreamFrame(AgentStream& stream, const agent::WireHeader& header,
                                 std::string_view body) {
  StreamBuffer* const buffer = header.channel == agent::kStdout   ? &stream.out
                               : header.channel == agent::kStderr ? &stream.err
                                                                  : nullptr;
  const bool open = stream.stays && stream.reply.has_value();
  switch (header.type) {
    case WireType::kReply:
      return OnReply(stream, body);
    case WireType::kData:
      return open && buffer != nullptr && buffer->Put({body.data(), body.size()});
    case WireType::kEnd:
      if (!open || buffer == nullptr || buffer->ended()) return false;
      buffer->End();
      return true;
    case WireType::kRoom:
      return open && header.channel == agent::kStdin && OnRoom(stream, body);
    case WireType::kExit:
      return open && OnExit(stream, body);
    case WireType::kReset:
      EndStream(stream, absl::OkStatus());
      streams_.erase(header.stream);
      return true;
    default:
      return false;
  }
}

bool AgentDemux::OnReply(AgentStream& stream, std::string_view body) {
  agent::v1::Reply reply;
  if (stream.reply || !Parse(reply, body)) return false;
  if (reply.error() != 0 || !stream.stays) stream.over = true;
  stream.reply = std::move(reply);
  if (stream.over) streams_.erase(stream.number);
  return true;
}

bool AgentDemux::OnExit(AgentStream& stream, std::string_view body) {
  agent::v1::Exit exit;
  if (!Parse(exit, body)) return false;
  stream.exit.emplace();
  stream.exit->set_code(exit.code());
  stream.exit->set_signal(exit.signal());
  stream.exit->set_reason(v1::EXIT_REASON_EXITED);
  EndStream(stream, absl::OkStatus());
  streams_.erase(stream.number);
  return true;
}

bool AgentDemux::OnRoom(AgentStream& stream, std::string_view body) {
  uint32_t more = 0;
  if (body.size() != sizeof more) return false;
  memcpy(&more, body.data(), sizeof more);
  if (more == 0 || more > agent::kRoom - stream.input_room) return false;
  stream.input_room += more;
  stream.input_full.Lower();
  return true;
}

}  // namespace vx::libvirt
