#!/usr/bin/python3
"""Lists a tree: names, types, modes, owners, links, contents, extended attributes.

usage: tree.py FOLDER | tree.py --of PID

With --of it is the root of that process, with owners as it sees them.
"""
import ctypes
import hashlib
import os
import stat
import sys

# What a container has of its own, not of its image.
OWN = {"proc", "sys", "dev", "run", "etc/hosts", "etc/hostname", "etc/resolv.conf"}


def enter_user_namespace(pid):
    fd = os.open("/proc/%d/ns/user" % pid, os.O_RDONLY)
    if os.stat(fd).st_ino == os.stat("/proc/self/ns/user").st_ino:
        return
    if ctypes.CDLL(None, use_errno=True).setns(fd, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def content(path, info):
    if stat.S_ISLNK(info.st_mode):
        return os.readlink(path)
    if stat.S_ISREG(info.st_mode):
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()[:16]
    return "-"


def attributes(path):
    names = sorted(n for n in os.listxattr(path, follow_symlinks=False) if "overlay" not in n)
    return ",".join("%s=%s" % (n, os.getxattr(path, n, follow_symlinks=False).hex()) for n in names)


def show(path, name):
    info = os.lstat(path)
    print(name, oct(info.st_mode), info.st_uid, info.st_gid, content(path, info), attributes(path))


if sys.argv[1] == "--of":
    root = os.open("/proc/%d/root" % int(sys.argv[2]), os.O_RDONLY | os.O_DIRECTORY)
    enter_user_namespace(int(sys.argv[2]))
    top = "/proc/self/fd/%d" % root
else:
    top = sys.argv[1]
for folder, folders, files in os.walk(top):
    inside = os.path.relpath(folder, top)
    folders[:] = sorted(f for f in folders if os.path.normpath(os.path.join(inside, f)) not in OWN)
    for entry in sorted(folders + files):
        name = os.path.normpath(os.path.join(inside, entry))
        if name not in OWN:
            show(os.path.join(folder, entry), name)
