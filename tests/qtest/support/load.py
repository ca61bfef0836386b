# SPDX-License-Identifier: GPL-2.0-or-later
"""A client that works while a test does something else."""

import threading

from .virtio_blk import BlkDriver


class LoadThread(threading.Thread):
    """Writes and reads back on one export until told to finish."""

    def __init__(self, path):
        super().__init__()
        self.driver = BlkDriver(path)
        self.stopping = threading.Event()
        self.error = None
        self.done = 0

    def run(self):
        try:
            while not self.stopping.is_set():
                data = self.done.to_bytes(8, 'little') * 512
                self.driver.write(self.done % 1000, data)
                if self.driver.read(self.done % 1000, 4096) != data:
                    raise AssertionError('read something else than was written')
                self.done += 1
        except Exception as error:      # pylint: disable=broad-except
            self.error = error

    def finish(self):
        """Ends the load."""
        self.stopping.set()
        self.join()
        self.driver.close()
