/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scattered memory: ranges of iovec arrays and QEMUIOVector. */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/iov.h"
#include "qemu/thread.h"
#include "harness.h"
#include <sys/socket.h>

enum {
    MAX_PIECES = 20,
    MAX_PIECE = 40
};

/* An array of random pieces, some of them empty, and the same bytes in one buffer. */
typedef struct Pieces {
    struct iovec iov[MAX_PIECES];
    unsigned cnt;
    size_t size;
    uint8_t *flat;
} Pieces;

static void pieces_init(Pieces *p)
{
    *p = (Pieces){ .cnt = g_test_rand_int_range(1, MAX_PIECES) };
    for (unsigned i = 0; i < p->cnt; i++) {
        p->iov[i].iov_len = g_test_rand_int_range(0, MAX_PIECE);
        p->iov[i].iov_base = g_malloc0(p->iov[i].iov_len + 1);
        p->size += p->iov[i].iov_len;
    }
    p->flat = g_malloc0(p->size + 1);
}

static void pieces_fill(Pieces *p)
{
    size_t offset = 0;

    for (unsigned i = 0; i < p->cnt; i++) {
        for (size_t j = 0; j < p->iov[i].iov_len; j++, offset++) {
            p->flat[offset] = g_test_rand_int_range(0, 256);
            ((uint8_t *)p->iov[i].iov_base)[j] = p->flat[offset];
        }
    }
}

static void pieces_done(Pieces *p)
{
    for (unsigned i = 0; i < p->cnt; i++) {
        g_free(p->iov[i].iov_base);
    }
    g_free(p->flat);
}

/* The bytes of an array, for comparison with a flat buffer; the caller frees. */
static uint8_t *flatten(const struct iovec *iov, unsigned cnt)
{
    uint8_t *flat = g_malloc0(iov_size(iov, cnt) + 1);
    size_t offset = 0;

    for (unsigned i = 0; i < cnt; i++) {
        memcpy(flat + offset, iov[i].iov_base, iov[i].iov_len);
        offset += iov[i].iov_len;
    }
    return flat;
}

static void assert_holds(const struct iovec *iov, unsigned cnt, const uint8_t *want, size_t size)
{
    g_autofree uint8_t *flat = flatten(iov, cnt);

    g_assert_cmpmem(flat, iov_size(iov, cnt), want, size);
}

static void random_range(const Pieces *p, size_t *offset, size_t *len)
{
    *offset = g_test_rand_int_range(0, p->size + 1);
    *len = g_test_rand_int_range(0, p->size - *offset + 1);
}

static void test_any_range_can_be_read(void)
{
    for (int round = 0; round < 500; round++) {
        g_autofree uint8_t *buf = NULL;
        size_t offset, len;
        Pieces p;

        pieces_init(&p);
        pieces_fill(&p);
        random_range(&p, &offset, &len);
        buf = g_malloc0(len + 1);
        g_assert_cmpuint(iov_to_buf(p.iov, p.cnt, offset, buf, len), ==, len);
        g_assert_cmpmem(buf, len, p.flat + offset, len);
        pieces_done(&p);
    }
}

static void test_any_range_can_be_written(void)
{
    for (int round = 0; round < 500; round++) {
        size_t offset, len;
        Pieces p;

        pieces_init(&p);
        pieces_fill(&p);
        random_range(&p, &offset, &len);
        for (size_t i = 0; i < len; i++) {
            p.flat[offset + i] = i;
        }
        g_assert_cmpuint(iov_from_buf(p.iov, p.cnt, offset, p.flat + offset, len), ==, len);
        assert_holds(p.iov, p.cnt, p.flat, p.size);

        random_range(&p, &offset, &len);
        memset(p.flat + offset, 0x5a, len);
        g_assert_cmpuint(iov_memset(p.iov, p.cnt, offset, 0x5a, len), ==, len);
        assert_holds(p.iov, p.cnt, p.flat, p.size);
        pieces_done(&p);
    }
}

