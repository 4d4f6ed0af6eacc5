"""Processes: how long they take, and what the kernel tells of them."""
import json
import os
import re
import subprocess
import time


def run(argv, **options):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, timeout=300, **options).stdout


def calls(vx, *words):
    """What bench_calls tells of a daemon."""
    return json.loads(run([f"{vx.build}/tests/bench_calls", vx.socket, *map(str, words)]))


def milliseconds(function):
    begin = time.monotonic()
    function()
    return (time.monotonic() - begin) * 1000


def status_kib(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(rf"^{field}:\s+(\d+) kB", file.read(), re.M).group(1))


def rollup_kib(pid, field):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return int(re.search(rf"^{field}:\s+(\d+) kB", file.read(), re.M).group(1))


def mapping_pss_kib(pid, size_kib):
    """Of the mappings of that size."""
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as file:
        found = re.findall(rf"^Size:\s+{size_kib} kB\n(?:\w+:.*\n)*?Pss:\s+(\d+) kB", file.read(), re.M)
    if not found:
        raise RuntimeError(f"process {pid} has no mapping of {size_kib} KiB")
    return sum(map(int, found))


def cpu_seconds(pid):
    """Of all its threads, in user mode and in the kernel."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def settled(read, most=0.01, interval=2, patience=30):
    """What `read` tells once it has stopped to change."""
    deadline = time.monotonic() + patience
    last = read()
    while time.monotonic() < deadline:
        time.sleep(interval)
        now = read()
        if abs(now - last) <= most * last:
            return now
        last = now
    raise RuntimeError(f"still changing after {patience} s: {last}")
