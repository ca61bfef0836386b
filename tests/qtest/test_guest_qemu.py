# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's vhost-user-blk-pci on our disks: queues, IOThreads, driver and machine life."""

import os
import shutil
import socket
import tempfile
import unittest

from support import paths
from support.daemon import Daemon
from support.disk_checks import DiskChecks
from support.guest_qemu import QemuGuest
from support.image import MIB, Image, pattern
from support.waiting import until


class OneDisk(DiskChecks):
    """A guest with one writable disk; subclasses say how the daemon and QEMU are set up."""

    smp = 1
    num_queues = 1
    device_options = ''
    node_options = ''
    export_options = ''
    objects = ()

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(dir=paths.cache())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.image = Image(os.path.join(cls.folder, 'disk'), 64 * MIB)
        cls.daemon = cls.start_daemon()
        cls.addClassCleanup(cls.daemon.close)
        cls.guest = QemuGuest(cls.daemon.path('sock'), smp=cls.smp,
                              device=f',num-queues={cls.num_queues}{cls.device_options}')
        cls.addClassCleanup(cls.guest.close)

    @classmethod
    def start_daemon(cls):
        """The daemon, its socket at `sock` in its folder."""
        folder = tempfile.mkdtemp(prefix='qsd-')
        cls.addClassCleanup(shutil.rmtree, folder)
        return Daemon(
            *cls.objects, '--blockdev',
            f'file,node-name=d,filename={cls.image.path},discard=unmap{cls.node_options}',
            '--export', f'vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path={folder}/sock,'
            f'writable=on,num-queues={cls.num_queues}{cls.export_options}', folder=folder)

    def test_all_queues_are_there(self):
        queues = self.guest.run('ls -d /sys/block/vda/mq/*').split()
        self.assertEqual(len(queues), self.num_queues)


class Life:
    """What can happen to a driver and to a machine; needs `guest`."""

    def start_stress(self):
        """Reads and writes from several threads until stop_stress()."""
        self.guest.run('rm -f /tmp/blkio-stop; '
                       f'blkio stress /dev/vda {32 * MIB} {16 * MIB} 8 4096 '
                       '>/tmp/blkio-answer 2>&1 & true')

    def stop_stress(self):
        """Fails unless every request of the stress succeeded, and there were some."""
        self.guest.run('touch /tmp/blkio-stop')
        self.guest.run('until grep -q operations /tmp/blkio-answer; do sleep 0.1; done')
        answer = self.guest.run('cat /tmp/blkio-answer')
        self.assertIn('errors=0', answer)
        self.assertGreater(int(answer.split('operations=')[1].split()[0]), 50)

    def test_driver_is_unbound_and_bound_five_times(self):
        driver = '/sys/bus/virtio/drivers/virtio_blk'
        for seed in range(5):
            name = self.guest.run(f'basename {driver}/virtio*')
            self.guest.run(f'echo {name} >{driver}/unbind; [ ! -e /sys/block/vda ]')
            self.guest.run(f'echo {name} >{driver}/bind; [ -e /sys/block/vda ]')
            self.guest.run(f'blkio write /dev/vda 0 {MIB} {seed} && blkio flush /dev/vda')
            self.assertEqual(self.image.read(0, MIB), pattern(0, MIB, seed))

    def test_machine_is_stopped_and_continued_eight_times_under_load(self):
        self.start_stress()
        for _ in range(8):
            self.guest.run('sleep 0.1')
            self.guest.qmp.command('stop')
            self.assertFalse(self.guest.qmp.command('query-status')['running'])
            self.guest.qmp.command('cont')
        self.guest.run('sleep 0.1')
        self.stop_stress()

    def test_daemon_rests_while_the_guest_does(self):
        self.guest.run('sync')
        until(self.half_a_second_of_nothing, 'the daemon rests')
        wakeups = self.daemon.thread_wakeups()
        self.guest.run('sleep 2')
        self.assertLessEqual(self.daemon.thread_wakeups() - wakeups, 1)

    def half_a_second_of_nothing(self):
        """True if the daemon did not wake up for so long."""
        wakeups = self.daemon.thread_wakeups()
        self.guest.run('sleep 0.5')
        return self.daemon.thread_wakeups() == wakeups

    def test_machine_is_reset(self):
        self.guest.run(f'blkio write /dev/vda 0 {MIB} 41 && blkio flush /dev/vda')
        self.guest.qmp.command('system_reset')
        self.guest.shell.wait_ready()
        self.guest.run(f'blkio verify /dev/vda 0 {MIB} 41')
        self.guest.run(f'blkio write /dev/vda 0 {MIB} 42 && blkio flush /dev/vda')
        self.assertEqual(self.image.read(0, MIB), pattern(0, MIB, 42))


class MainLoop(OneDisk, Life, unittest.TestCase):
    """One queue, one CPU, the daemon's main loop."""


class TwoQueuesInOneIOThread(OneDisk, Life, unittest.TestCase):
    """Two queues, two CPUs, the daemon's IOThread."""

    smp = 2
    num_queues = 2
    objects = ('--object', 'iothread,id=io0')
    export_options = ',iothread=io0'

    def test_both_queues_interrupt_on_their_own_vector(self):
        self.guest.run(f'for cpu in 0 1; do taskset -c $cpu blkio write /dev/vda $((cpu*{MIB})) '
                       f'{MIB} 3 || exit 1; done')
        lines = self.guest.run("grep 'virtio.*req' /proc/interrupts").splitlines()
        fired = [sum(int(count) for count in line.split()[1:3]) for line in lines]
        self.assertEqual(len(fired), 2, lines)
        self.assertTrue(all(fired), lines)


class FourQueues(OneDisk, unittest.TestCase):
    """Four queues, four CPUs, an inherited listening socket."""

    smp = 4
    num_queues = 4

    @classmethod
    def start_daemon(cls):
        folder = tempfile.mkdtemp(prefix='qsd-')
        cls.addClassCleanup(shutil.rmtree, folder)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(os.path.join(folder, 'sock'))
            listener.listen(1)
            number = listener.fileno()
            return Daemon(
                '--blockdev', f'file,node-name=d,filename={cls.image.path},discard=unmap',
                '--export', f'vhost-user-blk,id=e,node-name=d,addr.type=fd,addr.str={number},'
                'writable=on,num-queues=4', folder=folder, pass_fds=[number])


class MoreQueuesThanOffered(unittest.TestCase):
    """A front-end that wants more queues than the export has."""

    def test_is_refused_and_the_daemon_lives(self):
        daemon = Daemon('--blockdev', f'null-co,node-name=d,size={64 * MIB},read-zeroes=on')
        self.addCleanup(daemon.close)
        path = daemon.path('sock')
        daemon.qmp.command('block-export-add', type='vhost-user-blk', id='e', node_name='d',
                           addr={'type': 'unix', 'path': path}, **{'num-queues': 1})
        with self.assertRaisesRegex(AssertionError, 'QEMU ended at its start'):
            QemuGuest(path, smp=2, device=',num-queues=2').close()
        self.assertTrue(daemon.running())
        guest = QemuGuest(path)
        self.addCleanup(guest.close)
        self.assertEqual(guest.run('blkio capacity /dev/vda'), f'{64 * MIB} 512')


if __name__ == '__main__':
    unittest.main()
