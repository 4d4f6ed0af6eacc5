"""Other container engines, each with folders of its own, and away from the host's."""
import ctypes
import glob
import os
import subprocess
import time

from processes import run


class Podman:
    """podman with folders of its own and the image that vx exported, in a mount
    namespace where crun sees no second cgroup hierarchy (it refuses a hybrid
    layout) and the host's own containers are out of sight."""

    name = "podman"
    run_factor = 5

    HIDE = """
        mount --make-rprivate /
        [ ! -d /sys/fs/cgroup/unified ] || umount /sys/fs/cgroup/unified
        mount -t tmpfs none /var/lib
        mount -t tmpfs none /run
        echo there
        exec cat
    """

    def __init__(self, vx, build, folder):
        self.cgroups = set(glob.glob("/sys/fs/cgroup/*/libpod_parent"))
        self.holder = subprocess.Popen(["unshare", "--mount", "sh", "-ec", self.HIDE],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.holder.stdout.readline() != b"there\n":
            raise RuntimeError("podman's mount namespace can't be made")
        self.namespace = os.open(f"/proc/{self.holder.pid}/ns/mnt", os.O_RDONLY)
        self.prefix = ["podman", "--root", f"{folder}/podman", "--runroot", f"{folder}/podman-run",
                       "--cgroup-manager", "cgroupfs", "--events-backend", "none",
                       "--storage-driver", "overlay", "--runtime", f"{build}/tests/bench/crun"]
        archive = f"{folder}/busybox.tar"
        vx.ctl("image", "export", "busybox", "-o", archive)
        self.podman("load", "-q", "-i", archive)
        self.image = self.podman("images", "-q").decode().split()[0]

    def enter(self):
        if ctypes.CDLL(None, use_errno=True).setns(self.namespace, 0x20000) != 0:
            os._exit(125)

    def podman(self, *words):
        return run(self.prefix + list(words), preexec_fn=self.enter)

    def run_true(self):
        self.podman("run", "--rm", "--network", "none", self.image, "true")

    def stop(self):
        self.holder.stdin.close()
        self.holder.wait(timeout=10)
        for top in set(glob.glob("/sys/fs/cgroup/*/libpod_parent")) - self.cgroups:
            for folder, _, _ in os.walk(top, topdown=False):
                remove_cgroup(folder)


def remove_cgroup(folder):
    """Ended processes stay in their cgroup until init has reaped them, seconds later."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return os.rmdir(folder)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


class Docker:
    """Docker's daemon and client from Debian's packages, which are unpacked and not
    installed: an installed one starts by itself and changes the host's rules. In a mount
    namespace where it sees no second cgroup hierarchy."""

    name = "Docker"
    run_factor = 8

    SERVE = """
        mount --make-rprivate /
        for one in unified systemd; do
            ! mountpoint -q /sys/fs/cgroup/$one || umount /sys/fs/cgroup/$one
        done
        mount -t tmpfs none /run
        export PATH="$0/usr/bin:$0/usr/sbin:$PATH"
        exec dockerd --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/pid" \
            -H "unix://$1/socket" --iptables=false --ip6tables=false --bridge=none
    """

    def __init__(self, vx, build, folder):
        self.cgroups = set(glob.glob("/sys/fs/cgroup/*/docker"))
        unpacked = self.unpack(f"{build}/docker")
        self.folder = f"{folder}/docker"
        os.makedirs(f"{self.folder}/exec")
        self.log = open(f"{self.folder}/log", "wb")
        self.daemon = subprocess.Popen(["unshare", "--mount", "bash", "-ec", self.SERVE, unpacked,
                                        self.folder], stdout=self.log, stderr=self.log)
        self.prefix = [f"{unpacked}/usr/bin/docker", "-H", f"unix://{self.folder}/socket"]
        self.wait_ready()
        archive = f"{folder}/docker-busybox.tar"
        vx.ctl("image", "export", "busybox", "-o", archive)
        run(["skopeo", "copy", "-q", f"oci-archive:{archive}",
             f"docker-archive:{self.folder}/image.tar:busybox:latest"])
        self.docker("load", "-q", "-i", f"{self.folder}/image.tar")

    @staticmethod
    def unpack(folder):
        """Returns the folder; what can't be had is told when it is wanted."""
        if not os.path.isdir(f"{folder}/usr"):
            os.makedirs(folder, exist_ok=True)
            subprocess.run(["apt-get", "-qq", "download", "docker.io", "containerd"], cwd=folder,
                           stderr=subprocess.DEVNULL, check=False)
            for package in glob.glob(f"{folder}/*.deb"):
                run(["dpkg", "-x", package, folder])
        return folder

    def wait_ready(self):
        deadline = time.monotonic() + 60
        while subprocess.run(self.prefix + ["info"], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL).returncode != 0:
            if self.daemon.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("dockerd does not come up: " +
                                   open(f"{self.folder}/log").read()[-500:])
            time.sleep(0.1)

    def docker(self, *words):
        return run(self.prefix + list(words))

    def run_true(self):
        self.docker("run", "--rm", "--network", "none", "busybox", "true")

    def stop(self):
        self.daemon.terminate()
        self.daemon.wait(timeout=60)
        self.log.close()
        for top in set(glob.glob("/sys/fs/cgroup/*/docker")) - self.cgroups:
            for folder, _, _ in os.walk(top, topdown=False):
                remove_cgroup(folder)
