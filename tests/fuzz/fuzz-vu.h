/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vhost-user front-end made of an input's bytes: guest memory, descriptors of every kind,
 * messages of any shape, and a device to talk to.
 *
 * Everything lives in one thread; whoever reads the other end is called between two steps.
 */
#ifndef TESTS_FUZZ_FUZZ_VU_H
#define TESTS_FUZZ_FUZZ_VU_H

#include "fuzz.h"
#include "libvhost-user.h"

/* Guest memory: a memfd that is there from the first input on, and ours to look at. */
/* Misses that are remembered. */
#define FUZZ_MISSES    8
#define FUZZ_MEM_PAGES 16
#define FUZZ_MEM_SIZE  (FUZZ_MEM_PAGES * 4096)

typedef enum FuzzFdKind {
    FUZZ_FD_MEMORY, /* guest memory */
    FUZZ_FD_EVENT,  /* an eventfd; two of them, to be told apart */
    FUZZ_FD_EVENT2,
    FUZZ_FD_SMALL, /* a file of one page, which the input can cut off */
    FUZZ_FD_PIPE_READ,
    FUZZ_FD_PIPE_WRITE,
    FUZZ_FD_SOCKET, /* a stream socket; we have the other end */
    FUZZ_FD_DGRAM,
    FUZZ_FD_NULL,     /* /dev/null */
    FUZZ_FD_READONLY, /* guest memory, opened for reading only */
    FUZZ_FD_FOLDER,
    FUZZ_FD_EPOLL,
    FUZZ_FD__MAX,
} FuzzFdKind;

/* One connection's front-end. */
typedef struct FuzzFront {
    int sock;
    int fds[FUZZ_FD__MAX];        /* made when first wanted; -1: not yet */
    int socket_end;               /* of FUZZ_FD_SOCKET; -1: not yet */
    uint64_t misses[FUZZ_MISSES]; /* addresses that the back-end has asked for, the newest last */
    unsigned nmisses;
    bool out_of_step; /* what was sent is no whole number of messages */
    /* Called between the two halves of a message that is sent in two; NULL: never in two. */
    void (*between)(void *opaque);
    void *opaque;
} FuzzFront;

/* Once: make guest memory. */
void fuzz_front_setup(void);
/* Guest memory as this process sees it. */
uint8_t *fuzz_memory(void);

/* A new connection; takes @sock. */
void fuzz_front_init(FuzzFront *front, int sock);
/* Close everything, zero guest memory. */
void fuzz_front_done(FuzzFront *front);
/* A descriptor of that kind; stays the front-end's. */
int fuzz_front_fd(FuzzFront *front, FuzzFdKind kind);

/*
 * Send the message that the tape describes. Sets out_of_step when the payload has not the size
 * that the header says: then nobody knows any more where a message ends.
 */
void fuzz_front_message(FuzzFront *front, FuzzTape *tape);
/* A message of the front-end's own; @fd may be -1. */
void fuzz_front_send(FuzzFront *front, uint32_t request, const void *payload, uint32_t size,
                     int fd);
/* The same with @n times guest memory. */
void fuzz_front_send_memory(FuzzFront *front, uint32_t request, const void *payload, uint32_t size,
                            int n);
/* Read and forget what came back on the connection and on the back-end's channel. */
void fuzz_front_drain(FuzzFront *front);

/* What an input can do besides messages; one byte of the tape each. */
typedef enum FuzzDeed {
    FUZZ_DEED_WRITE,    /* write to guest memory: u16 offset, u8 length, the bytes */
    FUZZ_DEED_KICK,     /* write to a descriptor: u8 kind */
    FUZZ_DEED_TRUNCATE, /* cut FUZZ_FD_SMALL off */
    FUZZ_DEED_ANSWER,   /* the back-end's channel answers: u64 */
    FUZZ_DEED_HANGUP,   /* the back-end's channel is closed */
    FUZZ_DEED__MAX,
} FuzzDeed;

/* Do what the tape describes. */
void fuzz_front_deed(FuzzFront *front, FuzzDeed deed, FuzzTape *tape);

#endif
