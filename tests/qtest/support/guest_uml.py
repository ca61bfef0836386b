# SPDX-License-Identifier: GPL-2.0-or-later
"""A User-Mode Linux guest: a Linux kernel that is a process, at nearly native speed."""

import os
import shutil
import socket
import subprocess
import tempfile

from . import initrd, kernel
from .guest import Guest, die_with_the_test

VIRTIO_BLK = 2


class UmlGuest(Guest):
    """Boots with a disk for each vhost-user socket."""

    def __init__(self, *sockets, memory='96M', smp=None):
        super().__init__()
        del smp                 # this kernel has one CPU
        linux = kernel.user_mode()
        self._folder = tempfile.mkdtemp(prefix='uml-')
        self.console_path = os.path.join(self._folder, 'console')
        ours, theirs = socket.socketpair()
        with theirs, open(self.console_path, 'wb') as console:
            command = [linux.image, f'mem={memory}', f'initrd={initrd.make(linux)}',
                       'rdinit=/init', 'con=null', 'con0=null,fd:1',
                       f'con1=fd:{theirs.fileno()}', 'guest_control=tty1', 'quiet',
                       f'umid=t{os.getpid()}-{os.path.basename(self._folder)}',
                       f'uml_dir={self._folder}',
                       *[f'virtio_uml.device={path}:{VIRTIO_BLK}' for path in sockets]]
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()], start_new_session=True, preexec_fn=die_with_the_test,
                env={**os.environ, 'TMPDIR': '/dev/shm' if os.path.isdir('/dev/shm') else '/tmp'})
        try:
            self.attach_shell(ours)
        except BaseException:
            self.close()
            raise

    def close(self):
        super().close()
        shutil.rmtree(self._folder, ignore_errors=True)