static void test_a_length_past_the_end_is_cut(void)
{
    char a[4] = "abcd", b[4] = "efgh", buf[16] = "";
    struct iovec iov[] = { { a, 4 }, { b, 4 } };
    volatile size_t more = 8;

    g_assert_cmpuint(iov_to_buf(iov, 2, 6, buf, sizeof(buf)), ==, 2);
    g_assert_cmpstr(buf, ==, "gh");
    g_assert_cmpuint(iov_to_buf(iov, 2, 8, buf, 1), ==, 0);
    g_assert_cmpuint(iov_memset(iov, 2, 3, 'x', -1), ==, 5);
    g_assert_cmpmem(a, 4, "abcx", 4);
    g_assert_cmpmem(b, 4, "xxxx", 4);
    g_assert_cmpuint(iov_from_buf(iov, 2, 0, "123456789", more + 1), ==, 8);
}

static void test_constant_size_inside_the_first_piece(void)
{
    char a[8] = "abcdefg", b[8] = "hijklmn";
    struct iovec iov[] = { { a, 8 }, { b, 8 } };
    uint32_t four;
    uint64_t eight = 0;

    g_assert_cmpuint(iov_to_buf(iov, 2, 4, &four, sizeof(four)), ==, 4);
    g_assert_cmpmem(&four, 4, "efg", 4);
    g_assert_cmpuint(iov_to_buf(iov, 2, 6, &eight, sizeof(eight)), ==, 8);
    g_assert_cmpmem(&eight, 8, "g\0hijklm", 8);
    g_assert_cmpuint(iov_from_buf(iov, 2, 4, "WXYZ", 4), ==, 4);
    g_assert_cmpmem(a, 8, "abcdWXYZ", 8);
}

static void test_copy_describes_a_range(void)
{
    for (int round = 0; round < 300; round++) {
        struct iovec out[MAX_PIECES];
        size_t offset, len;
        unsigned n;
        Pieces p;

        pieces_init(&p);
        pieces_fill(&p);
        random_range(&p, &offset, &len);
        n = iov_copy(out, MAX_PIECES, p.iov, p.cnt, offset, len);
        assert_holds(out, n, p.flat + offset, len);
        pieces_done(&p);
    }
}

static void test_copy_stops_when_the_target_is_full(void)
{
    char a[4] = "abcd", b[4] = "efgh";
    struct iovec iov[] = { { a, 4 }, { b, 4 } }, out[2];

    g_assert_cmpuint(iov_copy(out, 1, iov, 2, 1, 7), ==, 1);
    g_assert_true(out[0].iov_base == a + 1);
    g_assert_cmpuint(out[0].iov_len, ==, 3);
}

static void discard_once(bool front)
{
    IOVDiscardUndo undo;
    Pieces p;
    struct iovec orig[MAX_PIECES];
    struct iovec *iov;
    unsigned cnt;
    size_t len, want;

    pieces_init(&p);
    pieces_fill(&p);
    memcpy(orig, p.iov, sizeof(orig));
    iov = p.iov;
    cnt = p.cnt;
    len = g_test_rand_int_range(0, p.size + 10);
    want = MIN(len, p.size);
    if (front) {
        g_assert_cmpuint(iov_discard_front_undoable(&iov, &cnt, len, &undo), ==, want);
        assert_holds(iov, cnt, p.flat + want, p.size - want);
    } else {
        g_assert_cmpuint(iov_discard_back_undoable(iov, &cnt, len, &undo), ==, want);
        assert_holds(iov, cnt, p.flat, p.size - want);
    }
    iov_discard_undo(&undo);
    g_assert_cmpmem(p.iov, p.cnt * sizeof(*iov), orig, p.cnt * sizeof(*iov));
    pieces_done(&p);
}

static void test_discard_takes_exactly_and_can_be_undone(void)
{
    for (int round = 0; round < 500; round++) {
        discard_once(true);
        discard_once(false);
    }
}

typedef struct Transfer {
    int fd;
    Pieces *p;
    ssize_t done;
} Transfer;

static void *receive_all(void *opaque)
{
    Transfer *t = opaque;

    t->done = iov_recv(t->fd, t->p->iov, t->p->cnt, 0, t->p->size);
    return NULL;
}

