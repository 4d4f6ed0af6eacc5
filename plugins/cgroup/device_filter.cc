#include "plugins/cgroup/device_filter.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/unique_fd.h"

namespace vx::cgroup {
namespace {

constexpr char kName[] = "vx_devices";

// Registers. The context comes in R1 and is never needed after the prologue.
constexpr int kResult = BPF_REG_0;
constexpr int kContext = BPF_REG_1;
constexpr int kType = BPF_REG_2;
// The asked rights that no rule has spoken of yet.
constexpr int kPending = BPF_REG_3;
constexpr int kMajor = BPF_REG_4;
constexpr int kMinor = BPF_REG_5;
constexpr int kScratch = BPF_REG_6;

bpf_insn Instruction(int code, int to, int from, int jump, int64_t value) {
  bpf_insn insn{};
  insn.code = static_cast<__u8>(code);
  insn.dst_reg = static_cast<__u8>(to & 0xf);
  insn.src_reg = static_cast<__u8>(from & 0xf);
  insn.off = static_cast<__s16>(jump);
  insn.imm = static_cast<__s32>(value);
  return insn;
}

// Puts one program together; a jump's target is where it is patched to later.
class Assembler {
 public:
  void Load(int to, size_t offset) {
    Add(BPF_LDX | BPF_MEM | BPF_W, to, kContext, static_cast<int>(offset), 0);
  }
  void Set(int to, int64_t value) { Add(BPF_ALU | BPF_MOV | BPF_K, to, 0, 0, value); }
  void Copy(int to, int from) { Add(BPF_ALU | BPF_MOV | BPF_X, to, from, 0, 0); }
  void And(int to, int64_t value) { Add(BPF_ALU | BPF_AND | BPF_K, to, 0, 0, value); }
  void ShiftRight(int to, int bits) { Add(BPF_ALU | BPF_RSH | BPF_K, to, 0, 0, bits); }
  void Return(bool allowed) {
    Set(kResult, allowed ? 1 : 0);
    Add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
  }

  // Each gives the number of the jump.
  size_t JumpUnlessEqual(int reg, int64_t value) {
    return Add(BPF_JMP32 | BPF_JNE | BPF_K, reg, 0, 0, value);
  }
  size_t JumpIfEqual(int reg, int64_t value) {
    return Add(BPF_JMP32 | BPF_JEQ | BPF_K, reg, 0, 0, value);
  }
  // Makes it lead to the next instruction.
  void Land(size_t jump) { program_[jump].off = static_cast<__s16>(program_.size() - jump - 1); }

  std::vector<bpf_insn> Take() { return std::move(program_); }

 private:
  size_t Add(int code, int to, int from, int jump, int64_t value) {
    program_.push_back(Instruction(code, to, from, jump, value));
    return program_.size() - 1;
  }

