#!/usr/bin/env python3
"""Prints the events of a journal as JSON lines and verifies its checksums and its
chain: read_journal.py DIR. Exit code 1 with a message on damage. See JOURNAL.md."""
import glob, hashlib, json, os, struct, sys

TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)

def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF

NUMBERS = {1: "clock", 2: "boot", 3: "run", 4: "number", 9: "reason", 12: "mode", 13: "cause", 14: "row", 15: "order", 20: "count"}
TEXTS = {5: "door", 6: "reader", 7: "cardholder", 8: "credential", 10: "from", 11: "to", 16: "file", 17: "source", 18: "held", 19: "operator", 21: "detail"}

def varint(data, at):
    value = shift = 0
    while True:
        value, shift, at = value | (data[at] & 0x7F) << shift, shift + 7, at + 1
        if data[at - 1] < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at

def decode(payload):
    event, at = {}, 0
    while at < len(payload):
        tag, at = varint(payload, at)
        value, at = varint(payload, at)
        if tag & 7 == 2:
            value, at = payload[at:at + value].decode("utf-8", "backslashreplace"), at + value
        event[(TEXTS if tag & 7 == 2 else NUMBERS).get(tag >> 3, f"field_{tag >> 3}")] = value
    event.setdefault("source", "door/" + event["door"] if "door" in event else "")
    return event

def check(good, path, at, why):
    if not good:
        sys.exit(f"{path}: damaged at byte {at}: {why}")

def segment(path, newest, chain, last):
    data, staged = open(path, "rb").read(), []
    version, name, epoch, first = *struct.unpack_from("<HH", data, 8), *struct.unpack_from("<Q8xQ", data, 16)
    size = 128 if version == 1 else 164
    check(data[:8] == b"GATEJRNL" and crc32c(data[:124]) == struct.unpack_from("<I", data, 124)[0], path, 0, "header")
    check(version <= 3, path, 8, "it is of a newer version")
    check(version == 1 or crc32c(data[:160]) == struct.unpack_from("<I", data, 160)[0], path, 128, "header")
    check(last is None or first == last + 1 and data[128:160] == chain, path, 0, "it does not follow the segment before")
    chain, batch, at, last, footer = hashlib.sha256(data[:size]).digest(), size, size, first - 1, None
    while at + 36 <= len(data) and not footer:
        length, crc, seq, wall, mono, kind, _ = struct.unpack_from("<IIQqqHH", data, at)
        frame, payload = data[at:at + 36 + length], data[at + 36:at + 36 + length]
        if len(payload) < length or crc32c(frame[:4] + frame[8:]) != crc:
            break
        if kind == 0xFFFF:
            chain = hashlib.sha256(chain + data[batch:at]).digest()
            check(payload == chain and seq == last + len(staged) and mono == len(staged), path, at, "chain")
            for event in staged:
                print(json.dumps(event))
            last, batch, staged = seq, at + 36 + length, []
        elif kind == 0xFFFB:
            footer = struct.unpack("<QQQqqQQQ32s", payload)
            check(footer[2] == last and footer[8] == chain and at + 132 == len(data), path, at, "footer")
        elif kind < 0xFF00:
            check(seq == last + len(staged) + 1, path, at, f"event {seq} is out of order")
            staged.append({"seq": seq, "epoch": epoch, "life": data[104:120].hex(), "wall": wall, "mono": mono, "kind": kind, **decode(payload)})
        at += 36 + length
    check(bool(footer) != newest, path, at, "a frame does not match its checksum, or a footer or the next segment is missing")
    if newest and batch < len(data):
        print(f"{path}: {len(data) - batch} bytes of an unacknowledged batch at the end", file=sys.stderr)
    return chain, last

chain, last = None, None
if len(sys.argv) != 2 or not os.path.isdir(sys.argv[1]):
    sys.exit("usage: read_journal.py DIR, the directory journal in a data directory")
paths = sorted(glob.glob(os.path.join(sys.argv[1], "*.seg")))
for path in paths:
    chain, last = segment(path, path == paths[-1], chain, last)
