"""vx-runtime next to other OCI runtimes: the same bundle, interleaved."""
import ctypes
import json
import os
import shutil
import statistics
import time

FIRST_ID, IDS = 100000, 65536
CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
                "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT"]
NAMESPACES = ["pid", "network", "ipc", "uts", "mount", "user", "cgroup"]
PR_SET_CHILD_SUBREAPER = 36


def flat_profile(path):
    """What of our profile holds for every container, in OCI's own format."""
    with open(path, encoding="utf-8") as file:
        profile = json.load(file)
    rules = [{key: rule[key] for key in ("names", "action", "args", "errnoRet") if key in rule}
             for rule in profile["syscalls"]
             if not {"includes", "excludes"} & {key for key in rule if rule[key]}]
    return {"defaultAction": profile["defaultAction"],
            "defaultErrnoRet": profile.get("defaultErrnoRet", 1),
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"], "syscalls": rules}


def mount(destination, kind, source, *options):
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


def make_config(profile):
    mapping = [{"containerID": 0, "hostID": FIRST_ID, "size": IDS}]
    sets = ("bounding", "effective", "permitted")
    return {
        "ociVersion": "1.0.2",
        "process": {"args": ["/bin/busybox", "true"], "env": ["PATH=/bin"], "cwd": "/",
                    "user": {"uid": 0, "gid": 0}, "noNewPrivileges": True,
                    "capabilities": {name: CAPABILITIES for name in sets}},
        "root": {"path": "rootfs"}, "hostname": "bench",
        "mounts": [mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
                   mount("/dev", "tmpfs", "tmpfs", "nosuid", "mode=755", "size=64k"),
                   mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance",
                         "ptmxmode=0666", "mode=0620"),
                   mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777"),
                   mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro")],
        "linux": {"namespaces": [{"type": name} for name in NAMESPACES],
                  "uidMappings": mapping, "gidMappings": mapping,
                  "resources": {"memory": {"limit": 256 << 20}, "pids": {"limit": 512},
                                "cpu": {"quota": 100000, "period": 100000}},
                  "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
                  "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"],
                  "seccomp": profile}}


def make_bundle(folder, profile_path):
    binaries = f"{folder}/rootfs/bin"
    os.makedirs(binaries)
    shutil.copy(shutil.which("busybox"), binaries)
    for directory in ("proc", "dev", "sys"):
        os.mkdir(f"{folder}/rootfs/{directory}")
    for directory, _, files in os.walk(f"{folder}/rootfs"):
        for path in [directory, *(os.path.join(directory, name) for name in files)]:
            os.chown(path, FIRST_ID, FIRST_ID)
    with open(f"{folder}/config.json", "w", encoding="utf-8") as file:
        json.dump(make_config(flat_profile(profile_path)), file)


class Cycle:
    """create, start, the command's end, delete: each a process of the runtime's."""

    def __init__(self, prefix, bundle):
        self.program, self.prefix = shutil.which(prefix[0]), prefix
        self.bundle, self.count = bundle, 0

    def call(self, *words):
        """Spawned, not forked: that takes longer than a runtime does. Complaints go to a
        file: a pipe would be open for as long as the container is."""
        complaints = f"{self.bundle}/complaints"
        pid = os.posix_spawn(
            self.program, [*self.prefix, *words], os.environ,
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0),
                          (os.POSIX_SPAWN_DUP2, 0, 1),
                          (os.POSIX_SPAWN_OPEN, 2, complaints,
                           os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)])
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0:
            with open(complaints, encoding="utf-8") as file:
                raise RuntimeError(f"{self.prefix[0]} {words[0]}: {file.read().strip()}")

    def run(self):
        self.count += 1
        name, pid_file = f"vx-bench-{os.getpid()}-{self.count}", f"{self.bundle}/pid"
        begin = time.monotonic()
        self.call("create", "--bundle", self.bundle, "--pid-file", pid_file, name)
        with open(pid_file, encoding="ascii") as file:
            pid = int(file.read())
        self.call("start", name)
        os.waitpid(pid, 0)
        self.call("delete", name)
        return (time.monotonic() - begin) * 1000


