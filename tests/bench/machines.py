"""VMs, next to the same kernel and initramfs booted by libvirt without vx."""
import os
import re
import resource
import shutil
import statistics
import subprocess
import time
from datetime import datetime

from processes import (calls, cpu_seconds, mapping_pss_kib, milliseconds, rollup_kib, run,
                       settled)

NAME = "machine"
STREAMED = 256 << 20
IDLE_VMS = 5


class BareGuest:
    """The kernel and initramfs of vx's guests without vx, and without a balloon and the
    agent's port. One that boots has no disk, and waits with its first word to the host;
    one that is kept goes on, as vx's shim would have it, to run an idle command on the same
    disk. The files are the same too: how much of one is in a process's memory depends on how
    it came into the page cache. libvirt is set up as vx's, which is the fastest."""

    def __init__(self, vx, build, folder):
        line = self.qemu_of(vx)
        value = lambda flag: line[line.index(flag) + 1]
        kind = "kvm" if "accel=kvm" in value("-accel" if "-accel" in line else "-machine") else "qemu"
        machine = value("-machine").split(",")[0]
        memory = re.search(r"\d+", value("-m")).group()
        os.makedirs(f"{folder}/bare/root/etc")
        shutil.copy(f"{vx.folder}/r/libvirt/embed/etc/qemu.conf", f"{folder}/bare/root/etc")
        base = re.search(r'"filename":"([^"]+\.ext4)"', " ".join(line)).group(1)
        disk = f"{folder}/bare/disk"
        run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", disk])
        os.chmod(disk, 0o666)
        self.process = subprocess.Popen(
            [f"{build}/tests/bench_bare_boot", f"{folder}/bare", value("-kernel"), value("-initrd"),
             value("-append"), line[0], kind, machine, memory, disk], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env={**os.environ, "LIBVIRT_DEBUG": "error"})

    @staticmethod
    def qemu_of(vx):
        """The command line of a guest's QEMU."""
        start_idle(vx, "look")
        with open(f"/proc/{qemu_pid(vx, 'look')}/cmdline", "rb") as file:
            line = file.read().decode().split("\0")
        vx.ctl("rm", "-f", "look")
        return line

    def ask(self, word):
        self.process.stdin.write(f"{word}\n".encode())
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError("the bare guest does not boot")
        return float(answer)

    def boot(self):
        """Milliseconds from libvirt's create to the guest's first byte."""
        return self.ask("boot")

    def keep(self):
        """Boots one that stays; its QEMU's pid."""
        return int(self.ask("keep"))

    def end(self):
        self.ask("end")

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)


def start_idle(vx, name):
    vx.ctl("run", "-d", "--kind=vm", "--name", name, "busybox", "--", "sleep", "100000")


def qemu_pid(vx, name):
    found = vx.json("inspect", name)
    return (found[0] if isinstance(found, list) else found)["status"]["pid"]


def first_byte(vx):
    """Milliseconds from the client's start to the first byte of a VM's output."""
    begin = time.monotonic()
    child = subprocess.Popen(vx.argv("run", "--rm", "--kind=vm", "busybox", "--", "echo", "x"),
                             stdout=subprocess.PIPE)
    if child.stdout.read(1) != b"x":
        raise RuntimeError("the VM printed nothing")
    took = (time.monotonic() - begin) * 1000
    child.wait(timeout=60)
    return took


def last_create(vx):
    """The operation that made the newest workload."""
    return next(one for one in vx.json("operation", "ls") if one["type"] == "create")


def took(operation):
    """Milliseconds from its record to its end."""
    begin, end = (datetime.fromisoformat(operation[name][:26].rstrip("Z"))
                  for name in ("createTime", "endTime"))
    return (end - begin).total_seconds() * 1000


def parts(operation):
    """Milliseconds of each phase, and of the stages in it."""
    for phase in operation["phases"]:
        yield phase["name"], phase["micros"] / 1000
        for stage in phase.get("stages", []):
            yield f"{phase['name']}, {stage['name']}", stage["micros"] / 1000


def start(table, vx, bare, rounds):
    first_byte(vx)
    bare.boot()
    heard, operations, theirs = [], [], []
    for _ in range(rounds):
        heard.append(first_byte(vx))
        operations.append(last_create(vx))
        theirs.append(bare.boot())
    peer = statistics.median(theirs)
    for figure, mine, most in (
            ("create to command started", statistics.median(map(took, operations)), 1.15),
            ("run to first output", statistics.median(heard), 1.25)):
        table.add(f"vm: {figure}; bare libvirt boot", mine, "ms", f"within {most} times",
                  lambda ratio, most=most: ratio <= most, value=mine / peer, peer=peer,
                  ratio=mine / peer)
    stage_table(table, [dict(parts(one)) for one in operations])


def stage_table(table, taken):
    for name in taken[0]:
        table.note(f"vm: create, {name}", statistics.median(one[name] for one in taken), "ms")


