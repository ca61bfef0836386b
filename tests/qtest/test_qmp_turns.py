# SPDX-License-Identifier: GPL-2.0-or-later
"""Monitors take turns: who floods one with commands does not starve the others."""

import json
import os
import signal
import unittest

from support.daemon import Daemon
from support.image import MIB
from support.qmp import Qmp
from support.virtio_blk import BlkDriver
from support.waiting import until

MONITORS = ('before', 'flooded', 'after')
FLOOD = 300
# Turns that may pass before a monitor whose command is there has it carried out.
PATIENCE = 5


class Turns(unittest.TestCase):
    """A daemon with three monitors, stopped while commands are put into each."""

    def setUp(self):
        options = []
        for name in MONITORS:
            options += ['--chardev', f'socket,id={name},path={name},server=on,wait=off',
                        '--monitor', name]
        self.daemon = Daemon(*options)
        self.addCleanup(self.daemon.close)
        self.monitors = {name: Qmp(self.daemon.path(name)) for name in MONITORS}
        for monitor in self.monitors.values():
            self.addCleanup(monitor.close)

    def is_stopped(self):
        """Whether SIGSTOP has taken effect."""
        with open(f'/proc/{self.daemon.pid}/stat', encoding='ascii') as file:
            return file.read().rsplit(')', 1)[1].split()[0] == 'T'

    def all_at_once(self, texts):
        """Sends to the monitors while the daemon is stopped, so that it finds all when it goes on."""
        os.kill(self.daemon.pid, signal.SIGSTOP)
        until(self.is_stopped, 'the daemon is stopped')
        for name, text in texts.items():
            self.monitors[name].send_text(text)
        os.kill(self.daemon.pid, signal.SIGCONT)

    @staticmethod
    def flood():
        """Commands that each leave a trace."""
        return ''.join(json.dumps({'execute': 'chardev-add', 'arguments': {
            'id': f'flood{number}', 'backend': {'type': 'null', 'data': {}}}})
            for number in range(FLOOD))

    @staticmethod
    def traces(answer):
        """How many commands of the flood had been carried out when @answer was made."""
        return sum(chardev['label'].startswith('flood') for chardev in answer['return'])

    def test_one_command_waits_for_few_of_a_flood(self):
        query = '{"execute": "query-chardev"}'
        for _ in range(3):
            self.all_at_once({'before': query, 'flooded': self.flood(), 'after': query})
            for name in ('before', 'after'):
                self.assertLessEqual(self.traces(self.monitors[name].answer()), PATIENCE, name)
            for _ in range(FLOOD):
                self.assertEqual(self.monitors['flooded'].answer(), {'return': {}})
            for number in range(FLOOD):
                self.monitors['flooded'].command('chardev-remove', id=f'flood{number}')

    def test_many_commands_of_two_alternate(self):
        query = '{"execute": "query-chardev"}' * 20
        self.all_at_once({'flooded': self.flood(), 'after': query})
        seen = [self.traces(self.monitors['after'].answer()) for _ in range(20)]
        for number, traces in enumerate(seen):
            self.assertLessEqual(traces, number + PATIENCE)

    def test_an_export_in_the_main_loop_is_served_meanwhile(self):
        self.daemon.qmp.command('blockdev-add', driver='null-co', node_name='d', size=MIB,
                                read_zeroes=True)
        self.daemon.qmp.command('block-export-add', type='vhost-user-blk', id='e', node_name='d',
                                addr={'type': 'unix', 'path': self.daemon.path('e')})
        driver = BlkDriver(self.daemon.path('e'))
        self.addCleanup(driver.close)
        stalled = self.monitors['flooded']
        stalled.send_text(self.flood())
        for _ in range(20):
            self.assertEqual(driver.read(0, 512), bytes(512))
        for _ in range(FLOOD):
            self.assertEqual(stalled.answer(), {'return': {}})


if __name__ == '__main__':
    unittest.main()