def take(build, bundle, rounds):
    """Median milliseconds of each runtime."""
    # Containers are made by grandchildren, and are ours to reap.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    runtimes = {"vx": [f"{build}/bin/vx-runtime", "--root", "/run/vx-bench"],
                "crun": ["crun", "--cgroup-manager", "cgroupfs", "--root", "/run/crun-bench"],
                "runc": ["runc", "--root", "/run/runc-bench"]}
    cycles = {name: Cycle(prefix, bundle) for name, prefix in runtimes.items()}
    took = {name: [] for name in cycles}
    for _ in range(rounds + 1):
        for name, cycle in cycles.items():
            took[name].append(cycle.run())
    return {name: statistics.median(values[1:]) for name, values in took.items()}


def overlay_bundle(folder, profile_path):
    """The bundle's root as vxd gives it: a layer, idmapped, under a writable one."""
    make_bundle(folder, profile_path)
    for directory, _, files in os.walk(f"{folder}/rootfs"):
        for path in [directory, *(os.path.join(directory, name) for name in files)]:
            os.chown(path, 0, 0)
    with open(f"{folder}/config.json", encoding="utf-8") as file:
        config = json.load(file)
    config["annotations"] = {"vx.overlay.lower": f"{folder}/rootfs",
                             "vx.overlay.upper": f"{folder}/top", "vx.overlay.volatile": "true"}
    with open(f"{folder}/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)


class StagedCycle(Cycle):
    """The same with the time of each stage, in milliseconds: of create as the runtime tells
    it, then from the call of start to the exec, to the command's end, and of delete."""

    EXEC_FD = 9

    def run(self):
        self.count += 1
        shutil.rmtree(f"{self.bundle}/top", ignore_errors=True)
        for name in ("upper", "work"):
            os.makedirs(f"{self.bundle}/top/{name}")
        name = f"vx-stages-{os.getpid()}-{self.count}"
        pid_file, stages_file = f"{self.bundle}/pid", f"{self.bundle}/stages"
        read_end, write_end = os.pipe()
        os.dup2(write_end, self.EXEC_FD, inheritable=True)
        os.close(write_end)
        self.call("create", "--bundle", self.bundle, "--pid-file", pid_file, "--stages",
                  stages_file, "--exec-fd", str(self.EXEC_FD), name)
        os.close(self.EXEC_FD)
        times = [time.monotonic()]
        self.call("start", name)
        os.read(read_end, 4)
        times.append(time.monotonic())
        os.close(read_end)
        with open(pid_file, encoding="ascii") as file:
            os.waitpid(int(file.read()), 0)
        times.append(time.monotonic())
        self.call("delete", name)
        times.append(time.monotonic())
        with open(stages_file, encoding="ascii") as file:
            stages = [(name, int(micros) / 1000) for name, micros in map(str.split, file)]
        later = [(after - before) * 1000 for before, after in zip(times, times[1:])]
        return stages + list(zip(("exec", "wait", "teardown"), later))


def stages(table, build, tree, folder, rounds):
    """Where the time of vx-runtime goes, on the host's own cgroups."""
    bundle = f"{folder}/staged"
    overlay_bundle(bundle, f"{tree}/config/seccomp.json")
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    cycle = StagedCycle([f"{build}/bin/vx-runtime", "--root", f"{folder}/r"], bundle)
    taken = [cycle.run() for _ in range(rounds + 1)][1:]
    for i, (name, _) in enumerate(taken[0]):
        table.note(f"vx-runtime, stage {name}", statistics.median(one[i][1] for one in taken), "ms")


def in_child(enter, function):
    """What `function` returns, in a process that has gone where `enter` takes it."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        enter()
        try:
            answer = {"result": function()}
        except (OSError, RuntimeError) as error:
            answer = {"error": str(error)}
        os.write(write_end, json.dumps(answer).encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, encoding="utf-8") as file:
        answer = json.load(file)
    os.waitpid(pid, 0)
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer["result"]


def compare(table, build, tree, folder, enter, rounds):
    """`enter` takes a new process to where crun and runc can work."""
    bundle = f"{folder}/bundle"
    make_bundle(bundle, f"{tree}/config/seccomp.json")
    median = in_child(enter, lambda: take(build, bundle, rounds))
    for name, most in (("crun", 0.6), ("runc", 0.25)):
        ratio = median["vx"] / median[name]
        table.add(f"vx-runtime: create to delete; {name}", median["vx"], "ms", f"<= {most} of it",
                  lambda r, most=most: r <= most, value=ratio, peer=median[name], ratio=ratio)
