// What a driver module exports. The symbols are plain C, so that vxd can refuse
// a module of another build before any C++ of it runs.
#pragma once

#include "daemon/driver/driver.h"

extern "C" {

// What a module is; static storage.
struct VxModuleInfo {
  int contract_version;
  // Hash of the contract's headers, the protos and the compiler: only the same
  // build loads.
  const char* build_id;
  const char* name;
};

typedef const VxModuleInfo* (*VxModuleInfoFunction)();
// The caller owns the driver. Does no more than construct.
typedef vx::driver::Driver* (*VxModuleCreateFunction)(const vx::driver::Environment*);
}

#define VX_MODULE_INFO_SYMBOL "vx_module_info"
#define VX_MODULE_CREATE_SYMBOL "vx_module_create"

// VX_DRIVER_MODULE("fake", FakeDriver): once in a module's driver.cc. `Class` is
// constructible from an Environment.
#define VX_DRIVER_MODULE(module_name, Class)                                           \
  extern "C" __attribute__((visibility("default"))) const VxModuleInfo* vx_module_info() { \
    static const VxModuleInfo info{::vx::driver::kContractVersion, VX_BUILD_ID, module_name}; \
    return &info;                                                                      \
  }                                                                                    \
  extern "C" __attribute__((visibility("default"))) ::vx::driver::Driver* vx_module_create( \
      const ::vx::driver::Environment* environment) {                                  \
    return new Class(*environment);                                                    \
  }