static void test_socket_carries_any_pieces(void)
{
    for (int round = 0; round < 50; round++) {
        Pieces from, to;
        Transfer t = { .p = &to };
        QemuThread thread;
        int fds[2];

        pieces_init(&from);
        pieces_fill(&from);
        to = from;
        for (unsigned i = 0; i < to.cnt; i++) {
            to.iov[i].iov_base = g_malloc0(to.iov[i].iov_len + 1);
        }
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
        t.fd = fds[1];
        qemu_thread_create(&thread, "recv", receive_all, &t, QEMU_THREAD_JOINABLE);
        g_assert_cmpint(iov_send(fds[0], from.iov, from.cnt, 0, from.size), ==, from.size);
        qemu_thread_join(&thread);
        g_assert_cmpint(t.done, ==, from.size);
        assert_holds(to.iov, to.cnt, from.flat, from.size);
        close(fds[0]);
        close(fds[1]);
        for (unsigned i = 0; i < to.cnt; i++) {
            g_free(to.iov[i].iov_base);
        }
        pieces_done(&from);
    }
}

static void test_socket_that_would_block_gives_what_there_was(void)
{
    char a[4] = "abcd", b[4] = "efgh", in[8] = "";
    struct iovec iov[] = { { a, 4 }, { b, 4 } }, to = { in, 8 };
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), ==, 0);
    g_assert_cmpint(iov_recv(fds[1], &to, 1, 0, 8), ==, -1);
    g_assert_cmpint(errno, ==, EAGAIN);
    g_assert_cmpint(iov_send(fds[0], iov, 2, 2, 4), ==, 4);
    g_assert_cmpint(iov_recv(fds[1], &to, 1, 1, 7), ==, 4);
    g_assert_cmpmem(in, 8, "\0cdef\0\0", 8);
    close(fds[0]);
    g_assert_cmpint(iov_recv(fds[1], &to, 1, 0, 8), ==, 0);
    close(fds[1]);
}

static void test_vector_grows_and_concatenates(void)
{
    for (int round = 0; round < 300; round++) {
        QEMUIOVector a, b;
        size_t offset, len;
        Pieces p;

        pieces_init(&p);
        pieces_fill(&p);
        random_range(&p, &offset, &len);
        qemu_iovec_init(&a, 0);
        for (unsigned i = 0; i < p.cnt; i++) {
            qemu_iovec_add(&a, p.iov[i].iov_base, p.iov[i].iov_len);
        }
        g_assert_cmpuint(a.size, ==, p.size);
        qemu_iovec_init(&b, 1);
        qemu_iovec_concat(&b, &a, offset, len);
        g_assert_cmpuint(b.size, ==, len);
        assert_holds(b.iov, b.niov, p.flat + offset, len);
        qemu_iovec_reset(&b);
        g_assert_cmpuint(b.size, ==, 0);
        qemu_iovec_destroy(&b);
        qemu_iovec_destroy(&a);
        pieces_done(&p);
    }
}

static void test_slice_finds_the_elements_of_a_range(void)
{
    for (int round = 0; round < 500; round++) {
        g_autofree uint8_t *flat = NULL;
        QEMUIOVector v, part;
        size_t offset, len, head, tail;
        struct iovec *iov;
        int niov;
        Pieces p;

        pieces_init(&p);
        pieces_fill(&p);
        qemu_iovec_init_external(&v, p.iov, p.cnt);
        random_range(&p, &offset, &len);
        iov = qemu_iovec_slice(&v, offset, len, &head, &tail, &niov);
        g_assert_cmpint(niov, ==, qemu_iovec_subvec_niov(&v, offset, len));
        flat = flatten(iov, niov);
        g_assert_cmpuint(iov_size(iov, niov), ==, len ? head + len + tail : iov_size(iov, niov));
        g_assert_true(len == 0 || memcmp(flat + head, p.flat + offset, len) == 0);

        qemu_iovec_init_slice(&part, &v, offset, len);
        assert_holds(part.iov, part.niov, p.flat + offset, len);
        qemu_iovec_destroy(&part);
        pieces_done(&p);
    }
}

