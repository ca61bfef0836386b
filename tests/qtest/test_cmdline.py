# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: forms of options, what a refusal says, what is left behind, the background."""

import fcntl
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import unittest

from support import paths
from support.qmp import Qmp, QmpError
from support.waiting import TIMEOUT, until

PROGRAM = 'qemu-storage-daemon'


class CommandLine(unittest.TestCase):
    """Each case has a private folder, which is also the program's working folder."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='qsd-')
        self.addCleanup(shutil.rmtree, self.folder)
        self.started = []
        self.addCleanup(self.end_all)

    def end_all(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    pipe.close()

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_program(self, *arguments, stdin=subprocess.DEVNULL, pass_fds=()):
        """Runs it to its end."""
        return subprocess.run([paths.daemon(), *arguments], stdin=stdin, cwd=self.folder,
                              capture_output=True, text=True, timeout=TIMEOUT, check=False,
                              pass_fds=pass_fds)

    def start(self, *arguments, **keywords):
        """Starts it and goes on."""
        process = subprocess.Popen([paths.daemon(), *arguments], cwd=self.folder, text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, **keywords)
        self.started.append(process)
        return process

    def refused(self, *arguments, message, hint=''):
        """The last option is refused: its text, as given, is named with the message."""
        with self.subTest(arguments=arguments):
            result = self.run_program(*arguments)
            option = ' '.join(arguments[-2:])
            self.assertEqual(result.stderr, f'{PROGRAM}: {option}: {message}\n{hint}')
            self.assertEqual(result.returncode, 1)
            self.assertEqual(result.stdout, '')
            self.assertEqual(os.listdir(self.folder), [])


class Forms(CommandLine):
    """How options may be written."""

    def test_help_and_version_go_to_stdout(self):
        for option in ('--help', '-h', '-help', '--hel'):
            result = self.run_program(option)
            self.assertTrue(result.stdout.startswith(f'Usage: {PROGRAM} '), option)
            self.assertEqual((result.returncode, result.stderr), (0, ''))
        for option in ('--version', '-V'):
            result = self.run_program(option)
            self.assertRegex(result.stdout, rf'^{PROGRAM} version \d+\.\d+\.\d+ '
                             r'\(qemu-device-backends; interface of QEMU 10\.2\.0\)\n$')
            self.assertEqual((result.returncode, result.stderr), (0, ''))

    def test_help_names_every_option(self):
        text = self.run_program('--help').stdout
        for option in ('blockdev', 'export', 'chardev', 'monitor', 'object', 'daemonize',
                       'pidfile', 'trace', 'version'):
            self.assertIn(f'--{option}', text)

    def test_a_value_may_follow_or_be_attached(self):
        wrong = 'Parameter \'qom-type\' does not accept value \'x\''
        for words in (['--object', 'x,id=a'], ['--object=x,id=a'], ['-object', 'x,id=a'],
                      ['-object=x,id=a'], ['--obj', 'x,id=a'], ['--obj=x,id=a']):
            result = self.run_program(*words)
            self.assertEqual(result.stderr, f'{PROGRAM}: {" ".join(words)}: {wrong}\n')
            self.assertEqual(result.returncode, 1)

    def test_what_is_no_option_is_refused(self):
        for words, message in ((['--nosuch'], "unrecognized option '--nosuch'"),
                               (['--nosuch=1'], "unrecognized option '--nosuch'"),
                               (['-q'], "unrecognized option '-q'"),
                               (['foo'], 'foo: Unexpected argument'),
                               (['--object'], "option '--object' requires an argument"),
                               (['--help=1'], "option '--help' doesn't allow an argument")):
            result = self.run_program(*words)
            self.assertEqual(result.stderr, f'{PROGRAM}: {message}\n')
            self.assertEqual(result.returncode, 1)

    def test_json_is_accepted_for_each_structured_option(self):
        result = self.run_program(
            '--object', '{"qom-type": "iothread", "id": "io0", "poll-max-ns": 5}',
            '--blockdev', '{"driver": "null-co", "node-name": "d", "size": 512}',
            '--chardev', '{"id": "c", "backend": {"type": "null", "data": {}}}',
            '--monitor', '{"chardev": "c"}', 'stop')
        self.assertEqual(result.stderr, f'{PROGRAM}: stop: Unexpected argument\n')
        result = self.run_program('--object', '{"qom-type": ')
        self.assertRegex(result.stderr, r'--object \{"qom-type": : \d+:\d+: JSON parse error')

    def test_help_of_a_kind_exits_with_zero(self):
        for option, text in (('--object', '  iothread\n'), ('--blockdev', '  null-co\n'),
                             ('--export', '  vhost-user-blk\n'), ('--chardev', '  socket\n')):
            result = self.run_program(option, 'help')
            self.assertIn(text, result.stdout)
            self.assertEqual((result.returncode, result.stderr), (0, ''))

    def test_help_of_a_type_lists_its_properties_sorted(self):
        result = self.run_program('--object', 'iothread,help')
        lines = result.stdout.splitlines()
        self.assertEqual(lines[0], 'iothread options:')
        self.assertEqual(lines[1:], sorted(lines[1:]))
        self.assertTrue(any(line.startswith('  poll-max-ns=<int>') for line in lines))
        self.assertIn('  filename=<str>', self.run_program('--blockdev', 'file,help').stdout)

    def test_help_of_a_kind_of_character_devices(self):
        for kind, keys in (('socket', ('path', 'server', 'wait', 'host', 'port', 'fd', 'mode')),
                           ('file', ('path', 'input-path', 'append')), ('pipe', ('path',)),
                           ('pty', ('path',)), ('stdio', ('signal',)), ('ringbuf', ('size',)),
                           ('udp', ('host', 'port', 'localaddr', 'localport')), ('null', ()),
                           ('mux', ('chardev',))):
            for form in (f'{kind},help', f'{kind},id=a,help', f'backend={kind},help'):
                result = self.run_program('--chardev', form)
                self.assertTrue(result.stdout.startswith(f'{kind} options:\n'), form)
                for key in (*keys, 'logfile', 'logappend', *(['mux'] if kind != 'mux' else [])):
                    self.assertIn(f'\n  {key}=', result.stdout)
                self.assertEqual((result.returncode, result.stderr), (0, ''))

    def test_help_of_what_does_not_exist_is_an_error(self):
        for option in ('--blockdev', '--export', '--chardev', '--object'):
            result = self.run_program(option, 'nosuch,help')
            self.assertEqual((result.returncode, result.stdout), (1, ''), option)
            self.assertRegex(result.stderr, rf"^{PROGRAM}: {option} nosuch,help: .*'nosuch'")

    def test_help_leaves_nothing_of_earlier_options(self):
        result = self.run_program('--chardev', 'socket,id=c,path=c.sock,server=on,wait=off',
                                  '--object', 'help')
        self.assertEqual(result.returncode, 0)
        self.assertEqual(os.listdir(self.folder), [])


class Refusals(CommandLine):
    """The sentence names the thing and the value; status 1; nothing stays."""

    def test_objects(self):
        identifier = ("Identifiers consist of letters, digits, '-', '.', '_', starting with a "
                      "letter.\n")
        self.refused('--object', 'iothread', message="Parameter 'id' is missing")
        self.refused('--object', 'iothread,id=1a', hint=identifier,
                     message="Parameter 'id' expects an identifier")
        self.refused('--object', 'x,id=a', message="Parameter 'qom-type' does not accept value 'x'")
        self.refused('--object', 'iothread,id=a,foo=1', message="Parameter 'foo' is unexpected")
        self.refused('--object', 'iothread,id=a', '--object', 'iothread,id=a',
                     message="attempt to add duplicate property 'a' to object (type 'container')")

    def test_blockdevs(self):
        node = 'null-co,node-name=d,size=512'
        self.refused('--blockdev', 'node-name=d', message="Parameter 'driver' is missing")
        self.refused('--blockdev', 'null-co',
                     message="'node-name' must be specified for the root node")
        self.refused('--blockdev', node + ',foo=1', message="Parameter 'foo' is unexpected")
        self.refused('--blockdev', node + ',read-only=maybe',
                     message="Parameter 'read-only' expects 'on' or 'off'")
        self.refused('--blockdev', 'null-co,node-name=1d', message="Invalid node-name: '1d'")
        self.refused('--blockdev', node, '--blockdev', node,
                     message="Duplicate nodes with node-name='d'")
        self.refused('--blockdev', 'file,node-name=d,filename=none',
                     message="Could not open 'none': No such file or directory")

    def test_exports(self):
        node = ('--blockdev', 'null-co,node-name=d,size=512')
        good = 'vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path=e.sock'
        self.refused('--export', good, message="Cannot find device='' nor node-name='d'")
        self.refused(*node, '--export', good + ',num-queues=0',
                     message='num-queues must be greater than 0')
        self.refused(*node, '--export', good + ',iothread=io0',
                     message='iothread "io0" not found')
        thread = ('--object', 'iothread,id=io0')
        self.refused(*thread, *node, '--export', good + ',iothread.0=io0,iothread.1=io1',
                     message='iothread "io1" not found')
        self.refused(*thread, *node, '--export', good + ',iothread.0=io0,iothread.1=io0',
                     message='iothread "io0" is named more than once')
        self.refused(*node, '--export', good.replace('e.sock', 'x' * 120),
                     message=f"UNIX socket path '{'x' * 120}' is too long",
                     hint='Path must be less than 108 bytes\n')

    def test_chardevs(self):
        self.refused('--chardev', 'null', message='chardev: no id specified')
        self.refused('--chardev', 'id=c', message='chardev: "c" missing backend')
        self.refused('--chardev', 'nosuch,id=c',
                     message="'nosuch' is not a valid char driver name")
        self.refused('--chardev', 'null,id=c,foo=1', message="Invalid parameter 'foo'")
        self.refused('--chardev', 'null,id=c', '--chardev', 'null,id=c',
                     message="Chardev with id 'c' already exists")
        self.refused('--chardev', 'file,id=c', message='chardev: file: no filename given')
        self.refused('--chardev', 'socket,id=c,path=p,server=maybe',
                     message="Parameter 'server' expects 'on' or 'off'")
        self.refused('--chardev', 'socket,id=c,host=localhost',
                     message='chardev: socket: no port given')
        self.refused('--chardev', 'socket,id=c,path=none',
                     message="Failed to connect to 'none': No such file or directory")

    def test_monitors(self):
        null = ('--chardev', 'null,id=c')
        self.refused('--monitor', 'c', message='chardev "c" not found')
        self.refused('--monitor', 'mode=control', message="Parameter 'chardev' is missing")
        self.refused(*null, '--monitor', 'c,mode=readline', message='Only QMP is supported')
        self.refused(*null, '--monitor', 'c', '--monitor', 'c', message="Device 'c' is in use")
        self.refused(*null, '--monitor', 'c,pretty=bar',
                     message="Parameter 'pretty' expects 'on' or 'off'")

    def test_nbd_server_is_refused_clearly(self):
        result = self.run_program('--nbd-server', 'addr.type=unix,addr.path=n')
        self.assertIn('NBD is not supported', result.stderr)
        self.assertEqual(result.returncode, 1)

    def test_sockets_and_pid_file_of_a_failed_start_are_removed(self):
        result = self.run_program(
            '--pidfile', 'pid', '--chardev', 'socket,id=c,path=c.sock,server=on,wait=off',
            '--monitor', 'c', '--blockdev', 'null-co,node-name=d,size=512',
            '--export', 'vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path=e.sock',
            '--blockdev', 'nosuch,node-name=f')
        self.assertEqual(result.returncode, 1)
        self.assertEqual(os.listdir(self.folder), [])

    def test_short_forms_of_booleans_are_accepted_with_a_warning(self):
        option = 'socket,id=c,path=c.sock,server,nowait'
        process = self.start('--chardev', option, '--pidfile', 'pid')
        until(lambda: os.path.exists(self.path('pid')), 'the program is up')
        self.assertTrue(os.path.exists(self.path('c.sock')))
        process.terminate()
        _, errors = process.communicate(timeout=TIMEOUT)
        place = f'{PROGRAM}: --chardev {option}: warning: short-form boolean option'
        self.assertEqual(errors, f"{place} 'server' deprecated\nPlease use server=on instead\n"
                                 f"{place} 'nowait' deprecated\nPlease use wait=off instead\n")
        self.assertEqual(process.returncode, 0)


class Life(CommandLine):
    """From the pid file to the signal."""

    def alive(self, *arguments, **keywords):
        process = self.start(*arguments, '--pidfile', 'pid', **keywords)
        until(lambda: process.poll() is not None or
              (os.path.exists(self.path('pid')) and os.path.getsize(self.path('pid'))),
              'the program is up')
        return process

    def test_closed_standard_descriptors_are_not_taken_by_others(self):
        def close_standard():
            os.closerange(0, 3)
        process = subprocess.Popen(
            [paths.daemon(), '--chardev', 'socket,id=c,path=c.sock,server=on,wait=off',
             '--monitor', 'c', '--pidfile', 'pid'], cwd=self.folder, preexec_fn=close_standard)
        self.started.append(process)
        until(lambda: os.path.exists(self.path('pid')), 'the program is up')
        for fd in range(3):
            self.assertEqual(os.readlink(f'/proc/{process.pid}/fd/{fd}'), '/dev/null')
        process.terminate()
        self.assertEqual(process.wait(TIMEOUT), 0)

    def test_without_options_it_just_runs(self):
        process = self.alive()
        self.assertIsNone(process.poll())
        process.terminate()
        self.assertEqual(process.wait(TIMEOUT), 0)

    def test_each_signal_ends_it_cleanly(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            process = self.alive('--object', 'iothread,id=io0', '--chardev',
                                 'socket,id=c,path=c.sock,server=on,wait=off', '--monitor', 'c')
            process.send_signal(number)
            self.assertEqual(process.wait(TIMEOUT), 0)
            self.assertEqual(os.listdir(self.folder), [])

    def test_pid_file_is_private_locked_and_removed(self):
        process = self.alive()
        with open(self.path('pid'), encoding='ascii') as file:
            self.assertEqual(file.read(), f'{process.pid}\n')
        mode = stat.S_IMODE(os.stat(self.path('pid')).st_mode)
        self.assertEqual(mode, 0o600)
        result = self.run_program('--pidfile', 'pid')
        self.assertIn('Cannot lock pid file', result.stderr)
        self.assertEqual(result.returncode, 1)
        self.assertTrue(os.path.exists(self.path('pid')))
        process.terminate()
        self.assertEqual(process.wait(TIMEOUT), 0)
        self.assertFalse(os.path.exists(self.path('pid')))

    def test_stale_pid_file_is_reused(self):
        with open(self.path('pid'), 'w', encoding='ascii') as file:
            file.write('1234567890123\n')
        process = self.start('--pidfile', 'pid')

        def rewritten():
            with open(self.path('pid'), encoding='ascii') as file:
                return file.read() == f'{process.pid}\n'
        until(rewritten, 'the pid file is rewritten')
        process.terminate()
        self.assertEqual(process.wait(TIMEOUT), 0)

    def test_waiting_for_a_client_can_be_ended(self):
        process = self.start('--chardev', 'socket,id=c,path=c.sock,server=on')
        self.assertIn('waiting for connection on: unix:c.sock,server=on',
                      process.stderr.readline())
        process.terminate()
        self.assertEqual(process.wait(TIMEOUT), 0)
        self.assertEqual(os.listdir(self.folder), [])

    def test_wait_holds_the_start_back_until_a_client_comes(self):
        process = self.start('--chardev', 'socket,id=c,path=c.sock,server=on', '--monitor', 'c',
                             '--pidfile', 'pid')
        process.stderr.readline()
        self.assertFalse(os.path.exists(self.path('pid')))
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.path('c.sock'))
            self.assertTrue(client.makefile().readline().startswith('{"QMP"'))
            until(lambda: os.path.exists(self.path('pid')), 'the start goes on')
        process.terminate()
        self.assertEqual(process.wait(TIMEOUT), 0)


class Background(CommandLine):
    """--daemonize."""

    def background(self, *arguments):
        """Starts a daemon; the number of its process, which is ended with the test."""
        result = self.run_program('--daemonize', '--pidfile', 'pid', *arguments)
        self.assertEqual((result.returncode, result.stderr), (0, ''))
        with open(self.path('pid'), encoding='ascii') as file:
            pid = int(file.read())
        self.addCleanup(self.end, pid)
        return pid

    def end(self, pid):
        """Ends our daemon, if it still has the lock on its pid file."""
        if os.path.exists(self.path('pid')):
            os.kill(pid, signal.SIGTERM)
            until(lambda: not os.path.exists(f'/proc/{pid}') or
                  not os.path.exists(self.path('pid')), 'the daemon ends')

    def test_everything_listens_when_the_parent_returns(self):
        pid = self.background('--chardev', 'socket,id=c,path=c.sock,server=on,wait=off',
                              '--monitor', 'c')
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.path('c.sock'))
            self.assertTrue(client.makefile().readline().startswith('{"QMP"'))
        self.assertEqual(os.readlink(f'/proc/{pid}/cwd'), '/')
        for fd in range(3):
            self.assertEqual(os.readlink(f'/proc/{pid}/fd/{fd}'), '/dev/null')
        self.assertEqual(os.getsid(pid), pid)

    def test_end_removes_files_given_by_relative_paths(self):
        pid = self.background('--chardev', 'socket,id=c,path=c.sock,server=on,wait=off',
                              '--blockdev', 'null-co,node-name=d,size=512', '--export',
                              'vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path=e.sock')
        self.assertEqual(sorted(os.listdir(self.folder)), ['c.sock', 'e.sock', 'pid'])
        os.kill(pid, signal.SIGTERM)
        until(lambda: not os.listdir(self.folder), 'the files are gone')

    def test_what_needs_the_standard_streams_is_refused(self):
        for word in ('stdio,id=c', '{"id": "c", "backend": {"type": "stdio", "data": {}}}'):
            self.refused('--daemonize', '--chardev', word,
                         message='cannot use stdio with -daemonize')
        self.background('--chardev', 'socket,id=m,path=m.sock,server=on,wait=off', '--monitor',
                        'm')
        qmp = Qmp(self.path('m.sock'))
        self.addCleanup(qmp.close)
        with self.assertRaisesRegex(QmpError, 'cannot use stdio with -daemonize'):
            qmp.command('chardev-add', id='c', backend={'type': 'stdio', 'data': {}})

    def test_nothing_keeps_the_callers_pipe_open(self):
        for words, stream in ((('--chardev', 'file,id=c,path=/dev/stdout'), 'output'),
                              (('--trace', 'file=/dev/stderr'), 'error'),
                              (('--chardev', 'null,id=c,logfile=/proc/self/fd/2'), 'error')):
            result = self.run_program('--daemonize', *words)
            self.assertEqual(result.stderr, f'{PROGRAM}: cannot daemonize: something uses standard '
                                            f'{stream}\n')
            self.assertEqual(result.returncode, 1)

    def test_a_shell_gets_what_it_waits_for(self):
        self.background()
        result = subprocess.run(
            ['sh', '-c', 'echo "$("$0" --daemonize --pidfile other --chardev stdio,id=c '
             '--monitor c 2>&1)"', paths.daemon()], cwd=self.folder, capture_output=True,
            text=True, timeout=TIMEOUT, check=False)
        self.assertIn('cannot use stdio with -daemonize', result.stdout)
        result = subprocess.run(
            ['sh', '-c', 'out=$("$0" --daemonize --pidfile other); echo done; kill $(cat other)',
             paths.daemon()], cwd=self.folder, capture_output=True, text=True, timeout=TIMEOUT,
            check=False)
        self.assertEqual((result.stdout, result.stderr), ('done\n', ''))
        until(lambda: not os.path.exists(self.path('other')), 'the other one ends')

    def test_signals_of_other_programs_do_not_end_it(self):
        process = self.start('--pidfile', 'pid', '--chardev',
                             'socket,id=c,path=c.sock,server=on,wait=off', '--monitor', 'c')
        until(lambda: os.path.exists(self.path('pid')), 'it is up')
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGVTALRM,
                       signal.SIGPROF, signal.SIGIO, signal.SIGPWR, signal.SIGPIPE,
                       signal.SIGRTMIN, signal.SIGRTMIN + 7, signal.SIGRTMAX):
            process.send_signal(number)
        qmp = Qmp(self.path('c.sock'))
        self.addCleanup(qmp.close)
        self.assertTrue(qmp.command('query-version'))
        process.terminate()
        self.assertEqual(process.wait(TIMEOUT), 0)

    def test_errors_reach_the_callers_stderr(self):
        result = self.run_program('--daemonize', '--pidfile', 'pid', '--object', 'x,id=a')
        self.assertEqual(result.stderr, f"{PROGRAM}: --object x,id=a: Parameter 'qom-type' does "
                                        "not accept value 'x'\n")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_trace_file_that_cannot_be_made_fails_the_parent(self):
        result = self.run_program('--daemonize', '--pidfile', 'pid', '--trace', 'file=none/trace')
        self.assertIn('none/trace', result.stderr)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_trace_file_lies_where_the_caller_is(self):
        self.background('--trace', 'bdrv_close,file=trace')
        self.assertIn('trace', os.listdir(self.folder))

    def test_iothreads_and_files_work_in_the_background(self):
        with open(self.path('image'), 'wb') as file:
            file.truncate(1 << 20)
        self.background('--object', 'iothread,id=io0',
                        '--blockdev', 'file,node-name=d,filename=image', '--export',
                        'vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path=e.sock,'
                        'iothread=io0')
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.path('e.sock'))


class Monitors(CommandLine):
    """Ways to reach a monitor from the command line."""

    def test_stdio(self):
        talk = ('{"execute": "qmp_capabilities"}\n'
                '{"execute": "quit", "id": "bye"}\n')
        result = subprocess.run([paths.daemon(), '--chardev', 'stdio,id=c', '--monitor', 'c'],
                                input=talk, capture_output=True, text=True, timeout=TIMEOUT,
                                check=False)
        self.assertEqual(result.returncode, 0)
        lines = result.stdout.splitlines()
        self.assertTrue(lines[0].startswith('{"QMP": {"version": {"qemu": {'))
        self.assertEqual(lines[1:], ['{"return": {}}', '{"return": {}, "id": "bye"}'])

    def test_stdio_gets_its_flags_back(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        with os.fdopen(writer, 'w') as end:
            end.write('{"execute": "qmp_capabilities"}{"execute": "quit"}')
        result = self.run_program('--chardev', 'stdio,id=c', '--monitor', 'c', stdin=reader)
        self.assertEqual(result.returncode, 0)
        self.assertFalse(fcntl.fcntl(reader, fcntl.F_GETFL) & os.O_NONBLOCK)

    def test_inherited_socket_pair(self):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            process = self.start('--chardev', f'socket,id=c,fd={theirs.fileno()}',
                                 '--monitor', 'c', pass_fds=(theirs.fileno(),))
            theirs.close()
            ours.settimeout(TIMEOUT)
            self.assertTrue(ours.makefile().readline().startswith('{"QMP"'))
            ours.close()
            process.terminate()
            self.assertEqual(process.wait(TIMEOUT), 0)

    def test_program_connects_to_a_listening_client(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path('l.sock'))
            listener.listen(1)
            listener.settimeout(TIMEOUT)
            process = self.start('--chardev', 'socket,id=c,path=l.sock', '--monitor', 'c')
            connection, _ = listener.accept()
            with connection:
                stream = connection.makefile('rw')
                self.assertTrue(stream.readline().startswith('{"QMP"'))
                stream.write('{"execute": "qmp_capabilities"}{"execute": "quit"}')
                stream.flush()
                self.assertEqual(stream.readline(), '{"return": {}}\n')
                self.assertEqual(stream.readline(), '{"return": {}}\n')
                self.assertEqual(stream.readline(), '')
            self.assertEqual(process.wait(TIMEOUT), 0)

    def test_client_that_reconnects_comes_again(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path('l.sock'))
            listener.listen(1)
            listener.settimeout(TIMEOUT)
            self.start('--chardev', 'socket,id=c,path=l.sock,reconnect-ms=10', '--monitor', 'c')
            for _ in range(3):
                connection, _ = listener.accept()
                with connection:
                    self.assertTrue(connection.makefile().readline().startswith('{"QMP"'))

    def test_tcp_server(self):
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            port = probe.getsockname()[1]
        process = self.start('--chardev', f'socket,id=c,host=127.0.0.1,port={port},to={port + 50},'
                             'server=on,wait=on', '--monitor', 'c')
        process.stderr.readline()
        listening = None
        for candidate in range(port, port + 51):
            try:
                listening = socket.create_connection(('127.0.0.1', candidate), TIMEOUT)
                break
            except ConnectionRefusedError:
                continue
        with listening:
            self.assertTrue(listening.makefile().readline().startswith('{"QMP"'))

    def test_trace_help_lists_events(self):
        result = self.run_program('--trace', 'help')
        self.assertEqual(result.returncode, 0)
        self.assertIn('\n', result.stdout)


if __name__ == '__main__':
    unittest.main()
