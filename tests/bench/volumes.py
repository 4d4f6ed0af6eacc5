"""Volumes: virtiofs in a VM of vx's next to the same virtiofs under bare QEMU, and a volume
in a container next to its folder on the host."""
import os
import re
import shutil
import statistics
import subprocess
import time

from processes import run

NAME, CONTAINER = "disk-vm", "disk-container"
MEBIBYTES = 128
BUSYBOX = "/bin/busybox"

# Writes a file and reads it, and says how long each took; for a busybox of any side. $1 is
# the folder, $2 what empties the caches of this kernel, $3 how often it is read.
SCRIPT = f"""
now() {{ read up idle < /proc/uptime; echo $up; }}
rm -f $1/file; sync
begin=$(now); dd if=/dev/zero of=$1/file bs=1M count={MEBIBYTES} conv=fsync 2>/dev/null
echo write $begin $(now)
$2
begin=$(now); for pass in $(seq $3); do dd if=$1/file of=/dev/null bs=1M 2>/dev/null; done
echo read $begin $(now)
"""
FORGET = "echo 3 > /proc/sys/vm/drop_caches"
# From the host's cache: the clock has hundredths.
PASSES = 16

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
for module in $(cat /mods.order); do insmod /mods/$module; done
mount -t virtiofs vx0 /data
sh /measure /data "{forget}" 1
poweroff -f
"""


class OwnGroup:
    """A control group for what is measured against a workload, which has one too: on a busy
    host a group has one share of the processors, and a process outside of them another."""

    def __init__(self):
        top = "/sys/fs/cgroup/cpu" if os.path.isdir("/sys/fs/cgroup/cpu") else "/sys/fs/cgroup"
        self.path = f"{top}/vx-bench-{os.getpid()}"
        os.makedirs(self.path, exist_ok=True)

    def enter(self):
        with open(f"{self.path}/cgroup.procs", "w", encoding="utf-8") as file:
            file.write("0")

    def remove(self):
        """Once all in it have ended."""
        deadline = time.monotonic() + 10
        while True:
            try:
                return os.rmdir(self.path)
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


def rates(text, passes=1):
    """MiB a second, by what was done."""
    found = {}
    for name, begin, end in re.findall(r"(write|read) ([\d.]+) ([\d.]+)", text):
        count = MEBIBYTES * (passes if name == "read" else 1)
        found[name] = count / max(float(end) - float(begin), 0.01)
    if len(found) != 2:
        raise RuntimeError(f"no figures: {text}")
    return found


def pack(root, archive):
    """A cpio archive of a folder, as kernels take it."""
    names = subprocess.run(["find", "."], cwd=root, stdout=subprocess.PIPE, check=True).stdout
    with open(archive, "wb") as out:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, input=names, stdout=out,
                       check=True)


def pid_of(vx, name):
    found = vx.json("inspect", name)
    return (found[0] if isinstance(found, list) else found)["status"]["pid"]


def words_of(pid):
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
        return file.read().split("\0")[:-1]


def sharers_of(socket_folder):
    """The command lines of virtiofsds that serve from there."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = words_of(pid)
        except OSError:
            continue
        if words and words[0].endswith("virtiofsd") and f"source={socket_folder}" in " ".join(words):
            yield words


