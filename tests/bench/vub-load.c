/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A load on a vhost-user-blk socket: a small front-end and driver in one.
 *
 * Sets up split rings with EVENT_IDX, each with a thread of its own, keeps requests in flight, and
 * sleeps on the call descriptor when nothing has completed. Prints one line of JSON: requests,
 * seconds, iops, kicks, sleeps, the CPU seconds that the client itself used, and how long a request
 * took from its publication to the moment its completion was seen: median and other quantiles, and
 * the longest, in microseconds.
 */
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vub-queue.h"

enum {
    MAX_QUEUES = 64
};

typedef struct Load {
    VubPlan plan;
    const char *path;
    bool linger;
    int sock;
    VubMemory memory;
    VubQueue *queues;
} Load;

/* ---- Options ---- */

static const char usage_text[] =
    "usage: vub-load [OPTION]... SOCKET read|write|mix DEPTH SECONDS [BLOCK-BYTES [REQUESTS]]\n"
    "\n"
    "Ends after SECONDS, or after about REQUESTS if that is sooner. mix: 70 of 100 requests read.\n"
    "\n"
    "  -s, --sequential   ascending blocks (default: random ones)\n"
    "  -q, --queues=N     N queues, each with a thread and DEPTH requests in flight (1)\n"
    "  -p, --poll-us=N    look at the used index for N microseconds before each sleep (0)\n"
    "  -r, --rate=N       N requests a second in each queue, DEPTH at a time (as many as it can)\n"
    "  -l, --linger       stay attached when all is done, until killed\n";

static const struct option long_options[] = {
    { "sequential", no_argument, NULL, 's' },
    { "queues", required_argument, NULL, 'q' },
    { "poll-us", required_argument, NULL, 'p' },
    { "rate", required_argument, NULL, 'r' },
    { "linger", no_argument, NULL, 'l' },
    { "help", no_argument, NULL, 'h' },
    { 0 },
};

static _Noreturn void usage(int status)
{
    fputs(usage_text, status ? stderr : stdout);
    exit(status);
}

static void parse_options(Load *load, int argc, char **argv)
{
    int option;

    while ((option = getopt_long(argc, argv, "sq:p:r:lh", long_options, NULL)) != -1) {
        switch (option) {
        case 's':
            load->plan.sequential = true;
            break;
        case 'q':
            load->plan.queues = atoi(optarg);
            break;
        case 'p':
            load->plan.poll_ns = strtoull(optarg, NULL, 10) * 1000;
            break;
        case 'r':
            load->plan.rate = atof(optarg);
            break;
        case 'l':
            load->linger = true;
            break;
        default:
            usage(option == 'h' ? 0 : 2);
        }
    }
}

static void parse_positional(Load *load, int argc, char **argv)
{
    VubPlan *plan = &load->plan;

    if (argc < 4 || argc > 6) {
        usage(2);
    }
    load->path = argv[0];
    plan->operation = vub_operation(argv[1]);
    plan->depth = atoi(argv[2]);
    plan->seconds = atof(argv[3]);
    if (argc > 4) {
        plan->block_bytes = atoi(argv[4]);
    }
    if (argc > 5) {
        plan->requests = strtoull(argv[5], NULL, 10) / plan->queues;
    }
}

static void parse(Load *load, int argc, char **argv)
{
    VubPlan *plan = &load->plan;

    parse_options(load, argc, argv);
    if (plan->queues < 1 || plan->queues > MAX_QUEUES) {
        fprintf(stderr, "vub-load: 1 to %d queues\n", MAX_QUEUES);
        exit(2);
    }
    parse_positional(load, argc - optind, argv + optind);
    if (plan->operation == VUB_OPERATION__MAX || plan->depth < 1 || plan->depth > VUB_MAX_DEPTH ||
        plan->block_bytes % 512 || !plan->block_bytes) {
        fprintf(stderr,
                "vub-load: read, write or mix; depth 1 to %d; block size a multiple of 512\n",
                VUB_MAX_DEPTH);
        exit(2);
    }
}

