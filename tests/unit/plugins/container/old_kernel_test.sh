#!/bin/sh
# vx-runtime on the oldest kernel that vx supports, with cgroup v2: Debian's cloud
# kernel in an emulated machine whose root holds the runtime and one bundle.
#
#   old_kernel_test.sh VX_RUNTIME SECCOMP_PROFILE
#
# Ends with 77 (skipped) where there is no such kernel or no QEMU.
set -eu
runtime=$1 profile=$2
kernel=$(ls /boot/vmlinuz-*-cloud-amd64 2>/dev/null | sort -V | tail -n 1)
busybox=$(command -v busybox || true)
for need in "$kernel" "$busybox" "$(command -v qemu-system-x86_64 || true)" \
  "$(command -v mke2fs || true)" "$(command -v cpio || true)"; do
  [ -n "$need" ] || { echo "skipped: no cloud kernel, busybox, QEMU, mke2fs or cpio"; exit 77; }
done
modules=/lib/modules/${kernel#/boot/vmlinuz-}/kernel
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

mkdir -p "$dir/early/bin" "$dir/early/m" "$dir/early/proc" "$dir/early/sys" "$dir/early/dev" \
  "$dir/early/mnt" "$dir/disk/bin" "$dir/disk/layer/bin" "$dir/disk/w/upper" "$dir/disk/w/work" \
  "$dir/disk/b" "$dir/disk/proc" "$dir/disk/sys" "$dir/disk/dev" "$dir/disk/run"
for place in early disk disk/layer; do cp "$busybox" "$dir/$place/bin/busybox"; done
for applet in sh id cat echo grep; do ln -s busybox "$dir/disk/layer/bin/$applet"; done
for module in drivers/virtio/virtio_ring drivers/virtio/virtio drivers/virtio/virtio_pci_modern_dev \
  drivers/virtio/virtio_pci_legacy_dev drivers/virtio/virtio_pci drivers/block/virtio_blk \
  fs/overlayfs/overlay; do
  cp "$modules/$module.ko" "$dir/early/m/"
done
cp "$runtime" "$dir/disk/bin/vx-runtime"
cp "$profile" "$dir/disk/seccomp.json"

cat > "$dir/disk/b/config.json" <<'EOF'
{"ociVersion": "1.1.0", "hostname": "old",
 "process": {"args": ["sh", "-c",
   "echo inside; id -u; cat /proc/self/uid_map; echo x >/made; grep Seccomp: /proc/self/status; echo oom $(cat /proc/self/oom_score_adj)"],
   "oomScoreAdj": 300,
   "env": ["PATH=/bin"], "cwd": "/", "noNewPrivileges": true, "user": {"uid": 0, "gid": 0}},
 "mounts": [
  {"destination": "/proc", "type": "proc", "options": ["nosuid", "noexec", "nodev"]},
  {"destination": "/dev", "type": "tmpfs", "options": ["nosuid", "mode=755"]},
  {"destination": "/dev/pts", "type": "devpts", "options": ["newinstance", "ptmxmode=0666", "gid=5"]},
  {"destination": "/dev/mqueue", "type": "mqueue"},
  {"destination": "/sys", "type": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]}],
 "linux": {
  "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"},
                 {"type": "mount"}, {"type": "user"}, {"type": "cgroup"}],
  "uidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}],
  "gidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}],
  "cgroupsPath": "/vx-test/c1",
  "resources": {"memory": {"limit": 67108864}, "pids": {"limit": 100},
                "cpu": {"quota": 50000, "period": 100000}},
  "maskedPaths": ["/proc/kcore", "/proc/keys", "/sys/firmware"], "readonlyPaths": ["/proc/sys"]},
 "annotations": {"vx.overlay.lower": "/layer", "vx.overlay.upper": "/w", "vx.seccomp": "/seccomp.json"}}
EOF

cat > "$dir/early/init" <<'EOF'
#!/bin/busybox sh
busybox=/bin/busybox
$busybox mount -t proc proc /proc
$busybox mount -t sysfs sysfs /sys
$busybox mount -t devtmpfs devtmpfs /dev
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk \
  overlay; do
  $busybox insmod /m/$module.ko
done
$busybox mount -t ext4 /dev/vda /mnt
$busybox mount -t cgroup2 cgroup2 /sys/fs/cgroup
for place in proc sys dev; do $busybox mount --move /$place /mnt/$place; done
exec $busybox switch_root /mnt /run.sh
EOF

cat > "$dir/disk/run.sh" <<'EOF'
#!/bin/busybox sh
busybox=/bin/busybox
group=/sys/fs/cgroup/vx-test/c1
runtime="/bin/vx-runtime --root /run/r"
$runtime create --bundle /b --pid-file /run/pid c1; echo "create $?"
echo "limits $($busybox cat $group/memory.max $group/pids.max $group/cpu.max | $busybox tr '\n' ' ')"
echo "member $($busybox cat $group/cgroup.procs) $($busybox cat /run/pid)"
$runtime start c1; echo "start $?"
until $runtime state c1 | $busybox grep -q stopped; do $busybox usleep 50000; done
$runtime delete c1; echo "delete $?"
echo "owner $($busybox stat -c %u /w/upper/made)"
[ -e /sys/fs/cgroup/vx-test ] || echo "group gone"
$busybox poweroff -f
EOF
chmod 755 "$dir/early/init" "$dir/disk/run.sh"

(cd "$dir/early" && find . | cpio -o -H newc 2>/dev/null | gzip -1) > "$dir/initrd"
mke2fs -q -t ext4 -d "$dir/disk" "$dir/root.img" 64M 2>/dev/null
timeout 150 qemu-system-x86_64 -M q35 -accel tcg -cpu qemu64 -m 512 -nographic -no-reboot \
  -nic none -kernel "$kernel" -initrd "$dir/initrd" \
  -append "console=ttyS0 panic=-1 quiet tsc=reliable no_timer_check mitigations=off reboot=t" \
  -drive file="$dir/root.img",if=virtio,format=raw 2>&1 | tr -d '\r' > "$dir/output" || true

failed=0
expect() {
  grep -Eq "$1" "$dir/output" || { echo "missing: $1"; failed=1; }
}
expect 'create 0$'
expect '^limits 67108864 100 50000 100000'
expect '^member ([0-9]+) \1$'
expect '^start 0$'
expect '^inside$'
expect '^ +0 +100000 +65536$'
expect '^Seccomp:.2$'
expect '^oom 300$'
expect '^delete 0$'
expect '^owner 0$'
expect '^group gone$'
[ $failed = 0 ] || cat "$dir/output"
exit $failed
