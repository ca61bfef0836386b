/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Crypto sessions: the front-end hands over keys, the device gives a number for them.
 */
#include <errno.h>
#include <string.h>

#include "vu-internal.h"

/* The key lengths are the only numbers that a device uses as lengths. */
static bool key_lengths_ok(const VhostUserCryptoSession *session)
{
    /* VIRTIO_CRYPTO_OPCODE(): the service is in the upper bits; 4 is that of asymmetric ciphers. */
    const uint64_t service_akcipher = 4;

    if (session->op_code >> 8 == service_akcipher) {
        return session->u.asym.key_len <= sizeof(session->u.asym.key);
    }
    return session->u.sym.cipher_key_len <= sizeof(session->u.sym.cipher_key) &&
           session->u.sym.auth_key_len <= sizeof(session->u.sym.auth_key);
}

int vu_create_crypto_session(VuDev *dev, VhostUserMsg *msg)
{
    VhostUserCryptoSession session = msg->payload.session;
    int64_t id;

    if (!key_lengths_ok(&session)) {
        return vu_refuse(dev, EINVAL, "a key is longer than its place");
    }
    id = dev->iface->create_crypto_session ? dev->iface->create_crypto_session(dev, &session) : -1;
    if (id < 0) {
        return vu_refuse(dev, EINVAL, "the device makes no such session");
    }
    msg->payload.session.session_id = id;
    return VU_REPLY;
}

int vu_close_crypto_session(VuDev *dev, VhostUserMsg *msg)
{
    uint64_t id = msg->payload.u64;

    if (!dev->iface->close_crypto_session || dev->iface->close_crypto_session(dev, id) != 0) {
        return vu_refuse(dev, ENOENT, "there is no session %llu", (unsigned long long)id);
    }
    return VU_DONE;
}
