"""Sketches of Apache DataSketches (C++ inside): how big, how fast to join, how exact.

    sketch_peer.py TRIALS

prints one JSON object. `hll` is their HyperLogLog of 4 bits a register, the smallest that they have, `cpc` their compressed
probabilistic counting. Both are told by the precision of a HyperLogLog whose error they have. Sizes are of a million
users, in bytes; joins are of two such sketches, in microseconds; the error is the root mean square, in percent, of
100,000 users in two sketches that were joined.
"""

import json
import random
import sys
import time
from importlib.metadata import version

from datasketches import cpc_sketch, cpc_union, hll_sketch, hll_union, tgt_hll_type

trials = int(sys.argv[1])
numbers = random.Random(1)

# The error of a joined CPC sketch is 0.69 / sqrt(k), of HyperLogLog 1.04 / sqrt(k): half the k comes near.
KINDS = {
    "hll": (lambda precision: hll_sketch(precision, tgt_hll_type.HLL_4), hll_union),
    "cpc": (lambda precision: cpc_sketch(precision - 1), lambda precision: cpc_union(precision - 1)),
}


def filled(sketch, users):
    for _ in range(users):
        sketch.update(numbers.getrandbits(63))
    return sketch


def stored(sketch):
    return len(sketch.serialize_compact() if hasattr(sketch, "serialize_compact") else sketch.serialize())


def join_microseconds(union, sketch):
    """The shortest of many: what the machine does besides only makes them longer."""
    union.update(sketch)
    shortest = float("inf")
    for _ in range(200):
        started = time.perf_counter_ns()
        union.update(sketch)
        shortest = min(shortest, time.perf_counter_ns() - started)
    return shortest / 1_000


def joined_error(new, union_of, precision, users=100_000):
    squares = 0.0
    for _ in range(trials):
        union = union_of(precision)
        for _ in range(2):
            union.update(filled(new(precision), users // 2))
        squares += (union.get_result().get_estimate() / users - 1) ** 2
    return (squares / trials) ** 0.5 * 100


answer = {"name": f"datasketches {version('datasketches')}", "kinds": {}}
for kind, (new, union_of) in KINDS.items():
    said = {"stored": {}, "join": {}}
    for precision in (14, 16):
        first, second = (filled(new(precision), 1_000_000) for _ in range(2))
        union = union_of(precision)
        union.update(first)
        said["stored"][precision] = stored(first)
        said["join"][precision] = join_microseconds(union, second)
    said["error"] = joined_error(new, union_of, 16)
    answer["kinds"][kind] = said
print(json.dumps(answer))
