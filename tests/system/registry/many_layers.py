#!/usr/bin/python3
"""Makes an OCI image layout whose image has many small layers.

usage: many_layers.py FOLDER COUNT

Layer N replaces /last by N and adds /layers/N; the first has busybox.
"""
import gzip
import hashlib
import io
import json
import os
import shutil
import sys
import tarfile

FOLDER, COUNT = sys.argv[1], int(sys.argv[2])
BLOBS = os.path.join(FOLDER, "blobs/sha256")
os.makedirs(BLOBS)


def put(content, kind):
    name = hashlib.sha256(content).hexdigest()
    with open(os.path.join(BLOBS, name), "wb") as file:
        file.write(content)
    return {"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + name,
            "size": len(content)}


def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


layers, diff_ids = [], []
for number in range(1, COUNT + 1):
    files = {"last": (b"%d\n" % number, 0o644), "layers/%d" % number: (b"", 0o644)}
    if number == 1:
        with open(shutil.which("busybox"), "rb") as busybox:
            files["bin/sh"] = (busybox.read(), 0o755)
    plain = tar(files)
    diff_ids.append("sha256:" + hashlib.sha256(plain).hexdigest())
    layers.append(put(gzip.compress(plain, mtime=0), "layer.v1.tar+gzip"))

config = put(json.dumps({"os": "linux", "architecture": "amd64", "config": {},
                         "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode(),
             "config.v1+json")
manifest = put(json.dumps({"schemaVersion": 2, "config": config, "layers": layers}).encode(),
               "manifest.v1+json")
with open(os.path.join(FOLDER, "oci-layout"), "w", encoding="utf-8") as file:
    file.write('{"imageLayoutVersion":"1.0.0"}')
with open(os.path.join(FOLDER, "index.json"), "w", encoding="utf-8") as file:
    json.dump({"schemaVersion": 2, "manifests": [manifest]}, file)
