// Words of nft(8)'s language.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "daemon/network/address.h"

namespace vx::network {

// A table that is made anew in the same transaction, whatever was in it.
inline std::string Opening(absl::string_view family, absl::string_view table) {
  return absl::StrCat("table ", family, " ", table, "\ndelete table ", family, " ", table,
                      "\ntable ", family, " ", table, " {\n");
}

inline std::string Quoted(absl::string_view text) { return absl::StrCat("\"", text, "\""); }

// A "set" or "map" of the table.
inline std::string Set(absl::string_view kind, absl::string_view name, absl::string_view type,
                       const std::vector<std::string>& elements) {
  std::string text = absl::StrCat("  ", kind, " ", name, " { ", type, "; ");
  if (!elements.empty()) {
    absl::StrAppend(&text, "elements = {\n    ", absl::StrJoin(elements, ",\n    "), "\n  } ");
  }
  return text + "}\n";
}

// "{ a, b }" of the addresses of that family; empty when there are none.
inline std::string AddressSet(const std::vector<Address>& addresses, bool v6) {
  std::vector<std::string> texts;
  for (const Address& address : addresses) {
    if (address.v6 == v6) texts.push_back(ToString(address));
  }
  return texts.empty() ? "" : absl::StrCat("{ ", absl::StrJoin(texts, ", "), " }");
}

}  // namespace vx::network
