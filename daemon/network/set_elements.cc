#include "daemon/network/set_elements.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "daemon/base/status_macros.h"
#include "daemon/network/ipam.h"
#include "daemon/network/link_messages.h"
#include "daemon/network/ruleset.h"

namespace vx::network {
namespace {

std::string Padded(const void* bytes, size_t size, size_t to) {
  std::string field(static_cast<const char*>(bytes), size);
  field.resize(to);
  return field;
}

NetlinkMessage Frame(int type) {
  NetlinkMessage message(type, 0);
  message.Append(nfgenmsg{.nfgen_family = AF_UNSPEC,
                          .version = NFNETLINK_V0,
                          .res_id = htons(NFNL_SUBSYS_NFTABLES)});
  return message;
}

NetlinkMessage ElementMessage(int type, const std::string& table, const SetElement& element) {
  NetlinkMessage message((NFNL_SUBSYS_NFTABLES << 8) | type,
                         type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0);
  message.Append(nfgenmsg{.nfgen_family = NFPROTO_BRIDGE, .version = NFNETLINK_V0});
  message.PutText(NFTA_SET_ELEM_LIST_TABLE, table);
  message.PutText(NFTA_SET_ELEM_LIST_SET, element.set);
  nlattr* list = message.Begin(NFTA_SET_ELEM_LIST_ELEMENTS);
  nlattr* one = message.Begin(NFTA_LIST_ELEM);
  nlattr* key = message.Begin(NFTA_SET_ELEM_KEY);
  message.Put(NFTA_DATA_VALUE, element.key.data(), element.key.size());
  message.End(key).End(one).End(list);
  return message;
}

// One transaction.
absl::Status Change(Netlink& netlink, int type, const std::string& table,
                    absl::Span<const SetElement> elements) {
  std::vector<NetlinkMessage> messages;
  messages.push_back(Frame(NFNL_MSG_BATCH_BEGIN));
  for (const SetElement& element : elements) {
    messages.push_back(ElementMessage(type, table, element));
  }
  messages.push_back(Frame(NFNL_MSG_BATCH_END));
  return netlink.Do(messages, absl::StrCat("change a set of the nft table ", table));
}

}  // namespace

absl::StatusOr<std::vector<SetElement>> ElementsOf(const FirewallPort& port) {
  VX_RETURN_IF_ERROR(CheckLinkName(port.link));
  VX_ASSIGN_OR_RETURN(const Mac mac, ParseMac(port.mac));
  const std::string link = Padded(port.link.data(), port.link.size(), kMaxLinkName + 1);
  const std::string frame = link + Padded(mac.data(), mac.size(), 8);
  std::vector<SetElement> elements = {{kPortsSet, link}, {kMacsSet, frame}};
  for (const Address& address : port.addresses) {
    const size_t size = address.v6 ? 16 : 4;
    const std::string key = frame + Padded(address.bytes.data(), size, size);
    elements.push_back({address.v6 ? kV6Set : kV4Set, key});
    if (address.v6) elements.push_back({kNeighborsSet, key});
  }
  return elements;
}

absl::Status AddElements(Netlink& netlink, const std::string& table,
                         const std::vector<SetElement>& elements) {
  return Change(netlink, NFT_MSG_NEWSETELEM, table, elements);
}

absl::Status RemoveElements(Netlink& netlink, const std::string& table,
                            const std::vector<SetElement>& elements) {
  const absl::Status all = Change(netlink, NFT_MSG_DELSETELEM, table, elements);
  if (!absl::IsNotFound(all)) return all;
  for (const SetElement& element : elements) {
    const absl::Status status = Change(netlink, NFT_MSG_DELSETELEM, table, {&element, 1});
    if (!status.ok() && !absl::IsNotFound(status)) return status;
  }
  return absl::OkStatus();
}

}  // namespace vx::network
