// What the agent does to the guest as a whole: early mounts, modules, the root,
// the end. Every function is called once, by PID 1, in the order below. Trouble
// is said on the console.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/agent/boot_config.h"

namespace vx::agent {

// Since the kernel's start, in nanoseconds.
uint64_t SinceBootNanos();

// Writes "vx-agent: ..." to the console; like printf.
void Complain(const char* format, ...) __attribute__((format(printf, 1, 2)));

// devtmpfs, proc and sysfs in the initramfs.
void MountEarly();

// Loads the modules that /mods.order names, one file under /mods a line, in that
// order, and frees their memory. A module that is there already is fine.
void LoadModules();

// The same with those of /mods.network, which take their time: not `wanted` without a
// network card, and then their memory is freed alone.
void LoadNetworkModules(bool wanted);

// Mounts the disk /dev/vda and makes it the root; waits for the disk within
// `timeout_ms`. False: there is no root.
bool EnterRoot(int timeout_ms);

// What an OCI process expects besides: /dev/pts, /dev/shm, /dev/mqueue, cgroups,
// the links in /dev, the hostname; what `config` says of filesystems in memory, the
// working directory, networks (network.h), and a root that can't be written to.
// False when something of `config` can't be had, which was said.
bool SetUpGuest(const BootConfig& config);

// Makes the root filesystem as large as its disk; fine when it is. False with errno.
bool GrowRoot();

// How many processes the kernel killed for want of memory.
long OomKills();

// Makes the root's content safe: what is on the disk stays.
void SealRoot();

// Never returns.
[[noreturn]] void PowerOff();

}  // namespace vx::agent
