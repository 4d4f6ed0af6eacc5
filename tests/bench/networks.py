"""Networks, next to links and rules that are made by hand.

usage, by itself: networks.py serve PORT | send ADDRESS PORT BYTES | ask SERVER NAME COUNT
"""
import json
import socket
import statistics
import struct
import subprocess
import sys
import time

from processes import run

BYTES = 1 << 30
PIECE = 1 << 20
PORT = 5001
QUESTIONS = 200


def serve(port):
    """Takes connections one after the other, and answers each with a byte at its end."""
    listener = socket.create_server(("", port))
    print("ready", flush=True)
    buffer = bytearray(PIECE)
    while True:
        connection, _ = listener.accept()
        while connection.recv_into(buffer):
            pass
        connection.send(b".")
        connection.close()


def send(address, port, count):
    """Prints bytes a second, to the last one's arrival."""
    piece = bytes(PIECE)
    connection = socket.create_connection((address, port))
    begin = time.monotonic()
    for _ in range(count // PIECE):
        connection.sendall(piece)
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)
    print(count / (time.monotonic() - begin))


def ask(server, name, count):
    """Prints the median of the milliseconds that an A record takes."""
    question = b"".join(struct.pack("B", len(part)) + part.encode() for part in name.split("."))
    query = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + question + b"\0" + struct.pack(">HH", 1, 1)
    asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asker.settimeout(5)
    asker.connect((server, 53))
    times = []
    for _ in range(count):
        begin = time.monotonic()
        asker.send(query)
        answer = asker.recv(512)
        times.append((time.monotonic() - begin) * 1000)
        if struct.unpack(">H", answer[6:8])[0] == 0:
            raise RuntimeError(f"{name} is not known")
    print(statistics.median(times))


def inside(pid, *words):
    return ["nsenter", "-t", str(pid), "-n", sys.executable, __file__, *map(str, words)]


class ByHand:
    """Two namespaces on a bridge, and a port of the host that leads to the second."""

    def __init__(self):
        self.holders = [subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec cat"],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                        for _ in range(2)]
        run(["ip", "link", "add", "hand0", "type", "bridge"])
        run(["ip", "address", "add", "10.99.0.254/24", "dev", "hand0"])
        run(["ip", "link", "set", "hand0", "up"])
        for i, holder in enumerate(self.holders):
            holder.stdout.readline()
            run(["ip", "link", "add", f"hand{i}a", "type", "veth", "peer", "name", "eth0", "netns",
                 str(holder.pid)])
            run(["ip", "link", "set", f"hand{i}a", "master", "hand0", "up"])
            for words in (["address", "add", f"10.99.0.{i + 1}/24", "dev", "eth0"],
                          ["link", "set", "eth0", "up"]):
                run(["nsenter", "-t", str(holder.pid), "-n", "ip", *words])
        run(["nft", "add table ip hand; add chain ip hand out { type nat hook output priority -100; };"
                    f" add rule ip hand out tcp dport 9191 dnat to 10.99.0.2:{PORT}"])
        self.pids = [holder.pid for holder in self.holders]

    def stop(self):
        run(["nft", "delete table ip hand"])
        run(["ip", "link", "delete", "hand0"])
        for holder in self.holders:
            holder.stdin.close()
            holder.wait(timeout=10)


class Server:
    def __init__(self, pid):
        self.process = subprocess.Popen(inside(pid, "serve", PORT), stdout=subprocess.PIPE)
        self.process.stdout.readline()

    def stop(self):
        self.process.kill()
        self.process.wait(timeout=10)


def rate(command):
    return float(run(command)) / (1 << 20)


def compare(table, figure, ours, theirs, rounds):
    """Interleaved; each is the command of one transfer."""
    mine, peers = [], []
    for _ in range(rounds):
        mine.append(rate(ours))
        peers.append(rate(theirs))
    mine, peer = statistics.median(mine), statistics.median(peers)
    table.add(figure, mine, "MiB/s", "0.95 of by hand", lambda ratio: ratio >= 0.95,
              value=mine / peer, peer=peer, ratio=mine / peer)


def throughput(table, vx, rounds):
    for name in ("a", "b"):
        vx.ctl("run", "-d", "--kind=container", "--name", name, "--network", "default",
               *(["-p", f"9292:{PORT}"] if name == "b" else []), "busybox", "--", "sleep", "3600")
    pids = [vx.json("inspect", name)["status"]["pid"] for name in ("a", "b")]
    address = vx.json("inspect", "b")["status"]["addresses"][0]
    hand = ByHand()
    servers = [Server(pids[1]), Server(hand.pids[1])]
    try:
        compare(table, "container to container; veth and bridge by hand",
                inside(pids[0], "send", address, PORT, BYTES),
                inside(hand.pids[0], "send", "10.99.0.2", PORT, BYTES), rounds)
        compare(table, "host to published port; DNAT by hand",
                [sys.executable, __file__, "send", "10.99.0.254", "9292", str(BYTES)],
                [sys.executable, __file__, "send", "10.99.0.254", "9191", str(BYTES)], rounds)
        gateway = vx.json("network", "inspect", "default")["spec"]["gateway"]
        table.add("answer to a name", float(run(inside(pids[0], "ask", gateway, "b", QUESTIONS))),
                  "ms", "< 1 ms", lambda v: v < 1)
    finally:
        for server in servers:
            server.stop()
        hand.stop()
        vx.ctl("rm", "-f", "a", "b")


def attach(table, build):
    figures = json.loads(run([f"{build}/tests/bench_attach"]))
    table.add("a container's attachment: rules and veth", figures["add_port_median"] + figures["plug_netns_median"], "ms", "<= 6 ms",
              lambda v: v <= 6)


def measure(attempt, table, vx, options, _folder):
    attempt(table, "attach", attach, table, options.build)
    attempt(table, "throughput", throughput, table, vx, options.rounds)
    if "default" in vx.ctl("network", "ls", "-q").split():
        vx.ctl("network", "rm", "default")


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    {"serve": lambda: serve(int(words[0])),
     "send": lambda: send(words[0], int(words[1]), int(words[2])),
     "ask": lambda: ask(words[0], words[1], int(words[2]))}[verb]()
