// lib/vx/drivers/libvirt.so
#include "daemon/driver/module.h"
#include "plugins/libvirt/driver.h"

VX_DRIVER_MODULE("libvirt", vx::libvirt::LibvirtDriver)
