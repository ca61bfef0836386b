/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The limit of any back-end with a client that has one request in flight: a thread that does
 * nothing but look for the request in memory and answer, and write to the client's eventfd unless
 * the client polls.
 *
 * Prints one line of JSON as vub-load does: requests, seconds, iops, CPU seconds (of the client).
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vub-client.h"

/* In cache lines of their own, as the two halves of a ring. */
static _Alignas(128) atomic_uint asked;
static _Alignas(128) atomic_uint answered;
static _Alignas(128) atomic_bool over;
static int call;
static bool polling;
static int answering_cpu; /* -1: any */

static void stay_on(int cpu)
{
    cpu_set_t set;

    if (cpu >= 0) {
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        if (sched_setaffinity(0, sizeof(set), &set) < 0) {
            perror("vub-wake: sched_setaffinity");
            exit(1);
        }
    }
}

static void *answer(void *opaque)
{
    stay_on(answering_cpu);
    while (!atomic_load(&over)) {
        unsigned n = atomic_load_explicit(&asked, memory_order_acquire);

        if (n != atomic_load_explicit(&answered, memory_order_relaxed)) {
            uint64_t one = 1;

            atomic_store_explicit(&answered, n, memory_order_release);
            if (!polling && write(call, &one, sizeof(one)) < 0) {
                perror("vub-wake: write");
                exit(1);
            }
        }
    }
    return NULL;
}

/* As a driver does that looks at the ring before it sleeps, and again whenever it is woken. */
static void ask(void)
{
    unsigned n = atomic_fetch_add(&asked, 1) + 1;

    while (atomic_load_explicit(&answered, memory_order_acquire) != n) {
        struct pollfd pfd = { .fd = call, .events = POLLIN };
        uint64_t count;

        if (polling) {
            continue;
        }
        if (poll(&pfd, 1, -1) < 0 || (read(call, &count, sizeof(count)) < 0 && errno != EAGAIN)) {
            perror("vub-wake: call");
            exit(1);
        }
    }
}

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    unsigned long done = 0;
    double begin, cpu, took;

    if (argc != 3 && argc != 5) {
        fprintf(stderr, "usage: vub-wake sleep|poll SECONDS [ANSWERING-CPU ASKING-CPU]\n");
        return 2;
    }
    polling = !strcmp(argv[1], "poll");
    answering_cpu = argc == 5 ? atoi(argv[3]) : -1;
    call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (call < 0 || pthread_create(&thread, NULL, answer, NULL)) {
        perror("vub-wake");
        return 1;
    }
    /* Not before the other has been begun, which inherits it. */
    stay_on(argc == 5 ? atoi(argv[4]) : -1);
    begin = vub_now();
    cpu = cpu_seconds();
    while ((done & 63) || vub_now() < begin + atof(argv[2])) {
        ask();
        done++;
    }
    took = vub_now() - begin;
    printf("{\"requests\": %lu, \"seconds\": %.3f, \"iops\": %.0f, \"cpu_seconds\": %.6f}\n", done,
           took, done / took, cpu_seconds() - cpu);
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    return 0;
}
