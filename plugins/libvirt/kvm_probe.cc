// vx-kvm-probe: can /dev/kvm really run a guest?
//
// Some hosts advertise a KVM under which ordinary kernels hang, so the file
// proves nothing. Three snippets of 64-bit code are run in a bare virtual CPU: a
// locked 16-byte compare-exchange, an SSE store, and a loop that hardware ends in
// microseconds. A KVM that emulates instructions fails at least one of them.
//
// Prints one line; exit status 0 usable, 1 advertised but unusable, 2 absent.
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <memory>

#include "daemon/base/unique_fd.h"

namespace {

constexpr int kUsable = 0, kUnusable = 1, kAbsent = 2;
constexpr unsigned kAlarmSeconds = 2;
constexpr double kLoopMs = 5;
constexpr size_t kMemory = 4 << 20;
constexpr uint64_t kPml4 = 0x2000, kPdpt = 0x3000, kPageDirectory = 0x4000;
constexpr uint64_t kCode = 0x10000, kStack = 0x20000;

struct Snippet {
  const char* name;
  const uint8_t* code;
  size_t size;
  uint32_t result;  // in eax at the end
};

// The operand of both is at 0x30000.
constexpr uint8_t kCompareExchange[] = {
    0x31, 0xc0,                                      // xor eax, eax
    0x31, 0xd2,                                      // xor edx, edx
    0x31, 0xc9,                                      // xor ecx, ecx
    0xbb, 7,    0,    0,    0,                       // mov ebx, 7
    0xf0, 0x48, 0x0f, 0xc7, 0x0c, 0x25, 0, 0, 3, 0,  // lock cmpxchg16b [0x30000]
    0x0f, 0x94, 0xc0,                                // sete al
    0x0f, 0xb6, 0xc0,                                // movzx eax, al
    0xf4,                                            // hlt
};
constexpr uint8_t kVectorStore[] = {
    0x66, 0x0f, 0xef, 0xc0,                    // pxor xmm0, xmm0
    0xf3, 0x0f, 0x7f, 0x04, 0x25, 0, 0, 3, 0,  // movdqu [0x30000], xmm0
    0xb8, 2,    0,    0,    0,                 // mov eax, 2
    0xf4,                                      // hlt
};
constexpr uint8_t kLoop[] = {
    0xb9, 0x20, 0x4e, 0, 0,  // mov ecx, 20000
    0xff, 0xc9,              // dec ecx
    0x75, 0xfc,              // jnz -4
    0xb8, 7,    0,    0, 0,  // mov eax, 7
    0xf4,                    // hlt
};

constexpr Snippet kSnippets[] = {
    {"cmpxchg16b", kCompareExchange, sizeof kCompareExchange, 1},
    {"vector store", kVectorStore, sizeof kVectorStore, 2},
    {"loop", kLoop, sizeof kLoop, 7},
};

double NowMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

// One guest with one virtual CPU.
class Guest {
 public:
  explicit Guest(int kvm) : vm_(ioctl(kvm, KVM_CREATE_VM, 0UL)) {
    memory_ = Map(kMemory, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    if (!vm_.valid() || memory_ == MAP_FAILED) return;
    ioctl(vm_.get(), KVM_SET_TSS_ADDR, 0xfffbd000UL);
    kvm_userspace_memory_region region = {0, 0, 0, kMemory, reinterpret_cast<uint64_t>(memory_)};
    if (ioctl(vm_.get(), KVM_SET_USER_MEMORY_REGION, &region) < 0) return;
    cpu_.reset(ioctl(vm_.get(), KVM_CREATE_VCPU, 0UL));
    if (!cpu_.valid()) return;
    run_size_ = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0UL);
    run_ = Map(run_size_, MAP_SHARED, cpu_.get());
    SetFeatures(kvm);
    ready_ = run_ != MAP_FAILED && SetLongMode();
  }
  ~Guest() {
    if (run_ != MAP_FAILED) munmap(run_, run_size_);
    if (memory_ != MAP_FAILED) munmap(memory_, kMemory);
  }
  Guest(const Guest&) = delete;