static void test_padding_surrounds_the_middle(void)
{
    char head[2] = "hh", mid[6] = "abcdef", tail[3] = "ttt";
    struct iovec iov[] = { { mid, 3 }, { mid + 3, 3 } };
    QEMUIOVector v, ext;

    qemu_iovec_init_external(&v, iov, 2);
    qemu_iovec_init_extended(&ext, head, 2, &v, 1, 4, tail, 3);
    g_assert_cmpuint(ext.size, ==, 9);
    assert_holds(ext.iov, ext.niov, (const uint8_t *)"hhbcdettt", 9);
    g_assert_cmpuint(qemu_iovec_discard_back(&ext, 4), ==, 4);
    g_assert_cmpuint(ext.size, ==, 5);
    assert_holds(ext.iov, ext.niov, (const uint8_t *)"hhbcd", 5);
    qemu_iovec_destroy(&ext);
}

static void test_one_buffer_needs_no_allocation(void)
{
    char buf[10] = { 0 };
    QEMUIOVector v = QEMU_IOVEC_INIT_BUF(v, buf, sizeof(buf)), w;

    g_assert_cmpuint(v.size, ==, 10);
    g_assert_true(qemu_iovec_is_zero(&v, 0, 10));
    g_assert_cmpuint(qemu_iovec_memset(&v, 3, 1, 2), ==, 2);
    g_assert_false(qemu_iovec_is_zero(&v, 0, 10));
    g_assert_true(qemu_iovec_is_zero(&v, 5, 5));
    g_assert_true(qemu_iovec_is_zero(&v, 0, 3));
    g_assert_false(qemu_iovec_is_zero(&v, 4, 2));
    qemu_iovec_init_buf(&w, buf, 5);
    g_assert_cmpuint(w.size, ==, 5);
    g_assert_true(qemu_iovec_buf(&w) == buf);
    g_assert_cmpuint(qemu_iovec_from_buf(&w, 4, "zz", 2), ==, 1);
    g_assert_cmpint(buf[4], ==, 'z');
}

static void test_hexdump_prints_sixteen_bytes_a_line(void)
{
    char buf[20] = "0123456789abcdefgh\n";
    struct iovec iov[] = { { buf, 5 }, { buf + 5, 15 } };
    g_autofree char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    iov_hexdump(iov, 2, f, "dump", 18);
    fclose(f);
    g_assert_true(g_str_has_prefix(text, "dump: 0000:  30 31 32 33  34"));
    g_assert_nonnull(strstr(text, "0123456789abcdef\ndump: 0010:  67 68"));
    g_assert_true(g_str_has_suffix(text, "gh\n"));
}

int main(int argc, char **argv)
{
    harness_init(&argc, &argv);
    harness_add("/iov/any_range_can_be_read", test_any_range_can_be_read);
    harness_add("/iov/any_range_can_be_written", test_any_range_can_be_written);
    harness_add("/iov/a_length_past_the_end_is_cut", test_a_length_past_the_end_is_cut);
    harness_add("/iov/constant_size_inside_the_first_piece",
                test_constant_size_inside_the_first_piece);
    harness_add("/iov/copy_describes_a_range", test_copy_describes_a_range);
    harness_add("/iov/copy_stops_when_the_target_is_full", test_copy_stops_when_the_target_is_full);
    harness_add("/iov/discard_takes_exactly_and_can_be_undone",
                test_discard_takes_exactly_and_can_be_undone);
    harness_add("/iov/socket_carries_any_pieces", test_socket_carries_any_pieces);
    harness_add("/iov/socket_that_would_block_gives_what_there_was",
                test_socket_that_would_block_gives_what_there_was);
    harness_add("/iov/vector_grows_and_concatenates", test_vector_grows_and_concatenates);
    harness_add("/iov/slice_finds_the_elements_of_a_range",
                test_slice_finds_the_elements_of_a_range);
    harness_add("/iov/padding_surrounds_the_middle", test_padding_surrounds_the_middle);
    harness_add("/iov/one_buffer_needs_no_allocation", test_one_buffer_needs_no_allocation);
    harness_add("/iov/hexdump_prints_sixteen_bytes_a_line",
                test_hexdump_prints_sixteen_bytes_a_line);
    return harness_run();
}