  std::vector<bpf_insn> program_;
};

void AddPrologue(Assembler& code) {
  code.Load(kType, offsetof(bpf_cgroup_dev_ctx, access_type));
  code.Copy(kPending, kType);
  code.And(kType, 0xffff);
  code.ShiftRight(kPending, 16);
  code.Load(kMajor, offsetof(bpf_cgroup_dev_ctx, major));
  code.Load(kMinor, offsetof(bpf_cgroup_dev_ctx, minor));
}

void AddRule(const DeviceRule& rule, Assembler& code) {
  std::vector<size_t> skips;
  if (rule.type != 'a') {
    skips.push_back(
        code.JumpUnlessEqual(kType, rule.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR));
  }
  if (rule.major >= 0) skips.push_back(code.JumpUnlessEqual(kMajor, rule.major));
  if (rule.minor >= 0) skips.push_back(code.JumpUnlessEqual(kMinor, rule.minor));
  if (rule.allow) {
    code.And(kPending, kAnyAccess & ~rule.access);
    skips.push_back(code.JumpUnlessEqual(kPending, 0));
  } else {
    code.Copy(kScratch, kPending);
    code.And(kScratch, rule.access);
    skips.push_back(code.JumpIfEqual(kScratch, 0));
  }
  code.Return(rule.allow);
  for (size_t skip : skips) code.Land(skip);
}

template <typename Pointer>
__u64 Address(Pointer pointer) {
  return reinterpret_cast<uintptr_t>(pointer);
}

int Bpf(int command, bpf_attr& attr) {
  return static_cast<int>(syscall(SYS_bpf, command, &attr, sizeof attr));
}

absl::Status Failed(int error, absl::string_view what) {
  return Error(absl::StatusCode::kFailedPrecondition, "DEVICE_FILTER",
               absl::StrCat("device rules can't be set: ", what, ": ", strerror(error)),
               "device rules of cgroup v2 need a kernel with CONFIG_CGROUP_BPF and the right "
               "CAP_SYS_ADMIN; or leave them out");
}

absl::StatusOr<UniqueFd> Load(const std::vector<bpf_insn>& program) {
  bpf_attr attr{};
  attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attr.expected_attach_type = BPF_CGROUP_DEVICE;
  attr.insns = Address(program.data());
  attr.insn_cnt = static_cast<__u32>(program.size());
  attr.license = Address("Apache-2.0");
  memcpy(attr.prog_name, kName, sizeof kName);
  UniqueFd fd(Bpf(BPF_PROG_LOAD, attr));
  if (!fd.valid()) return Failed(errno, "load their program");
  return fd;
}

bool IsOurs(int program) {
  bpf_prog_info info{};
  bpf_attr attr{};
  attr.info.bpf_fd = static_cast<__u32>(program);
  attr.info.info_len = sizeof info;
  attr.info.info = Address(&info);
  return Bpf(BPF_OBJ_GET_INFO_BY_FD, attr) == 0 && strcmp(info.name, kName) == 0;
}

// What an earlier call attached; invalid when there is none.
absl::StatusOr<UniqueFd> FindOurs(int group) {
  __u32 ids[64];
  bpf_attr query{};
  query.query.target_fd = static_cast<__u32>(group);
  query.query.attach_type = BPF_CGROUP_DEVICE;
  query.query.prog_ids = Address(ids);
  query.query.prog_cnt = std::size(ids);
  if (Bpf(BPF_PROG_QUERY, query) < 0) return Failed(errno, "ask for the group's programs");
  for (__u32 id : absl::MakeConstSpan(ids, query.query.prog_cnt)) {
    bpf_attr attr{};
    attr.prog_id = id;
    UniqueFd fd(Bpf(BPF_PROG_GET_FD_BY_ID, attr));
    if (fd.valid() && IsOurs(fd.get())) return fd;
  }
  return UniqueFd();
}

}  // namespace

std::vector<bpf_insn> CompileDeviceFilter(const std::vector<DeviceRule>& rules) {
  Assembler code;
  AddPrologue(code);
  // What lies before "everything" does not matter.
  for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) {
    AddRule(*rule, code);
    if (rule->type == 'a' && rule->major < 0 && rule->minor < 0 && rule->access == kAnyAccess)
      break;
  }
  code.Return(false);
  return code.Take();
}

absl::Status AttachDeviceFilter(const std::string& group, const std::vector<DeviceRule>& rules) {
  VX_ASSIGN_OR_RETURN(UniqueFd folder, OpenFile(group, O_RDONLY | O_DIRECTORY));
  VX_ASSIGN_OR_RETURN(UniqueFd program, Load(CompileDeviceFilter(rules)));
  VX_ASSIGN_OR_RETURN(UniqueFd before, FindOurs(folder.get()));
  bpf_attr attr{};
  attr.target_fd = static_cast<__u32>(folder.get());
  attr.attach_bpf_fd = static_cast<__u32>(program.get());
  attr.attach_type = BPF_CGROUP_DEVICE;
  attr.attach_flags = BPF_F_ALLOW_MULTI;
  if (before.valid()) {
    attr.attach_flags |= BPF_F_REPLACE;
    attr.replace_bpf_fd = static_cast<__u32>(before.get());
  }
  if (Bpf(BPF_PROG_ATTACH, attr) < 0) return Failed(errno, absl::StrCat("attach it to ", group));
  return absl::OkStatus();
}

}  // namespace vx::cgroup
