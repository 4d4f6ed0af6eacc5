// lib/vx/drivers/fake.so; not installed.
#include "daemon/driver/module.h"
#include "plugins/fake/driver.h"

VX_DRIVER_MODULE("fake", vx::fake::FakeDriver)
