#include "daemon/network/netlink.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/unique_fd.h"

namespace vx::network {
namespace {

// The kernel's own words behind an error, or empty (NETLINK_EXT_ACK; the request is not
// repeated, by NETLINK_CAP_ACK).
std::string WordsOf(const nlmsghdr* header) {
  const size_t fixed = NLMSG_ALIGN(sizeof(nlmsgerr));
  if ((header->nlmsg_flags & NLM_F_ACK_TLVS) == 0 || NLMSG_PAYLOAD(header, 0) < fixed) return "";
  auto* first = reinterpret_cast<nlattr*>(static_cast<char*>(NLMSG_DATA(header)) + fixed);
  const nlattr* words = nla_find(first, NLMSG_PAYLOAD(header, fixed), NLMSGERR_ATTR_MSG);
  return words == nullptr ? "" : absl::StrCat(" (", nla_get_string(words), ")");
}

absl::Status Refusal(const nlmsghdr* header, absl::string_view doing) {
  const auto* error = static_cast<const nlmsgerr*>(NLMSG_DATA(header));
  if (error->error == 0) return absl::OkStatus();
  const absl::Status status = ErrnoError(-error->error, doing);
  const std::string words = WordsOf(header);
  return words.empty() ? status
                       : Error(status.code(), ErrorReason(status),
                               absl::StrCat(status.message(), words));
}

// What one datagram says; counts its answers.
absl::Status ReadAnswers(const char* data, int size, absl::string_view doing, int* answers) {
  absl::Status result;
  auto* header = reinterpret_cast<const nlmsghdr*>(data);
  for (; NLMSG_OK(header, static_cast<unsigned>(size)); header = NLMSG_NEXT(header, size)) {
    if (header->nlmsg_type != NLMSG_ERROR) continue;
    ++*answers;
    result.Update(Refusal(header, doing));
  }
  return result;
}

// The kernel works on what is sent before send(2) returns: all answers are there.
absl::Status ReadAll(int fd, absl::string_view doing) {
  alignas(nlmsghdr) char buffer[8192];
  absl::Status result;
  int answers = 0;
  while (true) {
    const ssize_t n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) return ErrnoError(errno, doing);
    if (n <= 0) break;
    result.Update(ReadAnswers(buffer, static_cast<int>(n), doing, &answers));
  }
  return answers > 0 ? result : ErrnoError(EIO, absl::StrCat(doing, ": no answer of the kernel"));
}

void Configure(nl_sock* socket) {
  nl_socket_disable_auto_ack(socket);
  const int on = 1;
  const int fd = nl_socket_get_fd(socket);
  setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
}

}  // namespace

NetlinkMessage::NetlinkMessage(int type, int flags)
    : message_(nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_ACK | flags)) {
  whole_ = message_ != nullptr;
}

NetlinkMessage& NetlinkMessage::AppendBytes(const void* data, size_t size) {
  whole_ = whole_ && nlmsg_append(get(), const_cast<void*>(data), size, NLMSG_ALIGNTO) == 0;
  return *this;
}

NetlinkMessage& NetlinkMessage::Put(int attribute, const void* data, size_t size) {
  whole_ = whole_ && nla_put(get(), attribute, static_cast<int>(size), data) == 0;
  return *this;
}

NetlinkMessage& NetlinkMessage::PutText(int attribute, const std::string& text) {
  return Put(attribute, text.c_str(), text.size() + 1);
}

nlattr* NetlinkMessage::Begin(int attribute) {
  nlattr* begun = whole_ ? nla_nest_start(get(), attribute) : nullptr;
  whole_ = begun != nullptr;
  return begun;
}

NetlinkMessage& NetlinkMessage::End(nlattr* begun) {
  if (whole_) nla_nest_end(get(), begun);
  return *this;
}

void NetlinkMessage::Free::operator()(nl_msg* message) const { nlmsg_free(message); }
void Netlink::Free::operator()(nl_sock* socket) const { nl_socket_free(socket); }

absl::StatusOr<Netlink> Netlink::Open(int protocol) {
  Netlink netlink(nl_socket_alloc());
  if (netlink.get() == nullptr) return ErrnoError(ENOMEM, "open a netlink socket");
  if (nl_connect(netlink.get(), protocol) < 0) return ErrnoError(errno, "open a netlink socket");
  Configure(netlink.get());
  return netlink;
}

absl::StatusOr<Netlink> Netlink::OpenIn(int netns) {
  VX_ASSIGN_OR_RETURN(const UniqueFd own, OpenFile("/proc/thread-self/ns/net", O_RDONLY));
  if (setns(netns, CLONE_NEWNET) != 0) {
    return ErrnoError(errno, "enter a workload's network namespace");
  }
  auto netlink = Open(NETLINK_ROUTE);
  // A thread that works for others must not stay in there.
  if (setns(own.get(), CLONE_NEWNET) != 0) std::abort();
  return netlink;
}

absl::Status Netlink::Do(absl::Span<const NetlinkMessage> messages, absl::string_view doing) {
  std::string bytes;
  for (const NetlinkMessage& message : messages) {
    if (!message.whole()) return ErrnoError(EMSGSIZE, doing);
    nl_complete_msg(get(), message.get());
    const nlmsghdr* header = nlmsg_hdr(message.get());
    bytes.append(reinterpret_cast<const char*>(header), header->nlmsg_len);
    bytes.resize(NLMSG_ALIGN(bytes.size()));
  }
  const int fd = nl_socket_get_fd(get());
  if (send(fd, bytes.data(), bytes.size(), 0) < 0) return ErrnoError(errno, doing);
  return ReadAll(fd, doing);
}

}  // namespace vx::network
