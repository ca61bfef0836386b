/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which files of a front-end are mapped, and how much of them.
 */
#include "qemu/osdep.h"
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "harness.h"
#include "vu-rig.h"

#define MIB (1ull << 20)
#define TIB (1ull << 40)

/* What fstatfs() says of every file, 0: the truth. */
static long pretended_type;

int fstatfs(int fd, struct statfs *fs)
{
    int rc = syscall(SYS_fstatfs, fd, fs);

    if (rc == 0 && pretended_type) {
        fs->f_type = pretended_type;
    }
    return rc;
}

static void begin(VuRig *rig)
{
    vu_rig_init(rig);
    vu_rig_negotiate(rig, 0, 1ull << VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS);
}

static void send_region(VuRig *rig, uint64_t gpa, uint64_t size)
{
    VhostUserMemRegMsg reg = { .region = { gpa, size, gpa, 0 } };
    int fd = memfd_create("region", MFD_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    vu_client_send(&rig->client, VHOST_USER_ADD_MEM_REG, &reg, sizeof(reg), fd);
    close(fd);
}

static void send_removal(VuRig *rig, uint64_t gpa, uint64_t size)
{
    VhostUserMemRegMsg reg = { .region = { gpa, size, gpa, 0 } };

    vu_client_send(&rig->client, VHOST_USER_REM_MEM_REG, &reg, sizeof(reg), -1);
}

static void test_file_system_in_user_space(void)
{
    VuRig rig;

    begin(&rig);
    pretended_type = 0x65735546;
    send_region(&rig, 0x10000, 0x10000);
    vu_rig_refused(&rig, VHOST_USER_ADD_MEM_REG);
    g_assert_nonnull(strstr(rig.log->str, "served by a process"));
    pretended_type = TMPFS_MAGIC;
    send_region(&rig, 0x10000, 0x10000);
    vu_rig_accepted(&rig, VHOST_USER_ADD_MEM_REG);
    pretended_type = 0;
    vu_rig_done(&rig);
}

/* Sanitizers leave few addresses to us: a limit that was reached before ours would show nothing. */
static bool can_map(uint64_t size, unsigned n)
{
    void *addr = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    bool ok = addr != MAP_FAILED && (n == 1 || can_map(size, n - 1));

    if (addr != MAP_FAILED) {
        munmap(addr, size);
    }
    return ok;
}

static void test_device_limit(void)
{
    VuRig rig;

    if (!can_map(17 * TIB, 1)) {
        g_test_skip("no room for so large mappings");
        return;
    }
    begin(&rig);
    send_region(&rig, 32 * TIB, 10 * TIB);
    vu_rig_accepted(&rig, VHOST_USER_ADD_MEM_REG);
    send_region(&rig, 64 * TIB, 7 * TIB);
    vu_rig_refused(&rig, VHOST_USER_ADD_MEM_REG);
    g_assert_nonnull(strstr(rig.log->str, "so much cannot be mapped"));
    send_region(&rig, 64 * TIB, 6 * TIB);
    vu_rig_accepted(&rig, VHOST_USER_ADD_MEM_REG);
    send_region(&rig, 128 * TIB, 0x1000);
    vu_rig_refused(&rig, VHOST_USER_ADD_MEM_REG);
    send_removal(&rig, 64 * TIB, 6 * TIB);
    vu_rig_accepted(&rig, VHOST_USER_REM_MEM_REG);
    send_region(&rig, 128 * TIB, 0x1000);
    vu_rig_accepted(&rig, VHOST_USER_ADD_MEM_REG);
    vu_rig_done(&rig);
}

static void test_process_limit(void)
{
    VuRig rig[7];

    if (!can_map(16 * TIB, 7)) {
        g_test_skip("no room for so large mappings");
        return;
    }
    for (int i = 0; i < 7; i++) {
        begin(&rig[i]);
        send_region(&rig[i], 32 * TIB, 16 * TIB);
        if (i < 6) {
            vu_rig_accepted(&rig[i], VHOST_USER_ADD_MEM_REG);
        } else {
            vu_rig_refused(&rig[i], VHOST_USER_ADD_MEM_REG);
        }
    }
    vu_rig_done(&rig[0]);
    send_region(&rig[6], 32 * TIB, 16 * TIB);
    vu_rig_accepted(&rig[6], VHOST_USER_ADD_MEM_REG);
    for (int i = 1; i < 7; i++) {
        vu_rig_done(&rig[i]);
    }
}

static struct rlimit set_address_space(uint64_t left)
{
    g_autofree char *statm = NULL;
    struct rlimit old, limit;

    g_assert_true(g_file_get_contents("/proc/self/statm", &statm, NULL, NULL));
    getrlimit(RLIMIT_AS, &old);
    limit = old;
    limit.rlim_cur = strtoull(statm, NULL, 10) * qemu_real_host_page_size() + left;
    g_assert_cmpint(setrlimit(RLIMIT_AS, &limit), ==, 0);
    return old;
}

static void test_headroom(void)
{
    struct rlimit old;
    VuRig rig;

    if (!can_map(17 * TIB, 1)) {
        g_test_skip("a sanitizer has more addresses than any limit");
        return;
    }
    begin(&rig);
    old = set_address_space((256 + 100) * MIB);
    send_region(&rig, 1 * TIB, 64 * MIB);
    vu_rig_accepted(&rig, VHOST_USER_ADD_MEM_REG);
    /* It could be mapped, but others want to live. */
    g_assert_true(can_map(64 * MIB, 1));
    send_region(&rig, 2 * TIB, 64 * MIB);
    vu_rig_refused(&rig, VHOST_USER_ADD_MEM_REG);
    g_assert_nonnull(strstr(rig.log->str, "RLIMIT_AS"));
    send_region(&rig, 2 * TIB, UINT64_MAX / 4);
    vu_rig_refused(&rig, VHOST_USER_ADD_MEM_REG);
    g_assert_true(can_map(256 * MIB, 1));
    send_removal(&rig, 1 * TIB, 64 * MIB);
    vu_rig_accepted(&rig, VHOST_USER_REM_MEM_REG);
    send_region(&rig, 2 * TIB, 64 * MIB);
    vu_rig_accepted(&rig, VHOST_USER_ADD_MEM_REG);
    setrlimit(RLIMIT_AS, &old);
    send_region(&rig, 3 * TIB, 1024 * MIB);
    vu_rig_accepted(&rig, VHOST_USER_ADD_MEM_REG);
    vu_rig_done(&rig);
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/vu-mapping/address_space_is_left_to_others", test_headroom);
    harness_add("/vu-mapping/file_of_a_file_system_in_user_space_is_refused",
                test_file_system_in_user_space);
    harness_add("/vu-mapping/a_device_maps_only_so_much", test_device_limit);
    harness_add("/vu-mapping/all_devices_together_map_only_so_much", test_process_limit);
    return harness_run();
}
