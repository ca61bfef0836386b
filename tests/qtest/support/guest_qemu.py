# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU guest with Debian's cloud kernel, under TCG, so that it runs on any host."""

import os
import shutil
import subprocess
import tempfile

from . import initrd, kernel
from .guest import Guest, connect, die_with_the_test
from .qmp import Qmp
from .waiting import until

QEMU = '/usr/bin/qemu-system-x86_64'
KERNEL_LINE = ('console=ttyS0 guest_control=vport* rdinit=/init panic=-1 no_timer_check '
               'tsc=reliable nokaslr mitigations=off')


class QemuGuest(Guest):
    """Boots with a vhost-user-blk-pci disk for each socket; `qmp` is QEMU's monitor.

    @others: vhost-user devices of other kinds, as (driver, socket). @extra: options of QEMU's that
    go before the devices. @append: more of the kernel's command line. @limits: more of -m.
    @incoming: path of a socket where QEMU waits for a guest that migrates, instead of booting one.
    """

    hears_of_resize = False     # QEMU 7.2 keeps it to itself

    def __init__(self, *sockets, smp=1, memory='256M', reconnect=False, device='', machine='pc',
                 others=(), extra=(), append='', limits='', incoming=None):
        super().__init__()
        linux = kernel.cloud()
        self._folder = tempfile.mkdtemp(prefix='qemu-')
        self.console_path = os.path.join(self._folder, 'console')
        self.qmp = None
        control, monitor = (os.path.join(self._folder, name) for name in ('control', 'qmp'))
        # One thread for all CPUs: with one each, a kernel of several CPUs now and then hangs in
        # its own start-up, before it has seen any disk.
        command = [
            QEMU, '-M', machine, '-accel', 'tcg,thread=single', '-cpu', 'max', '-smp', str(smp),
            '-m', memory + limits,
            '-object', f'memory-backend-memfd,id=mem,size={memory},share=on',
            '-numa', 'node,memdev=mem', '-nodefaults', '-no-user-config', '-display', 'none',
            '-kernel', linux.image, '-initrd', initrd.make(linux),
            '-append', f'{KERNEL_LINE} {append}',
            '-serial', f'file:{self.console_path}',
            '-chardev', f'socket,id=control,path={control},server=on,wait=off',
            '-device', 'virtio-serial-pci', '-device', 'virtserialport,chardev=control',
            '-chardev', f'socket,id=qmp,path={monitor},server=on,wait=off', '-mon',
            'chardev=qmp,mode=control', *extra]
        for number, path in enumerate(sockets):
            again = ',reconnect=1' if reconnect else ''
            command += ['-chardev', f'socket,id=c{number},path={path}{again}', '-device',
                        f'vhost-user-blk-pci,id=d{number},chardev=c{number}{device}']
        for number, (driver, path) in enumerate(others):
            command += ['-chardev', f'socket,id=o{number},path={path}',
                        '-device', f'{driver},id=other{number},chardev=o{number}']
        if incoming:
            command += ['-incoming', f'unix:{incoming}']
        self._start(command, control, monitor, not incoming)

    def _start(self, command, control, monitor, boots):
        self._stderr = os.path.join(self._folder, 'stderr')
        with open(self._stderr, 'wb') as stderr:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stderr,
                                            stderr=subprocess.STDOUT, start_new_session=True,
                                            preexec_fn=die_with_the_test)
        try:
            stream = self._connect(connect, control)
            self.qmp = self._connect(Qmp, monitor)
            self.attach_shell(stream, boots)
        except BaseException:
            self.close()
            raise

    def _connect(self, make, path):
        """What @make gives for @path, once QEMU listens there."""
        def attempt():
            if self.process.poll() is not None:
                raise AssertionError(f'QEMU ended at its start:\n{self.stderr()}')
            try:
                return make(path)
            except (FileNotFoundError, ConnectionError, EOFError):
                return None         # not yet, or no more: its sockets are up before its devices

        return until(attempt, f'QEMU listens on {path}')

    def stderr(self):
        """What QEMU itself said."""
        with open(self._stderr, encoding='utf-8', errors='replace') as file:
            return file.read()

    def plug(self, name, path, options=''):
        """Adds a disk on the vhost-user socket @path to the running guest."""
        self.qmp.command('chardev-add', id=f'c{name}', backend={
            'type': 'socket', 'data': {'addr': {'type': 'unix', 'data': {'path': path}},
                                       'server': False}})
        self.qmp.command('device_add', driver='vhost-user-blk-pci', id=name, chardev=f'c{name}',
                         **({'num-queues': 1} if not options else options))

    def unplug(self, name):
        """Takes a disk away and waits until the guest has let it go."""
        self.qmp.command('device_del', id=name)
        self.qmp.wait_event('DEVICE_DELETED', device=name)
        self.qmp.command('chardev-remove', id=f'c{name}')

    def close(self):
        if self.qmp is not None:
            self.qmp.close()
            self.qmp = None
        super().close()
        shutil.rmtree(self._folder, ignore_errors=True)
