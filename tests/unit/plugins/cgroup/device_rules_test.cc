// Device rules in both forms, judged by the same list of questions.
#include "plugins/cgroup/device_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <cstring>
#include <map>

#include "daemon/base/error.h"
#include "plugins/cgroup/device_filter.h"

namespace vx::cgroup {
namespace {

using Rules = std::vector<DeviceRule>;

// Runs the few instructions that a device program has, as the kernel would.
class Machine {
 public:
  Machine(const std::vector<bpf_insn>& program, bpf_cgroup_dev_ctx context)
      : program_(program), context_(context) {}

  // The result; -1 when the program leaves its bounds or has something else in it.
  int Run() {
    for (size_t at = 0; at < program_.size();) {
      const bpf_insn& insn = program_[at++];
      if (insn.code == (BPF_JMP | BPF_EXIT)) return static_cast<int>(registers_[0]);
      if (!Step(insn, at)) return -1;
    }
    return -1;
  }

 private:
  bool Step(const bpf_insn& insn, size_t& at) {
    uint32_t& to = registers_[insn.dst_reg];
    const auto value = static_cast<uint32_t>(insn.imm);
    switch (insn.code) {
      case BPF_LDX | BPF_MEM | BPF_W:
        if (insn.src_reg != BPF_REG_1 || insn.off < 0 ||
            insn.off + sizeof(uint32_t) > sizeof context_) {
          return false;
        }
        memcpy(&to, reinterpret_cast<const char*>(&context_) + insn.off, sizeof to);
        return true;
      case BPF_ALU | BPF_MOV | BPF_K:
        to = value;
        return true;
      case BPF_ALU | BPF_MOV | BPF_X:
        to = registers_[insn.src_reg];
        return true;
      case BPF_ALU | BPF_AND | BPF_K:
        to &= value;
        return true;
      case BPF_ALU | BPF_RSH | BPF_K:
        to >>= value;
        return true;
      case BPF_JMP32 | BPF_JNE | BPF_K:
        if (to != value) at += insn.off;
        return insn.off >= 0;
      case BPF_JMP32 | BPF_JEQ | BPF_K:
        if (to == value) at += insn.off;
        return insn.off >= 0;
      default:
        return false;
    }
  }

