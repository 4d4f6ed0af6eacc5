// The driver contract, proved on one driver:
//
//   contract_test --driver=fake|container|libvirt --module=FILE.so
//                 [--bin=DIR] [--image=OCI-ARCHIVE] [--embed-cache=DIR] [--uri=LIBVIRTS]
//                 [--work=DIR] [--half=TEST [--delay-ms=N]] [--gtest_…]
//
// Exits with 77 when this host can't run the driver, after saying why.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "tests/contract/sandbox.h"
#include "tests/contract/subject.h"

namespace vx::contract {
namespace {

constexpr int kSkipped = 77;

// Takes "--NAME=VALUE"s; false, with a complaint, for anything else.
bool ParseFlags(int argc, char** argv, Settings& settings) {
  const std::pair<const char*, std::string*> flags[] = {{"--driver=", &settings.driver},
                                                        {"--module=", &settings.module},
                                                        {"--bin=", &settings.bin_dir},
                                                        {"--image=", &settings.image},
                                                        {"--embed-cache=", &settings.embed_cache},
                                                        {"--uri=", &settings.uri},
                                                        {"--work=", &settings.work_dir},
                                                        {"--half=", &settings.half},
                                                        {"--delay-ms=", &settings.delay_ms}};
  for (int i = 1; i < argc; ++i) {
    bool known = false;
    for (const auto& [flag, value] : flags) {
      if (!absl::StartsWith(argv[i], flag)) continue;
      *value = argv[i] + std::string(flag).size();
      known = true;
    }
    if (!known) fprintf(stderr, "contract_test: what is %s?\n", argv[i]);
    if (!known) return false;
  }
  return !settings.driver.empty() && !settings.module.empty();
}

int Skip(const std::string& why) {
  printf("SKIPPED: %s\n", why.c_str());
  return kSkipped;
}

int Fail(const absl::Status& status) {
  fprintf(stderr, "contract_test: %s\n", status.ToString().c_str());
  return 1;
}

std::string MakeWorkDir() {
  char path[] = "/tmp/vxc-XXXXXX";
  return mkdtemp(path) == nullptr ? "" : path;
}

// What a sandbox holds before any driver acts; nothing without one.
using Before = std::optional<std::set<leftovers::Finding>>;

// Says what is left, and removes it.
size_t CountLeftovers(const Subject& subject, const Before& before) {
  const std::string& instance = subject.environment().instance_id;
  const auto found = FindLeftovers(subject.settings().work_dir, instance, before);
  for (const std::string& thing : found) fprintf(stderr, "LEFT BEHIND: %s\n", thing.c_str());
  if (!found.empty()) {
    SweepInstance(instance);
    SweepChildren();
  }
  return found.size();
}

// Runs the tests over an open subject, and sees what is left of it.
int RunTests(Subject& subject, const Before& before) {
  const v1::DriverInfo info = subject.driver().Probe();
  if (info.state() != v1::DRIVER_STATE_READY) return Skip(info.reason() + "; " + info.hint());
  if (absl::Status settled = subject.driver().WaitSettled(subject.patience()); !settled.ok()) {
    return Fail(settled);
  }
  const int failed = RUN_ALL_TESTS();
  subject.Close();
  subject.SetLibvirtd(nullptr);
  const size_t left = CountLeftovers(subject, before);
  return failed != 0 || left > 0 ? 1 : 0;
}

// In the sandbox. Null where the driver needs none.
absl::StatusOr<std::unique_ptr<Libvirtd>> StartLibvirtd(const Settings& settings) {
  if (settings.uri.empty() || !settings.half.empty()) return std::unique_ptr<Libvirtd>();
  VX_ASSIGN_OR_RETURN(std::unique_ptr<Libvirtd> libvirtd, Libvirtd::Make(settings.embed_cache));
  VX_RETURN_IF_ERROR(libvirtd->Start());
  return libvirtd;
}

int Main(Settings settings) {
  // As in vxd: a libvirtd that is gone is an error, not an end.
  signal(SIGPIPE, SIG_IGN);
  const bool real = settings.driver != "fake", half = !settings.half.empty();
  if (real && geteuid() != 0) return Skip("the driver " + settings.driver + " needs root");
  absl::Status sandboxed = half || !real ? BecomeSubreaper() : EnterSandbox();
  if (!sandboxed.ok()) return Fail(sandboxed);
  auto libvirtd = StartLibvirtd(settings);
  if (absl::IsNotFound(libvirtd.status())) return Skip(std::string(libvirtd.status().message()));
  if (!libvirtd.ok()) return Fail(libvirtd.status());
  Before before;
  if (real && !half) before = LookAround();
  if (settings.work_dir.empty()) settings.work_dir = MakeWorkDir();
  const std::string work_dir = settings.work_dir;
  Subject::Set(std::make_unique<Subject>(std::move(settings)));
  Subject::Get().SetLibvirtd(*std::move(libvirtd));
  absl::Status opened = Subject::Get().Open();
  const int result = opened.ok() ? RunTests(Subject::Get(), before) : Fail(opened);
  Subject::Set(nullptr);
  if (!half && !RemoveTree(work_dir).ok()) fprintf(stderr, "%s is left\n", work_dir.c_str());
  return result;
}

}  // namespace
}  // namespace vx::contract

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  vx::contract::Settings settings;
  if (!vx::contract::ParseFlags(argc, argv, settings)) return 2;
  return vx::contract::Main(std::move(settings));
}
