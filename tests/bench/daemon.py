# SPDX-License-Identifier: GPL-2.0-or-later
"""A storage daemon that is measured, and the clients that load it."""

import json
import os
import pathlib
import socket
import subprocess
import time

from common import FILE_BYTES, BenchError, pinned

START_TIMEOUT = 10      # seconds until the socket must be there
POLL = 0.0002


def image_of(folder, node):
    """The file that a node accesses."""
    return os.path.join(folder, 'direct.img' if node == 'direct' else 'bench.img')


class Daemon:
    """A storage daemon with the exports of a case, until the end of the `with` block."""

    def __init__(self, args, who, folder, case):
        self.folder = folder
        self.sockets = [os.path.join(folder, f'{who}{n}.sock') for n in range(case.exports)]
        self.monitor = os.path.join(folder, 'qmp.sock') if case.kind == 'metrics' else None
        command = [args.programs['peer' if who == 'peer' else 'ours'],
                   *self.options(args, case, 1 if who in ('peer', 'one') else case.threads)]
        where = pinned(args, 0) if case.threads <= 1 else []
        begin = time.monotonic()
        self.process = subprocess.Popen(where + command, stdin=subprocess.DEVNULL)
        try:
            self.wait_answer(begin + START_TIMEOUT)
        except BenchError:
            self.close()
            raise
        self.start_ms = (time.monotonic() - begin) * 1e3

    def blockdev(self, args, case, name):
        """The option's argument."""
        if case.node == 'null':
            return f'null-co,node-name={name},size={FILE_BYTES},read-zeroes=off'
        aio = '' if args.aio == 'default' else f',aio={args.aio}'
        direct = ',cache.direct=on' if case.node == 'direct' else ''
        return f'file,node-name={name},filename={image_of(self.folder, case.node)}{aio}{direct}'

    def options(self, args, case, threads):
        """Objects, one node for each export of a null device or one for all of a file, exports."""
        threads = min(threads, case.threads)
        command = [word for n in range(threads) for word in ('--object', f'iothread,id=io{n}')]
        home = [',iothread=io0'] if threads == 1 else [f',iothread.{n}=io{n}'
                                                       for n in range(threads)]
        nodes = [f'd{n}' for n in range(case.exports if case.node == 'null' else 1)]
        for name in nodes:
            command += ['--blockdev', self.blockdev(args, case, name)]
        if self.monitor:
            command += ['--chardev', f'socket,id=m,path={self.monitor},server=on,wait=off',
                        '--monitor', 'm']
        for n, path in enumerate(self.sockets):
            command += ['--export', f'vhost-user-blk,id=e{n},node-name={nodes[n % len(nodes)]},'
                        f'addr.type=unix,addr.path={path},writable=on,num-queues={case.queues}' +
                        ''.join(home)]
        return command

    def wait_answer(self, deadline):
        """Until the last socket accepts a connection."""
        while True:
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(self.sockets[-1]) == 0:
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f'{" ".join(self.process.args)} did not start')
            time.sleep(POLL)

    def qmp(self, command, **arguments):
        """Executes a command; needs a monitor."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(self.monitor)
            with sock.makefile('rw', encoding='utf-8') as lines:
                lines.readline()
                for execute, given in (('qmp_capabilities', {}), (command, arguments)):
                    lines.write(json.dumps({'execute': execute, 'arguments': given}) + '\n')
                    lines.flush()
                    answer = json.loads(lines.readline())
                    if 'error' in answer:
                        raise BenchError(f'{execute}: {answer["error"]["desc"]}')

    def cpu_seconds(self):
        """Of all its threads, also of those that have ended."""
        return time.clock_gettime(~self.process.pid << 3 | 2)   # as clock_getcpuclockid() says

    def memory_kib(self):
        """Resident memory without that of guests: what no other process shares, and all of it."""
        proc = pathlib.Path(f'/proc/{self.process.pid}')
        private = sum(int(line.split()[1])
                      for line in (proc / 'smaps_rollup').read_text(encoding='ascii').splitlines()
                      if line.startswith('Private_'))
        status = dict(line.split(':', 1)
                      for line in (proc / 'status').read_text(encoding='ascii').splitlines())
        return private, sum(int(status[key].split()[0]) for key in ('RssAnon', 'RssFile'))

    def wakeups(self):
        """How often its threads have gone to sleep."""
        total = 0
        for status in pathlib.Path(f'/proc/{self.process.pid}/task').glob('*/status'):
            for line in status.read_text(encoding='ascii').splitlines():
                if line.startswith('voluntary_ctxt_switches'):
                    total += int(line.split()[1])
        return total

    def close(self):
        """Ends it, and removes its sockets."""
        self.process.terminate()
        try:
            self.process.wait(START_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for path in (*self.sockets, *filter(None, [self.monitor])):
            pathlib.Path(path).unlink(missing_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def client_command(args, case, path, seconds, *options):
    """The client of one export."""
    command = [*(pinned(args, 1) if case.queues == 1 and case.threads <= 1 else []), args.load,
               *options, f'--queues={case.queues}', f'--poll-us={case.poll_us}']
    command += ['--sequential'] if case.sequential else []
    command += [f'--rate={case.rate}'] if case.rate else []
    return [*command, path, case.op, str(case.depth), str(seconds), str(case.block)]


def report_of(command, seconds):
    """Runs a client, or what stands for one, to its end."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30,
                              check=False)
    except subprocess.TimeoutExpired:
        raise BenchError(f'{" ".join(command)}: the daemon stopped answering') from None
    if done.returncode != 0:
        raise BenchError(done.stderr.strip() or f'the client ended with {done.returncode}')
    return json.loads(done.stdout)


class Clients:
    """One for each export, at the same time, until the end of the `with` block."""

    def __init__(self, args, case, daemon, seconds, *options, requests=None):
        self.processes = []
        more = [] if requests is None else [str(requests)]
        for path in daemon.sockets:
            command = client_command(args, case, path, seconds, *options) + more
            self.processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))

    def reports(self):
        """What they say, when they have said it; some may stay attached."""
        lines = [process.stdout.readline() for process in self.processes]
        if not all(lines):
            raise BenchError('a client has failed')
        return [json.loads(line) for line in lines]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for process in self.processes:
            process.kill()
            process.communicate()
