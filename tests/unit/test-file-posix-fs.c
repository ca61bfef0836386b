/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the table of file systems that are known to behave. */
#include "qemu/osdep.h"
#include <sys/statfs.h>
#include "block/file-posix.h"
#include "tests/unit/block-test.h"

static void only_known_file_systems_get_more_than_threads(void)
{
    /* FUSE, NFS, SMB2, CIFS, 9P, overlay, Ceph, AFS, OCFS2, GFS2, ZFS, vboxsf, exFAT, none */
    static const uint64_t others[] = { 0x65735546, 0x6969,     0xfe534d42, 0xff534d42, 0x01021997,
                                       0x794c7630, 0x00c36400, 0x5346414f, 0x7461636f, 0x01161970,
                                       0x2fc12fc1, 0x786f4256, 0x2011bab0, 0 };

    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        g_assert_cmpuint(raw_fs_type_abilities(others[i]), ==, 0);
    }
}

static void file_systems_of_this_host_get_all(void)
{
    static const uint64_t known[] = { 0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x01021994 };

    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        g_assert_cmpuint(raw_fs_type_abilities(known[i]), ==,
                         RAW_FS_IO_URING | RAW_FS_MAP | RAW_FS_BATCH);
    }
}

static void a_node_does_what_its_file_system_is_known_to_do(void)
{
    g_autofree char *path = make_file("img", 65536);
    BlockDriverState *bs =
        open_node("{'driver': 'file', 'node-name': 'f', 'filename': '%s'}", path);
    BDRVRawState *s = bs->opaque;
    struct statfs fs;
    unsigned abilities;

    g_assert_cmpint(statfs(path, &fs), ==, 0);
    abilities = raw_fs_type_abilities(fs.f_type);
    g_assert_cmpuint(raw_fs_abilities(s->fd), ==, abilities);
    g_assert_cmpint(s->use_io_uring, ==, !!(abilities & RAW_FS_IO_URING));
    g_assert_cmpint(s->use_map, ==, !!(abilities & RAW_FS_MAP));
    g_assert_cmpint(s->batch_writes, ==, !!(abilities & RAW_FS_BATCH));
    bdrv_unref(bs);
    unlink(path);
}

static void a_descriptor_that_is_no_file_gets_nothing(void)
{
    int pipe_fds[2];
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    g_assert_cmpint(pipe(pipe_fds), ==, 0);
    g_assert_cmpuint(raw_fs_abilities(pipe_fds[0]), ==, 0);
    g_assert_cmpuint(raw_fs_abilities(null_fd), ==, 0);
    g_assert_cmpuint(raw_fs_abilities(-1), ==, 0);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    close(null_fd);
}

int main(int argc, char **argv)
{
    block_test_init(&argc, &argv);
    harness_add("/file-posix-fs/only_known_file_systems_get_more_than_threads",
                only_known_file_systems_get_more_than_threads);
    harness_add("/file-posix-fs/file_systems_of_this_host_get_all",
                file_systems_of_this_host_get_all);
    harness_add("/file-posix-fs/a_node_does_what_its_file_system_is_known_to_do",
                a_node_does_what_its_file_system_is_known_to_do);
    harness_add("/file-posix-fs/a_descriptor_that_is_no_file_gets_nothing",
                a_descriptor_that_is_no_file_gets_nothing);
    return harness_run();
}