  const std::vector<bpf_insn>& program_;
  const bpf_cgroup_dev_ctx context_;
  std::map<int, uint32_t> registers_;
};

int AskProgram(const Rules& rules, char type, uint32_t major, uint32_t minor, unsigned access) {
  const uint32_t kind = type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
  const std::vector<bpf_insn> program = CompileDeviceFilter(rules);
  return Machine(program, {access << 16 | kind, major, minor}).Run();
}

bool Has(const DeviceRule& rule, char type, int64_t major, int64_t minor) {
  return (rule.type == 'a' || rule.type == type) && (rule.major < 0 || rule.major == major) &&
         (rule.minor < 0 || rule.minor == minor);
}

// OCI's meaning, spelled out: the last that speaks of a right decides over it.
bool AskList(const Rules& rules, char type, int64_t major, int64_t minor, unsigned access) {
  for (unsigned right : {kMknod, kRead, kWrite}) {
    bool allowed = false;
    for (const DeviceRule& rule : rules) {
      if (Has(rule, type, major, minor) && (rule.access & right)) allowed = rule.allow;
    }
    if ((access & right) && !allowed) return false;
  }
  return true;
}

// As v1's kernel does with its exceptions.
bool AskExceptions(const DeviceExceptions& state, char type, int64_t major, int64_t minor,
                   unsigned access) {
  for (const DeviceRule& rule : state.exceptions) {
    if (!Has(rule, type, major, minor)) continue;
    if (state.allow_all && (rule.access & access)) return false;
    if (!state.allow_all && (rule.access & access) == access) return true;
  }
  return state.allow_all;
}

constexpr DeviceRule kDenyAll{false, 'a', -1, -1, kAnyAccess};
constexpr DeviceRule kAllowAll{true, 'a', -1, -1, kAnyAccess};

// The usual ones of a container, and some that are awkward.
const std::vector<Rules>& Lists() {
  static const auto* lists = new std::vector<Rules>{
      {},
      {kDenyAll},
      {kAllowAll},
      {kDenyAll,
       {true, 'c', -1, -1, kMknod},
       {true, 'b', -1, -1, kMknod},
       {true, 'c', 1, 3, kAnyAccess},
       {true, 'c', 5, 2, kAnyAccess},
       {true, 'c', 136, -1, kAnyAccess}},
      {kAllowAll, {false, 'b', 8, -1, kWrite}, {false, 'c', 1, 3, kRead | kWrite}},
      {{true, 'c', 1, 3, kRead}, {true, 'c', 1, 3, kWrite}},
      {{true, 'c', 1, 3, kAnyAccess}, {false, 'c', 1, -1, kWrite}},
      {{true, 'c', -1, 3, kRead}, {true, 'c', 1, -1, kWrite}, {true, 'c', 1, 3, kMknod}},
      {{true, 'a', 8, -1, kRead}, {true, 'b', 8, 0, kWrite}},
      {kAllowAll, kDenyAll, {true, 'b', 8, 16, kRead}},
      {kDenyAll, {true, 'c', 1, 3, kAnyAccess}, kAllowAll},
  };
  return *lists;
}

TEST(DeviceRules, BothFormsMeanWhatTheListSays) {
  for (size_t i = 0; i < Lists().size(); ++i) {
    const Rules& rules = Lists()[i];
    const auto exceptions = ToExceptions(rules);
    ASSERT_TRUE(exceptions.ok()) << exceptions.status();
    for (char type : {'b', 'c'}) {
      for (int64_t major : {1, 5, 8, 136}) {
        for (int64_t minor : {0, 2, 3, 16}) {
          for (unsigned access = 1; access <= kAnyAccess; ++access) {
            const bool wanted = AskList(rules, type, major, minor, access);
            const std::string question = absl::StrCat(
                "list ", i, ": ", DeviceRule{wanted, type, major, minor, access}.Text());
            EXPECT_EQ(AskProgram(rules, type, static_cast<uint32_t>(major),
                                 static_cast<uint32_t>(minor), access),
                      wanted)
                << question;
            EXPECT_EQ(AskExceptions(*exceptions, type, major, minor, access), wanted) << question;
          }
        }
      }
    }
  }
}

TEST(DeviceRules, OnlyTheProgramHoldsAnExceptionToAnException) {
  const Rules rules = {{true, 'c', 1, -1, kAnyAccess}, {false, 'c', 1, 3, kWrite}};
  EXPECT_EQ(AskProgram(rules, 'c', 1, 3, kRead), 1);
  EXPECT_EQ(AskProgram(rules, 'c', 1, 3, kRead | kWrite), 0);
  const absl::Status status = ToExceptions(rules).status();
  EXPECT_EQ(ErrorReason(status), "DEVICE_RULES");
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("deny c 1:3 w"));
}

TEST(DeviceRules, WhatLiesBeforeEverythingIsNotInTheProgram) {
  Rules rules(1000, {true, 'c', 1, 3, kAnyAccess});
  const size_t many = CompileDeviceFilter(rules).size();
  rules.push_back(kDenyAll);
  EXPECT_LT(CompileDeviceFilter(rules).size(), 20u);
  EXPECT_GT(many, 1000u);
}

TEST(DeviceRules, TextIsAsV1sFilesWantIt) {
  EXPECT_EQ((DeviceRule{true, 'c', 136, -1, kAnyAccess}.Text()), "c 136:* rwm");
  EXPECT_EQ((DeviceRule{true, 'b', -1, 1, kMknod}.Text()), "b *:1 m");
}

}  // namespace
}  // namespace vx::cgroup
