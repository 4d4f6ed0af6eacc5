// Requests to the kernel by netlink(7): messages of libnl, one socket for each caller.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

struct nl_msg;
struct nl_sock;
struct nlattr;

namespace vx::network {

// A message that is being written. What does not fit is noticed when it is sent.
class NetlinkMessage {
 public:
  // `flags` are added to a request with an acknowledgement.
  NetlinkMessage(int type, int flags);
  NetlinkMessage(NetlinkMessage&&) noexcept = default;

  // The fixed part behind netlink's own header, or a part of an attribute.
  template <typename Header>
  NetlinkMessage& Append(const Header& header) {
    return AppendBytes(&header, sizeof header);
  }
  NetlinkMessage& Put(int attribute, const void* data, size_t size);
  NetlinkMessage& Put8(int attribute, uint8_t value) { return Put(attribute, &value, 1); }
  NetlinkMessage& Put16(int attribute, uint16_t value) { return Put(attribute, &value, 2); }
  NetlinkMessage& Put32(int attribute, uint32_t value) { return Put(attribute, &value, 4); }
  // With its null.
  NetlinkMessage& PutText(int attribute, const std::string& text);
  // What is put between the two is inside of the attribute; Begin may be nested.
  nlattr* Begin(int attribute);
  NetlinkMessage& End(nlattr* begun);

  nl_msg* get() const { return message_.get(); }
  bool whole() const { return whole_; }

 private:
  struct Free {
    void operator()(nl_msg* message) const;
  };
  NetlinkMessage& AppendBytes(const void* data, size_t size);

  std::unique_ptr<nl_msg, Free> message_;
  bool whole_ = true;
};

// Not thread-safe. It speaks to the network namespace in which it was opened, whatever
// thread uses it afterwards.
class Netlink {
 public:
  // NETLINK_ROUTE or NETLINK_NETFILTER.
  static absl::StatusOr<Netlink> Open(int protocol);
  // Of NETLINK_ROUTE in the namespace behind `netns`, which the calling thread enters for the
  // moment of opening: a thread for that alone costs two switches of context, which take long
  // on a busy host.
  static absl::StatusOr<Netlink> OpenIn(int netns);

  // Sends them in one go, and returns the first refusal: ErrnoError's code for the kernel's
  // reason, and its words where it has some. `doing` begins the sentence: "make link x".
  absl::Status Do(absl::Span<const NetlinkMessage> messages, absl::string_view doing);
  absl::Status Do(const NetlinkMessage& message, absl::string_view doing) {
    return Do(absl::MakeConstSpan(&message, 1), doing);
  }

  // For libnl's caches.
  nl_sock* get() const { return socket_.get(); }

 private:
  struct Free {
    void operator()(nl_sock* socket) const;
  };
  explicit Netlink(nl_sock* socket) : socket_(socket) {}

  std::unique_ptr<nl_sock, Free> socket_;
};

}  // namespace vx::network