def qemu_memory(pid):
    """MiB that an idle QEMU takes, and those of them that its guest has."""
    pss = settled(lambda: rollup_kib(pid, "Pss"))
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
        words = file.read().split("\0")
    size = re.match(r"(?:size=)?(\d+)(k?)", words[words.index("-m") + 1])
    size_kib = int(size[1]) if size[2] else int(size[1]) << 10
    return pss / 1024, mapping_pss_kib(pid, size_kib) / 1024


def memory(table, vx, bare, rounds):
    """Of QEMUs that idle, one at a time: they would share their program's pages."""
    ours, theirs = [], []
    for _ in range(rounds):
        start_idle(vx, NAME)
        ours.append(qemu_memory(qemu_pid(vx, NAME)))
        vx.ctl("rm", "-f", NAME)
        theirs.append(qemu_memory(bare.keep()))
        bare.end()
    whole, inner = ((statistics.median(one[i] for one in ours),
                     statistics.median(one[i] for one in theirs)) for i in (0, 1))
    mine, peer = whole
    table.add("vm: QEMU's PSS; bare QEMU's", mine, "MiB", "no more",
              lambda ratio: ratio <= 1, value=mine / peer, peer=peer, ratio=mine / peer)
    table.note("vm: of it the guest's memory", inner[0], "MiB")
    table.note("vm: of bare QEMU's the guest's memory", inner[1], "MiB")


def execs(table, vx):
    calls(vx, "exec", NAME, 3)
    table.add("vm: exec true, the call", calls(vx, "exec", NAME, 50)["exec_median"], "ms", "<= 5 ms",
              lambda v: v <= 5)
    runs = [milliseconds(lambda: vx.ctl("exec", NAME, "--", "true")) for _ in range(30)]
    table.add("vm: exec true, as a process", statistics.median(runs), "ms", "<= 30 ms",
              lambda v: v <= 30)


def swallow(pipe):
    """How many bytes come out of it."""
    count = 0
    with open(os.devnull, "wb") as nowhere:
        while some := os.splice(pipe, nowhere.fileno(), 1 << 20):
            count += some
    return count


def children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def stream_once(vx):
    """MB a second of processor time of vxd's and the client's, and of time."""
    command = ["dd", "if=/dev/zero", "bs=64k", f"count={STREAMED >> 16}"]
    used = cpu_seconds(vx.process.pid) + children_seconds()
    begin = time.monotonic()
    child = subprocess.Popen(vx.argv("exec", NAME, "--", *command), stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
    count = swallow(child.stdout.fileno())
    if child.wait(timeout=60) != 0 or count != STREAMED:
        raise RuntimeError(f"{count} of {STREAMED} bytes came, exit status {child.returncode}")
    wall = time.monotonic() - begin
    used = cpu_seconds(vx.process.pid) + children_seconds() - used
    return STREAMED / used / 1e6, STREAMED / wall / 1e6


def stream(table, vx):
    """The guest may be slower than vx, above all when it is emulated: what counts is what
    a core of the host's would carry."""
    taken = [stream_once(vx) for _ in range(3)]
    of_core, of_time = (statistics.median(column) for column in zip(*taken))
    table.add("vm: stream from a guest, for a core's time", of_core, "MB/s", ">= 300 MB/s",
              lambda v: v >= 300)
    table.note("vm: stream from a guest, as it comes", of_time, "MB/s")


def agent(table, vx):
    status = vx.ctl("exec", NAME, "--", "cat", "/proc/1/status")
    resident = int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M).group(1)) / 1024
    table.add("vm: vx-agent's RSS in the guest", resident, "MiB", "<= 3 MiB", lambda v: v <= 3)


def daemon_memory(table, vx):
    """What vxd takes for each VM. It has had one before, which loads what all share."""
    own = lambda: rollup_kib(vx.process.pid, "Anonymous")
    before = settled(own)
    for i in range(IDLE_VMS):
        start_idle(vx, f"{NAME}{i}")
    each = (settled(own) - before) / 1024 / IDLE_VMS
    vx.remove_all()
    table.add(f"vm: vxd's own memory for each of {IDLE_VMS}", each, "MiB", "<= 1 MiB", lambda v: v <= 1)


def inside(attempt, table, vx):
    start_idle(vx, NAME)
    for figure, function in (("exec in a VM", execs), ("stream from a VM", stream),
                             ("agent's memory", agent)):
        attempt(table, figure, function, table, vx)
    vx.ctl("rm", "-f", NAME)


def next_to_bare(attempt, table, vx, options, folder):
    bare = BareGuest(vx, options.build, folder)
    try:
        attempt(table, "VM start", start, table, vx, bare, options.rounds)
        attempt(table, "QEMU's memory", memory, table, vx, bare, 3)
    finally:
        bare.stop()


def measure(attempt, table, vx, options, folder):
    """Every figure; `attempt` keeps one that can't be taken from hiding others."""
    attempt(table, "bare guests", next_to_bare, attempt, table, vx, options, folder)
    attempt(table, "inside a VM", inside, attempt, table, vx)
    attempt(table, "vxd's memory for VMs", daemon_memory, table, vx)