  // True when the snippet ended as it should.
  bool Run(const Snippet& snippet) {
    if (!ready_) return false;
    memcpy(static_cast<char*>(memory_) + kCode, snippet.code, snippet.size);
    kvm_regs registers = {};
    registers.rip = kCode;
    registers.rsp = kStack;
    registers.rflags = 2;
    if (ioctl(cpu_.get(), KVM_SET_REGS, &registers) < 0) return false;
    const double start = NowMs();
    if (ioctl(cpu_.get(), KVM_RUN, 0UL) < 0) return false;
    if (snippet.code == kLoop && NowMs() - start > kLoopMs) return false;
    ioctl(cpu_.get(), KVM_GET_REGS, &registers);
    return static_cast<kvm_run*>(run_)->exit_reason == KVM_EXIT_HLT &&
           static_cast<uint32_t>(registers.rax) == snippet.result;
  }

 private:
  static void* Map(size_t size, int flags, int fd) {
    return mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, fd, 0);
  }

  void SetFeatures(int kvm) {
    constexpr int kEntries = 256;
    constexpr size_t kSize = sizeof(kvm_cpuid2) + kEntries * sizeof(kvm_cpuid_entry2);
    auto buffer = std::make_unique<uint64_t[]>(kSize / 8 + 1);
    auto* cpuid = reinterpret_cast<kvm_cpuid2*>(buffer.get());
    cpuid->nent = kEntries;
    if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid) == 0) ioctl(cpu_.get(), KVM_SET_CPUID2, cpuid);
  }

  // 4 MiB mapped one to one by two large pages; ring 0; SSE on.
  bool SetLongMode() {
    auto entry = [this](uint64_t table, int index) -> uint64_t& {
      return reinterpret_cast<uint64_t*>(static_cast<char*>(memory_) + table)[index];
    };
    entry(kPml4, 0) = kPdpt | 3;
    entry(kPdpt, 0) = kPageDirectory | 3;
    entry(kPageDirectory, 0) = 0x83;
    entry(kPageDirectory, 1) = 0x200083;
    kvm_sregs system;
    if (ioctl(cpu_.get(), KVM_GET_SREGS, &system) < 0) return false;
    system.cr0 = 0x80050033;  // PG AM WP NE ET MP PE
    system.cr3 = kPml4;
    system.cr4 = 0x620;   // OSXMMEXCPT OSFXSR PAE
    system.efer = 0x500;  // LMA LME
    kvm_segment code = {};
    code.limit = ~0u;
    code.selector = 8;
    code.type = 11;
    code.present = code.s = code.l = code.g = 1;
    kvm_segment data = code;
    data.selector = 16;
    data.type = 3;
    data.l = 0;
    data.db = 1;
    system.cs = code;
    system.ds = system.es = system.fs = system.gs = system.ss = data;
    return ioctl(cpu_.get(), KVM_SET_SREGS, &system) == 0;
  }

  vx::UniqueFd vm_;
  vx::UniqueFd cpu_;
  void* memory_ = MAP_FAILED;
  void* run_ = MAP_FAILED;
  size_t run_size_ = 0;
  bool ready_ = false;
};

}  // namespace

int main() {
  // A hung KVM_RUN ends in SIGALRM's default action, which the caller takes for
  // "unusable".
  alarm(kAlarmSeconds);
  vx::UniqueFd kvm(open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (!kvm.valid() || ioctl(kvm.get(), KVM_GET_API_VERSION, 0UL) != 12) {
    puts("there is no /dev/kvm");
    return kAbsent;
  }
  for (const Snippet& snippet : kSnippets) {
    if (!Guest(kvm.get()).Run(snippet)) {
      printf("/dev/kvm is there but a guest's %s does not work\n", snippet.name);
      return kUnusable;
    }
  }
  puts("/dev/kvm works");
  return kUsable;
}