class BareShare:
    """The kernel, modules, machine, balloon and virtiofsd of a guest of vx's, without vx."""

    def __init__(self, vx, folder, group):
        self.group = group
        line = words_of(pid_of(vx, NAME))
        self.value = lambda flag: line[line.index(flag) + 1]
        self.emulator, self.folder = line[0], f"{folder}/bare-share"
        self.sharer = next(sharers_of(f"{vx.folder}/r"))
        self.shared = f"{folder}/bare-data"
        os.makedirs(self.shared)

    def initramfs(self):
        root, archive = f"{self.folder}/root", f"{self.folder}/initramfs"
        for name in ("bin", "proc", "sys", "dev", "data"):
            os.makedirs(f"{root}/{name}", exist_ok=True)
        with open(self.value("-initrd"), "rb") as theirs:
            subprocess.run(["cpio", "-idu", "--quiet", "mods/*", "mods.order"], cwd=root,
                           stdin=theirs, check=True)
        shutil.copy(BUSYBOX, f"{root}/bin/busybox")
        for name, text in (("init", INIT.format(forget=FORGET)), ("measure", SCRIPT)):
            with open(f"{root}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(f"{root}/{name}", 0o755)
        pack(root, archive)
        return archive

    def serve(self, socket):
        place = next(i for i, word in enumerate(self.sharer) if word.startswith("source="))
        own = self.sharer[:place] + [f"source={self.shared}"] + self.sharer[place + 1:]
        own = [word for word in own if not word.startswith("--fd=")]
        return subprocess.Popen([*own, f"--socket-path={socket}"], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, preexec_fn=self.group.enter)

    def command(self, archive, socket):
        size = re.search(r"\d+k?", self.value("-m")).group()
        size = size if size.endswith("k") else f"{size}M"
        return [self.emulator, "-nodefaults", "-display", "none", "-no-reboot", "-machine", "q35",
                "-accel", self.value("-accel"), "-cpu", self.value("-cpu"), "-m", size, "-smp", "1",
                "-kernel", self.value("-kernel"), "-initrd", archive,
                "-append", "console=ttyS0 quiet panic=-1", "-serial", "stdio",
                "-object", f"memory-backend-memfd,id=memory,share=on,size={size}",
                "-numa", "node,memdev=memory", "-chardev", f"socket,id=share,path={socket}",
                "-device", "vhost-user-fs-pci,chardev=share,tag=vx0,queue-size=1024",
                "-device", "virtio-balloon-pci,free-page-reporting=on"]

    def measure(self):
        archive, socket = self.initramfs(), f"{self.folder}/socket"
        sharer = self.serve(socket)
        try:
            while not os.path.exists(socket):
                if sharer.poll() is not None:
                    raise RuntimeError("the bare virtiofsd does not start")
            said = subprocess.run(self.command(archive, socket), stdout=subprocess.PIPE,
                                  timeout=240, check=True, preexec_fn=self.group.enter).stdout
            return rates(said.decode(errors="replace"))
        finally:
            sharer.kill()
            sharer.wait()


def start(vx, kind, name):
    vx.ctl("run", "-d", f"--kind={kind}", "--name", name, "-v", f"{name}:/data", "busybox", "--",
           "sleep", "100000")


def inside(vx, name, forget, passes=1):
    return rates(vx.ctl("exec", name, "--", "sh", "-c", SCRIPT, "sh", "/data", forget, str(passes)),
                 passes)


def on_host(folder, group):
    return rates(run([BUSYBOX, "sh", "-c", SCRIPT, "sh", folder, "true", str(PASSES)],
                     preexec_fn=group.enter).decode(), PASSES)


def compare(table, what, ours, theirs, least):
    for name in ("write", "read"):
        mine, peer = (statistics.median(one[name] for one in all) for all in (ours, theirs))
        table.add(what.format(name), mine, "MiB/s", f">= {least} of it",
                  lambda ratio: ratio >= least, value=mine / peer, peer=peer, ratio=mine / peer)


def virtiofs(table, vx, folder, group, rounds):
    start(vx, "vm", NAME)
    bare = BareShare(vx, folder, group)
    ours, theirs = [], []
    inside(vx, NAME, FORGET)
    for _ in range(rounds):
        ours.append(inside(vx, NAME, FORGET))
        theirs.append(bare.measure())
    vx.ctl("rm", "-f", NAME)
    vx.ctl("volume", "rm", NAME)
    compare(table, "vm: sequential {} of a volume; bare virtiofs", ours, theirs, 0.8)


def bind(table, vx, group, rounds):
    """Read from the host's cache, which a container can't empty."""
    start(vx, "container", CONTAINER)
    path = vx.json("volume", "inspect", CONTAINER)["status"]["path"]
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(inside(vx, CONTAINER, "true", PASSES))
        theirs.append(on_host(path, group))
    vx.ctl("rm", "-f", CONTAINER)
    vx.ctl("volume", "rm", CONTAINER)
    compare(table, "container: sequential {} of a volume; the host's folder", ours, theirs, 0.9)


def measure(attempt, table, vx, options, folder):
    rounds = min(options.rounds, 5)
    group = OwnGroup()
    try:
        attempt(table, "virtiofs", virtiofs, table, vx, folder, group, rounds)
        attempt(table, "bind volume", bind, table, vx, group, 3 * rounds)
    finally:
        group.remove()
