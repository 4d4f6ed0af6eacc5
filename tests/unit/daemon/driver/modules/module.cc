// A module that is wrong in the way that its macros say.
#include <cstdlib>

#include "daemon/driver/module.h"

#ifdef VX_TEST_UNRESOLVED
extern "C" void vx_test_nobody_has_this();
#endif

extern "C" __attribute__((visibility("default"))) const VxModuleInfo* vx_module_info() {
#ifdef VX_TEST_UNRESOLVED
  vx_test_nobody_has_this();
#endif
  static const VxModuleInfo info{VX_TEST_CONTRACT, VX_TEST_BUILD_ID, "test"};
  return &info;
}

extern "C" __attribute__((visibility("default"))) vx::driver::Driver* vx_module_create(
    const vx::driver::Environment*) {
  if (VX_TEST_CONTRACT != vx::driver::kContractVersion) abort();
  return nullptr;
}