/* ---- The front-end ---- */

static void check(bool ok)
{
    if (!ok) {
        fprintf(stderr, "vub-load: the daemon has hung up\n");
        exit(1);
    }
}

static uint64_t disk_bytes(const Load *load)
{
    /* As much of the config space as every peer has. */
    const uint32_t config_bytes = offsetof(struct virtio_blk_config, max_secure_erase_sectors);
    VubMessage msg = { .config = { .size = config_bytes } };

    check(vub_send(load->sock, &msg, VUB_GET_CONFIG, 12 + config_bytes, -1));
    check(vub_receive(load->sock, &msg));
    return msg.config.blk.capacity * 512;
}

static void set_up(Load *load)
{
    const VubPlan *plan = &load->plan;
    uint64_t features, blocks;

    load->sock = vub_connect(load->path);
    check(vub_negotiate(load->sock,
                        1ull << VUB_F_VERSION_1 | 1ull << VUB_F_EVENT_IDX | 1ull << VUB_F_PROTOCOL |
                            1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_BLK_F_MQ,
                        1 << VUB_PROTOCOL_F_CONFIG | 1 << VUB_PROTOCOL_F_MQ));
    blocks = disk_bytes(load) / plan->block_bytes;
    vub_memory_init(&load->memory, plan->queues * vub_queue_bytes(plan));
    memset(load->memory.base, 0, load->memory.bytes);
    check(vub_memory_share(load->sock, &load->memory));
    load->queues = calloc(plan->queues, sizeof(VubQueue));
    for (unsigned i = 0; i < plan->queues; i++) {
        vub_queue_init(&load->queues[i], plan, &load->memory, i, blocks);
        check(vub_ring_start(load->sock, &load->queues[i].ring));
    }
    check(vub_ask_u64(load->sock, VUB_GET_FEATURES, &features)); /* all of it has been obeyed */
}

/* ---- The load ---- */

static void *queue_thread(void *opaque)
{
    vub_queue_run(opaque);
    return NULL;
}

static void run(Load *load)
{
    pthread_t threads[MAX_QUEUES];

    for (unsigned i = 1; i < load->plan.queues; i++) {
        if (pthread_create(&threads[i], NULL, queue_thread, &load->queues[i])) {
            vub_die("thread");
        }
    }
    vub_queue_run(&load->queues[0]);
    for (unsigned i = 1; i < load->plan.queues; i++) {
        pthread_join(threads[i], NULL);
    }
}

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void report(const Load *load, double seconds, double cpu)
{
    static VubHistogram times;
    unsigned long long kicks = 0, sleeps = 0;

    for (unsigned i = 0; i < load->plan.queues; i++) {
        kicks += load->queues[i].kicks;
        sleeps += load->queues[i].sleeps;
        vub_histogram_merge(&times, &load->queues[i].times);
    }
    printf("{\"requests\": %llu, \"seconds\": %.3f, \"iops\": %.0f, \"kicks\": %llu, "
           "\"sleeps\": %llu, \"cpu_seconds\": %.6f, \"p50_us\": %.1f, \"p99_us\": %.1f, "
           "\"p999_us\": %.1f, \"max_us\": %.1f}\n",
           (unsigned long long)times.count, seconds, times.count / seconds, kicks, sleeps, cpu,
           vub_histogram_quantile(&times, 0.5) / 1e3, vub_histogram_quantile(&times, 0.99) / 1e3,
           vub_histogram_quantile(&times, 0.999) / 1e3, times.longest / 1e3);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static Load load = { .plan = { .block_bytes = 4096, .queues = 1, .requests = UINT64_MAX } };
    double start, cpu;

    parse(&load, argc, argv);
    set_up(&load);
    start = vub_now();
    cpu = cpu_seconds();
    run(&load);
    report(&load, vub_now() - start, cpu_seconds() - cpu);
    while (load.linger) {
        pause();
    }
    return 0;
}
