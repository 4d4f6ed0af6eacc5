#!/usr/bin/python3
"""An ordinary gRPC client: asks a server for its health, its services, and the
description of one, as any generic tool does. Messages are encoded by hand, for
Debian has no package of these two protos for Python.

usage: grpc_client.py ADDRESS
"""
import re
import sys

import grpc

REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


def text_field(number, text):
    return bytes([number << 3 | 2, len(text)]) + text.encode()


def reflect(channel, request):
    call = channel.stream_stream(REFLECTION)
    return next(iter(call(iter([request]), timeout=10)))


def main():
    channel = grpc.insecure_channel(sys.argv[1])
    health = channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=10)
    # HealthCheckResponse{status: SERVING}
    print("health:", "SERVING" if health == b"\x08\x01" else health)
    services = reflect(channel, text_field(7, "*"))
    for name in sorted(set(re.findall(rb"[a-z]\w*(?:\.\w+)+", services))):
        print("service:", name.decode())
    file = reflect(channel, text_field(4, "vx.v1.WorkloadService"))
    if b"CreateWorkloadRequest" in file:
        print("describes vx.v1.WorkloadService")


main()
