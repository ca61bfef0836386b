#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the seeds of the fuzz targets: inputs that reach far, for a fuzzer to start from.

    tests/fuzz/seeds.py [TARGET...]      writes corpus/TARGET/seed-*

The classes below are the formats of the inputs, told once more; see the .c files for what a byte
means.
"""

import os
import struct
import sys

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'corpus')
MEM = 0x10000
MEMORY, EVENT, EVENT2, SMALL, PIPE_R, PIPE_W, SOCKET = range(7)
NEED_REPLY, FLAGS, SIZE, REQUEST, FDS, SPLIT = 1, 2, 4, 8, 16, 32
DEED, SERVE, HOLD, COMPLETE, COMPLETE_LAST, CHANGE, BREAK, LOOK = (
    0xc0, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6)
WRITE, KICK, TRUNCATE, ANSWER, HANGUP = range(5)

VERSION_1, PROTOCOL, INDIRECT, EVENT_IDX, LOG_ALL = (
    1 << 32, 1 << 30, 1 << 28, 1 << 29, 1 << 26)
MQ, LOG_SHMFD, REPLY_ACK, BACKEND_REQ, CONFIG, SEND_FD, MEM_SLOTS, SHARED = (
    1 << 0, 1 << 1, 1 << 3, 1 << 5, 1 << 9, 1 << 10, 1 << 15, 1 << 18)


class Talk:
    """Steps of a message-stream input."""

    def __init__(self, setup=0):
        self.bytes = bytearray([setup])

    def message(self, request, payload=b'', fds=(), reply=False, split=None, size=None):
        form = (NEED_REPLY if reply else 0) | (FDS if fds else 0)
        form |= SPLIT if split is not None else 0
        form |= SIZE if size is not None else 0
        self.bytes += bytes([request, form])
        if split is not None:
            self.bytes.append(split)
        if size is not None:
            self.bytes += struct.pack('<I', size)
        if fds:
            self.bytes += bytes([len(fds), *fds])
        if len(payload) < 255:
            self.bytes.append(len(payload))
        else:
            self.bytes += b'\xff' + struct.pack('<H', len(payload))
        self.bytes += payload
        return self

    def u64(self, request, value, **options):
        return self.message(request, struct.pack('<Q', value), **options)

    def state(self, request, index, num, **options):
        return self.message(request, struct.pack('<II', index, num), **options)

    def step(self, *numbers):
        self.bytes += bytes(numbers)
        return self

    def write(self, offset, data):
        while data:
            part, data = data[:255], data[255:]
            self.bytes += struct.pack('<BHB', DEED + WRITE, offset, len(part)) + part
            offset += len(part)
        return self

    def kick(self, kind=EVENT):
        return self.step(DEED + KICK, kind)

    # --- whole set-ups ---

    def negotiate(self, features=0, protocol=REPLY_ACK):
        self.message(1).message(3).message(15)
        self.u64(16, protocol)
        return self.u64(2, features | VERSION_1 | PROTOCOL)

    def memory(self, pieces=1):
        size = MEM // pieces
        table = struct.pack('<II', pieces, 0)
        for i in range(pieces):
            table += struct.pack('<QQQQ', i * size, size, i * size, i * size)
        return self.message(5, table, fds=[MEMORY] * pieces)

    def ring(self, index=0, num=8, desc=0, avail=0x100, used=0x200, flags=0, log=0):
        self.state(8, index, num).state(10, index, 0)
        self.message(9, struct.pack('<IIQQQQ', index, flags, desc, used, avail, log))
        self.u64(13, index, fds=[EVENT2]).u64(14, index, fds=[PIPE_W])
        self.u64(12, index, fds=[EVENT])
        return self.state(18, index, 1)


def desc(addr, length, flags=0, following=0):
    return struct.pack('<QIHH', addr, length, flags, following)


def avail(flags, idx, *heads):
    return struct.pack(f'<HH{len(heads)}H', flags, idx, *heads)


def request_chain(at=0):
    """A readable and two writable buffers; the avail ring offers them."""
    return (desc(0x400, 16, 1, 1) + desc(0x500, 64, 3, 2) + desc(0x600, 1, 2))


# Whatever the device offers: all but post-copy, in-flight, in-band, Xen and what is reserved.
ALL = sum(1 << bit for bit in (*range(8), 9, 10, 11, 13, 15, 16, 18, 19, 21, 22))
SHMEM = 0xd7


def other_devices():
    """What no disk is told."""
    yield 'net', Talk().negotiate(0, ALL).u64(19, 0x020202, reply=True).u64(20, 1500, reply=True)
    session = struct.pack('<Q', 8) + bytes(1064)
    crypto = Talk().negotiate(0, ALL).message(26, session, reply=True).u64(27, 4, reply=True)
    yield 'crypto', crypto.message(26, b'\x01' + session[1:], reply=True)
    yield 'gpu', Talk().negotiate(0, ALL).message(33, fds=[SOCKET], reply=True)
    state = Talk().negotiate(0, ALL).message(42, struct.pack('<II', 0, 0), fds=[PIPE_W])
    yield 'state', state.message(42, struct.pack('<II', 1, 0), fds=[PIPE_R]).message(43)
    status = Talk().negotiate(0, ALL).u64(39, 15, reply=True).message(40).memory().ring()
    yield 'status', status.message(34, reply=True).u64(39, 0, reply=True).message(40)
    shmem = Talk().negotiate(0, ALL).message(21, fds=[SOCKET], reply=True).message(44)
    yield 'shmem', shmem.step(SHMEM, 20, *struct.pack('<IIIQ', 9, 5, 8, 0))
    yield 'big-endian', Talk().negotiate(0, ALL).state(23, 0, 1, reply=True).memory().ring()
    inband = Talk(1).negotiate(0, ALL | 1 << 14).message(21, fds=[SOCKET], reply=True).memory()
    inband.ring().u64(13, 0x100, reply=True).u64(12, 0x100, reply=True).write(0, request_chain())
    yield 'in-band', inband.write(0x100, avail(0, 1, 0)).state(35, 0, 0).step(SERVE)
    order = Talk(8).negotiate(1 << 35).memory().ring().step(HOLD).write(0, request_chain() * 2)
    order.write(0x100, avail(0, 2, 0, 3)).kick().step(SERVE, COMPLETE_LAST, 1, COMPLETE, 1)
    yield 'in-order', order
    behind = Talk(4).negotiate(1 << 33, ALL).message(21, fds=[SOCKET], reply=True).memory()
    behind.message(22, struct.pack('<QQQBB6x', 0, MEM, 0, 3, 2)).ring().write(0, request_chain())
    behind.write(0x100, avail(0, 1, 0)).kick().step(SERVE)
    yield 'iommu', behind.message(22, struct.pack('<QQQBB6x', 0x400, 0x1000, 0, 0, 3))


def vhost_user():
    yield 'ask', Talk().message(1).message(15).message(17).message(36).message(3).message(4)
    run = Talk().negotiate(INDIRECT | EVENT_IDX).memory().ring()
    run.write(0, request_chain()).write(0x100, avail(0, 1, 0)).kick().step(SERVE)
    yield 'run', run.state(11, 0, 0)
    held = Talk().negotiate(INDIRECT).memory(2).ring()
    held.step(HOLD).write(0, request_chain()).write(0x100, avail(0, 1, 0)).kick().step(SERVE)
    held.state(11, 0, 0, reply=True).message(1).step(COMPLETE, 1)
    yield 'stop-while-held', held.state(12, 0, 0)
    gone = Talk().negotiate().memory().ring().step(HOLD)
    gone.write(0, request_chain()).write(0x100, avail(0, 1, 0)).kick().step(SERVE)
    gone.message(5, struct.pack('<II', 0, 0)).step(SERVE, COMPLETE, 1)
    yield 'memory-gone-while-held', gone.memory().kick().step(SERVE)
    slots = Talk().negotiate(0, REPLY_ACK | MEM_SLOTS).message(36)
    region = struct.pack('<QQQQQ', 0, 0, 0x8000, 0, 0)
    other = struct.pack('<QQQQQ', 0, 0x8000, 0x8000, 0x8000, 0x8000)
    slots.message(37, region, fds=[MEMORY], reply=True).message(37, other, fds=[MEMORY])
    slots.ring().write(0, request_chain()).write(0x100, avail(0, 1, 0)).kick().step(SERVE)
    yield 'slots', slots.message(38, other, reply=True).message(38, region, reply=True)
    log = Talk().negotiate(LOG_ALL, REPLY_ACK | LOG_SHMFD).memory()
    log.message(6, struct.pack('<QQ', 4096, 0), fds=[SMALL]).message(7, fds=[EVENT2])
    log.ring(flags=1, log=0x200).write(0, request_chain()).write(0x100, avail(0, 1, 0))
    yield 'log', log.kick().step(SERVE).u64(2, VERSION_1 | PROTOCOL)
    shrunk = Talk().negotiate(LOG_ALL, REPLY_ACK | LOG_SHMFD).memory()
    shrunk.message(6, struct.pack('<QQ', 4096, 0), fds=[SMALL]).ring(flags=1, log=0x200)
    shrunk.step(DEED + TRUNCATE).write(0, request_chain()).write(0x100, avail(0, 1, 0))
    yield 'log-shrinks', shrunk.kick().step(SERVE)
    small = Talk().negotiate().message(
        5, struct.pack('<IIQQQQ', 1, 0, 0, 4096, 0, 0), fds=[SMALL]).ring()
    yield 'memory-shrinks', small.step(DEED + TRUNCATE).kick().step(SERVE)
    back = Talk(1).negotiate(0, REPLY_ACK | BACKEND_REQ | CONFIG | SEND_FD | SHARED)
    back.message(21, fds=[SOCKET], reply=True).step(CHANGE, DEED + ANSWER)
    back.bytes += struct.pack('<Q', 0)
    back.message(41, bytes(16)).message(41, b'\x01' * 16)
    back.message(24, struct.pack('<III', 0, 64, 0) + bytes(64))
    back.message(25, struct.pack('<III', 4, 4, 0) + bytes(4), reply=True)
    yield 'channel', back.step(DEED + HANGUP, CHANGE)
    poll = Talk(2).negotiate().memory().ring(num=4)
    poll.u64(12, 0x100).u64(13, 0x100).u64(14, 0x100).step(LOOK, 0)
    yield 'polled', poll.write(0, request_chain()).write(0x100, avail(0, 1, 0)).step(SERVE)
    yield from other_devices()
    yield 'split', Talk().message(1, split=3).u64(2, VERSION_1, split=14)
    yield 'oversize', Talk().message(5, bytes(300)).message(1)
    yield 'longer', Talk().message(1, size=8)
    yield 'fds', Talk().message(5, bytes(8), fds=[MEMORY] * 9)


def vhost_user_blk():
    """The same conversations without a device of our own to steer; and requests for the disk."""
    for name, talk in vhost_user():
        steps = bytes(talk.bytes[1:])
        if not set(steps) & {SERVE, HOLD, COMPLETE, CHANGE}:
            yield name, steps
    head = struct.pack('<IIQ', 1, 0, 8)
    run = Talk().negotiate(INDIRECT | EVENT_IDX | 1 << 9, REPLY_ACK | CONFIG | MQ).memory().ring()
    run.message(24, struct.pack('<III', 0, 60, 0) + bytes(60))
    run.message(25, struct.pack('<III', 32, 1, 0) + bytes(1), reply=True).message(17)
    run.write(0x400, head).write(0, desc(0x400, 16, 1, 1) + desc(0x800, 512, 1, 2) +
                                 desc(0x600, 1, 2)).write(0x100, avail(0, 1, 0)).kick()
    yield 'write', bytes(run.state(11, 0, 0).bytes[1:])
    held = Talk().negotiate().memory().ring().step(0xd0, 1)
    held.write(0x400, head).write(0, desc(0x400, 16, 1, 1) + desc(0x800, 512, 1, 2) +
                                  desc(0x600, 1, 2)).write(0x100, avail(0, 1, 0)).kick()
    held.state(11, 0, 0).message(1).step(0xd1, 9).ring()
    yield 'stop-while-held', bytes(held.bytes[1:])
    yield 'memory-gone-while-held', bytes(
        held.message(5, bytes(8)).kick().memory().kick().bytes[1:])


COMMANDS = {
    'ask': """{"execute":"query-version"}{"execute":"query-commands","id":[1,{"a":null}]}
{"execute":"query-block"}{"execute":"query-blockstats"}{"execute":"query-block-jobs"}
{"execute":"query-jobs"}{"execute":"query-chardev"}{"execute":"query-block-exports"}
{"execute":"query-named-block-nodes","arguments":{"flat":true}}{"execute":"query-iothreads"}""",
    'nodes': """{"execute":"blockdev-add","arguments":{"driver":"null-co","node-name":"d","size":65536,
"read-zeroes":true}}
{"execute":"blockdev-add","arguments":{"driver":"raw","node-name":"r","offset":512,"file":"d"}}
{"execute":"query-named-block-nodes"}{"execute":"block_resize","arguments":{"node-name":"d",
"size":1024}}{"execute":"blockdev-del","arguments":{"node-name":"r"}}
{"execute":"blockdev-del","arguments":{"node-name":"d"}}""",
    'export': """{"execute":"blockdev-add","arguments":{"driver":"null-aio","node-name":"d"}}
{"execute":"block-export-add","arguments":{"type":"vhost-user-blk","id":"e","node-name":"d",
"writable":true,"addr":{"type":"unix","path":"s"},"num-queues":2,"logical-block-size":4096}}
{"execute":"query-block-exports"}
{"execute":"block-export-del","arguments":{"id":"e","mode":"hard"}}{"execute":"quit"}""",
    'objects': """{"execute":"object-add","arguments":{"qom-type":"iothread","id":"io0",
"poll-max-ns":0}}{"execute":"qom-list","arguments":{"path":"/objects"}}
{"execute":"qom-get","arguments":{"path":"/objects/io0","property":"poll-max-ns"}}
{"execute":"qom-set","arguments":{"path":"io0","property":"poll-grow","value":2}}
{"execute":"qom-list-types","arguments":{"implements":"user-creatable"}}
{"execute":"qom-list-properties","arguments":{"typename":"iothread"}}
{"execute":"object-del","arguments":{"id":"io0"}}""",
    'throttle': """{"execute":"object-add","arguments":{"qom-type":"throttle-group","id":"t",
"limits":{"bps-total":1000000,"iops-read":10,"iops-read-max":20}}}
{"execute":"blockdev-add","arguments":{"driver":"null-co","node-name":"d"}}
{"execute":"x-blockdev-set-iothread","arguments":{"node-name":"d","iothread":null}}
{"execute":"qom-get","arguments":{"path":"t","property":"limits"}}""",
    'debug': """{"execute":"blockdev-add","arguments":{"driver":"blkdebug","node-name":"b",
"image":{"driver":"null-co"},"inject-error":[{"event":"write_aio","errno":5,"once":true}]}}
{"execute":"query-block"}""",
    'chardev': """{"execute":"chardev-add","arguments":{"id":"r","backend":{"type":"ringbuf",
"data":{"size":64}}}}{"execute":"chardev-add","arguments":{"id":"s","backend":{"type":"socket",
"data":{"addr":{"type":"unix","data":{"path":"c"}},"server":true,"wait":false}}}}
{"execute":"query-chardev"}{"execute":"chardev-remove","arguments":{"id":"s"}}""",
    'errors': """{}[1,2]"x"{"execute":1}{"execute":"nosuch"}{"execute":"query-jobs","foo":1}
{'execute': 'query-jobs', 'id': 'a\\u00e9\\"b'}{"execute":"query-jobs",}
{"execute":"block-export-del","arguments":{"id":"e"}}""",
}


def qmp():
    """Each conversation at once, in small pieces, and without negotiation."""
    for name, text in COMMANDS.items():
        yield name, b'\x01' + text.encode()
    yield 'pieces', b'\x0f' + COMMANDS['nodes'].encode()
    yield 'own-negotiation', b'\x00{"execute":"qmp_capabilities"}' + COMMANDS['errors'].encode()


LINES = {
    'null': 'b null-co,node-name=d,size=64K,read-zeroes=on',
    'json': """b {"driver":"null-aio","node-name":"d","size":512,"latency-ns":10}""",
    'file': 'b driver=file,node-name=d,filename=f,aio=threads,locking=auto,cache.direct=on,'
            'auto-read-only=on,discard=unmap,detect-zeroes=unmap',
    'raw': 'b driver=raw,node-name=r,offset=512,size=1k,file.driver=null-co,file.size=1M',
    'debug': 'b blkdebug,node-name=b,image.driver=null-co,inject-error.0.event=read_aio,'
             'inject-error.0.errno=5,inject-error.0.once=on',
    'help': 'b help\nb raw,help\ne help\ne vhost-user-blk,help\no help\no iothread,help\nc help',
    'export': 'b null-co,node-name=d\ne vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path=s,'
              'writable=on,num-queues=4,queue-size=64,serial=a,,b,logical-block-size=4096,'
              'max-discard-segments=4,max-write-zeroes-segments=4',
    'threads': 'o iothread,id=i,poll-max-ns=0\no iothread,id=k\nb null-co,node-name=d\n'
               'e {"type":"vhost-user-blk","id":"e","node-name":"d","iothread":["i","k"],'
               '"addr":{"type":"unix","path":"s"}}',
    'throttle': 'o throttle-group,id=t,limits.iops-total=10\n'
                'b throttle,node-name=d,throttle-group=t,file.driver=null-co',
    'fd': 'b null-co,node-name=d\ne vhost-user-blk,id=e,node-name=d,addr.type=fd,addr.str=99',
    'chardev': 'c null,id=n\nc socket,id=c,path=p,server=on,wait=off\nc ringbuf,id=r,size=64',
}


def options():
    for name, text in LINES.items():
        yield name, text.encode()


class Ring:
    """A script of a ring target."""

    REQUEST, SET, RAW, OFFER, INDEX, EVENT, PUT, KICK, HOLD, RESUME, RESTART, MOVE, ENABLE, \
        MEMORY, LOG, IOTLB, MISSES = range(17)

    def __init__(self, options=0, size=4):
        self.bytes = bytearray([options, size])

    def step(self, kind, *numbers, words=()):
        self.bytes += bytes([kind, *numbers]) + struct.pack(f'<{len(words)}H', *words)
        return self

    def request(self, kind, sector=0, shape=1):
        return self.step(self.REQUEST, kind, sector, shape)

    def kick(self):
        return self.step(self.KICK)

    def desc(self, slot, addr, length, flags=0, following=0):
        return self.step(self.SET, slot, words=(addr, length, flags, following))

    def put(self, offset, data):
        self.bytes += struct.pack('<BHB', self.PUT, offset, len(data)) + data
        return self


def segment(sector, sectors, flags=0):
    return struct.pack('<QII', sector, sectors, flags)


def ring():
    """What both layouts share."""
    mix = Ring(options=1)
    for kind, shape in ((0, 1), (1, 2), (4, 0), (8, 5), (0, 13), (99, 1)):
        mix.request(kind, 3, shape).kick()
    yield 'requests', mix
    held = Ring(options=1).step(Ring.HOLD, 1).request(0).request(1).request(0, 1, 3).kick()
    held.step(Ring.RESUME, 2).step(Ring.MEMORY, 0).step(Ring.RESUME, 9)
    yield 'memory-gone-while-held', held.step(Ring.MEMORY, 2).kick()
    stop = Ring().step(Ring.HOLD, 1).request(1).request(1, 2).kick().step(Ring.RESTART)
    yield 'stop-while-held', stop.step(Ring.RESUME, 9)
    yield 'restart', Ring().request(0).kick().step(Ring.RESTART).request(0).kick()
    log = Ring(options=8).request(0, 0, 2).kick().step(Ring.LOG, 0).request(0).kick()
    yield 'log', log.step(Ring.LOG, 1).request(0).kick()
    off = Ring().step(Ring.ENABLE, 0).request(0).kick().step(Ring.ENABLE, 1)
    yield 'enable', off
    events = Ring(options=1, size=5).step(Ring.EVENT, words=(1, 2))
    for _ in range(4):
        events.request(0).kick()
    yield 'events', events.step(Ring.EVENT, words=(0, 0xffff)).request(4).kick()
    across = Ring(options=64).desc(0, 0x7ff0, 16, 1, 1).desc(1, 0x7f00, 0x300, 3, 2)
    yield 'two-regions', across.desc(2, 0x8000, 1, 2).step(Ring.OFFER, 0).kick()
    yield 'on-each-other', Ring().step(Ring.MOVE, words=(0x1000, 0x1000, 0x1000)).request(0).kick()
    yield 'odd-places', Ring().step(Ring.MOVE, words=(0x1ff8, 0x2001, 0xeffc)).request(0).kick()
    # A table of two at 0x5000, then one within one.
    table = desc(0x6000, 16, 1, 1) + desc(0x6100, 513, 2)
    indirect = Ring().put(0x5000, table).desc(0, 0x5000, 32, 4).step(Ring.OFFER, 0).kick()
    nested = desc(0x5000, 32, 4)
    yield 'indirect', indirect.put(0x5100, nested).desc(1, 0x5100, 16, 4).step(
        Ring.OFFER, 1).kick()
    # Discard, write zeroes, with two segments each.
    wipe = Ring()
    for kind in (11, 13):
        wipe.put(0x5000, struct.pack('<IIQ', kind, 0, 0) + segment(0, 8, kind == 13) +
                 segment(8, 120))
        wipe.desc(0, 0x5000, 48, 1, 1).desc(1, 0x5100, 1, 2).step(Ring.OFFER, 0).kick()
    yield 'wipe', wipe


def ring_split():
    yield from ring()
    yield 'loop', Ring().desc(0, 0x5000, 16, 1, 1).desc(1, 0x5000, 16, 1, 0).step(
        Ring.OFFER, 0).kick()
    yield 'jump', Ring().request(0).step(Ring.INDEX, words=(0x1000,)).kick()


def ring_packed():
    yield from ring()
    yield 'wrap', Ring(size=2).request(0).kick().request(0).kick().request(0).kick()
    yield 'in-order', Ring(options=128, size=20).step(Ring.HOLD, 1).request(0).request(1).kick(
        ).step(Ring.HOLD, 0).request(8, 0, 1).kick().step(Ring.RESUME, 9)


UPDATE, INVALIDATE, WRITABLE = 2, 3, 0x30


def iotlb():
    """The conversations of rings, with all memory told at once, or when it is asked for."""
    everything = struct.pack('<BBHHH', Ring.IOTLB, UPDATE | WRITABLE, 0x1000, 0xe000, 0x1000)
    for packed in (0, 1):
        for name, seed in ring():
            plain = bytes(seed.bytes)
            yield f'{name}-{packed}', bytes([packed]) + plain[:2] + everything + plain[2:]
        asked = Ring().step(Ring.MISSES, 3).step(Ring.MISSES, 3).step(Ring.MISSES, 3).request(0)
        asked.kick().step(Ring.MISSES, 3).kick().step(Ring.MISSES, 1).kick()
        yield f'asked-{packed}', bytes([packed]) + bytes(asked.bytes)
        held = Ring().step(Ring.HOLD, 1).request(1).kick()
        held.step(Ring.IOTLB, INVALIDATE, words=(0x4000, 0x1000, 0)).step(Ring.RESUME, 9)
        held = bytes(held.bytes)
        yield f'invalidated-{packed}', bytes([packed]) + held[:2] + everything + held[2:]


TARGETS = {
    'iotlb': iotlb,
    'ring-packed': ring_packed,
    'ring-split': ring_split,
    'options': options,
    'qmp': qmp,
    'vhost-user': vhost_user,
    'vhost-user-blk': vhost_user_blk,
}


def main():
    for target in sys.argv[1:] or TARGETS:
        folder = os.path.join(FOLDER, target)
        os.makedirs(folder, exist_ok=True)
        for name, seed in TARGETS[target]():
            data = seed if isinstance(seed, bytes) else bytes(seed.bytes)
            with open(os.path.join(folder, f'seed-{name}'), 'wb') as file:
                file.write(data)


if __name__ == '__main__':
    main()
