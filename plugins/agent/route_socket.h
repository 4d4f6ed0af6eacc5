// The kernel's links, addresses and routes, by rtnetlink(7) itself.
#pragma once

#include <linux/rtnetlink.h>

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/agent/boot_network.h"
#include "plugins/agent/uevents.h"

namespace vx::agent {

// A request, as the bytes that are sent. What does not fit is left out, and the kernel
// refuses the rest.
class RouteMessage {
 public:
  // `body` is the header that goes with the type: ifinfomsg, ifaddrmsg, rtmsg.
  template <typename Body>
  RouteMessage(uint16_t type, uint16_t flags, const Body& body) : RouteMessage(type, flags) {
    Append(&body, sizeof body);
  }

  void Add(uint16_t attribute, const void* value, size_t size);
  void Add(uint16_t attribute, uint32_t value) { Add(attribute, &value, sizeof value); }
  void Add(uint16_t attribute, const std::string& text) {
    Add(attribute, text.c_str(), text.size() + 1);
  }
  void Add(uint16_t attribute, const IpAddress& address) {
    Add(attribute, address.bytes, address.size());
  }

  const void* data() const { return bytes_; }
  size_t size() const { return size_; }

 private:
  RouteMessage(uint16_t type, uint16_t flags);
  void Append(const void* data, size_t size);

  alignas(nlmsghdr) char bytes_[256] = {};
  size_t size_ = 0;
};

struct Link {
  int index = 0;
  std::string name;
  // Empty unless it is of six bytes.
  std::string mac;
  // What is sent by it goes out; before that it is lost.
  bool running = false;
};

// One thread's. A method that asks gives 0 or an errno, and waits for the kernel only, for two
// seconds at most.
class RouteSocket {
 public:
  // `groups` of RTMGRP_…, whose news WaitForNews waits for; 0 for one that asks.
  explicit RouteSocket(uint32_t groups = 0);
  ~RouteSocket();
  RouteSocket(const RouteSocket&) = delete;
  RouteSocket& operator=(const RouteSocket&) = delete;

  int ListLinks(std::vector<Link>& links);
  // Waits for some and drops it; false once `deadline` has passed.
  bool WaitForNews(const Deadline& deadline);
  // The link must be down.
  int Rename(int index, const std::string& name);
  int SetMtu(int index, uint32_t mtu);
  int SetUp(int index);
  int SetDown(int index);
  // Usable at once: nobody is asked whether it has the address too. Fine when it is
  // there.
  int AddAddress(int index, const IpAddress& address);
  // The way to all that no other route leads to.
  int AddDefaultRoute(int index, const IpAddress& gateway);

 private:
  int Send(const RouteMessage& message);
  // Sends, and waits for the answer.
  int Ask(const RouteMessage& message);

  int fd_;
};

// The links that a message of a dump tells of; for the tests too.
void TakeLinks(const char* data, size_t size, std::vector<Link>& links, bool& done, int& error);

}  // namespace vx::agent
