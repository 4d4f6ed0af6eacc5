#!/usr/bin/python3
"""A registry that serves an OCI image layout, as well or badly as it is told.

usage: far_end.py PORT LAYOUT LOG [MODE...]

Every name and tag is the layout's one image. Each request is a line of LOG:
"METHOD PATH RANGE AUTH STATUS". Modes:
  token      wants a token, which /token gives to me:secret
  redirect   sends blobs' readers to PORT+1 on 127.0.0.2, which logs as "CDN"
  busy       answers the first request for each path with 429
  flip       changes a byte of each layer
  cut        sends half of a layer, always from its beginning, and closes
  drop       sends half of what is asked for of a layer, and closes
  stuck      sends half of a layer, and then nothing
  big        sends a manifest of 10 MB
  bigger     a manifest that says more than its blobs have
  foreign    an index of two other platforms
"""
import base64
import hashlib
import http.server
import json
import os
import sys
import threading

PORT, LAYOUT, LOG = int(sys.argv[1]), sys.argv[2], sys.argv[3]
MODES = set(sys.argv[4:])
SEEN, LOCK = set(), threading.Lock()


def blob(digest):
    with open(os.path.join(LAYOUT, "blobs/sha256", digest.split(":")[1]), "rb") as file:
        return file.read()


def manifest():
    with open(os.path.join(LAYOUT, "index.json"), encoding="utf-8") as file:
        descriptor = json.load(file)["manifests"][0]
    return descriptor["mediaType"], blob(descriptor["digest"])


LAYERS = {layer["digest"] for layer in json.loads(manifest()[1])["layers"]}


def served_manifest():
    kind, body = manifest()
    if "big" in MODES:
        return kind, body + b" " * 10_000_000
    if "bigger" in MODES:
        document = json.loads(body)
        document["layers"][0]["size"] += 5
        return kind, json.dumps(document).encode()
    if "foreign" in MODES:
        entry = {"mediaType": kind, "digest": "sha256:" + hashlib.sha256(body).hexdigest(),
                 "size": len(body)}
        entries = [dict(entry, platform={"os": "linux", "architecture": a})
                   for a in ("riscv64", "s390x")]
        return ("application/vnd.oci.image.index.v1+json",
                json.dumps({"schemaVersion": 2, "manifests": entries}).encode())
    return kind, body


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def note(self, status):
        who = "CDN" if self.server.cdn else self.command
        line = "%s %s %s %s %d\n" % (who, self.path, self.headers.get("Range", "-"),
                                     self.headers.get("Authorization", "-").split(" ")[0], status)
        with LOCK, open(LOG, "a", encoding="utf-8") as file:
            file.write(line)

    def answer(self, status, body=b"", headers=(), length=None):
        self.note(status)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def first_time(self):
        with LOCK:
            fresh = self.path not in SEEN
            SEEN.add(self.path)
        return fresh

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        if self.path.startswith("/token"):
            good = "Basic " + base64.b64encode(b"me:secret").decode()
            if self.headers.get("Authorization") != good:
                return self.answer(401, b'{"errors":[{"message":"wrong password"}]}')
            return self.answer(200, b'{"token":"right"}')
        if "token" in MODES and not self.server.cdn:
            if self.headers.get("Authorization") != "Bearer right":
                realm = 'Bearer realm="http://127.0.0.1:%d/token",service="far"' % PORT
                return self.answer(401, headers=[("WWW-Authenticate", realm)])
        if "busy" in MODES and self.first_time():
            return self.answer(429, headers=[("Retry-After", "0")])
        if "/manifests/" in self.path:
            kind, body = served_manifest()
            return self.answer(200, body, [("Content-Type", kind)])
        if "/blobs/" in self.path:
            return self.send_blob(self.path.rsplit("/", 1)[1])
        return self.answer(200, b"{}")

    def send_blob(self, digest):
        if "redirect" in MODES and not self.server.cdn:
            there = "http://127.0.0.2:%d%s" % (PORT + 1, self.path)
            return self.answer(307, headers=[("Location", there)])
        body = blob(digest)
        if digest not in LAYERS:
            return self.answer(200, body)
        if "flip" in MODES:
            body = bytes([body[0] ^ 1]) + body[1:]
        begin, status, headers = 0, 200, []
        asked = self.headers.get("Range")
        if asked and "cut" not in MODES:
            begin, status = int(asked[6:].split("-")[0]), 206
            headers = [("Content-Range", "bytes %d-%d/%d" % (begin, len(body) - 1, len(body)))]
        rest = body[begin:]
        if MODES & {"cut", "drop", "stuck"}:
            half = rest[:max(len(rest) // 2, 1)]
            self.answer(status, half, headers, len(rest))
            self.wfile.flush()
            if "stuck" in MODES:
                threading.Event().wait()
            self.close_connection = True
            return None
        return self.answer(status, rest, headers)


def serve(host, port, cdn):
    server = http.server.ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    server.cdn = cdn
    threading.Thread(target=server.serve_forever).start()


if "redirect" in MODES:
    serve("127.0.0.2", PORT + 1, True)
serve("127.0.0.1", PORT, False)
print("ready", flush=True)
