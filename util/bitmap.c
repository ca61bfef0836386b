/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bits in arrays of words: finding, setting and combining them. */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"

/* The first one at or after @offset of the map's words, each xored with @flip. */
static unsigned long find_next(const unsigned long *addr, unsigned long size, unsigned long offset,
                               unsigned long flip)
{
    unsigned long word, i;

    if (offset >= size) {
        return size;
    }
    i = BIT_WORD(offset);
    word = (addr[i] ^ flip) & BITMAP_FIRST_WORD_MASK(offset);
    while (!word) {
        if (++i >= BITS_TO_LONGS(size)) {
            return size;
        }
        word = addr[i] ^ flip;
    }
    return MIN(i * BITS_PER_LONG + ctzl(word), size);
}

unsigned long find_next_bit(const unsigned long *addr, unsigned long size, unsigned long offset)
{
    return find_next(addr, size, offset, 0);
}

unsigned long find_next_zero_bit(const unsigned long *addr, unsigned long size,
                                 unsigned long offset)
{
    return find_next(addr, size, offset, ~0UL);
}

unsigned long find_last_bit(const unsigned long *addr, unsigned long size)
{
    unsigned long mask = BITMAP_LAST_WORD_MASK(size);

    for (unsigned long i = BITS_TO_LONGS(size); i-- > 0; mask = ~0UL) {
        if (addr[i] & mask) {
            return i * BITS_PER_LONG + BITS_PER_LONG - 1 - clzl(addr[i] & mask);
        }
    }
    return size;
}

void bitmap_fill(unsigned long *dst, long nbits)
{
    memset(dst, 0xff, nbits / BITS_PER_LONG * sizeof(unsigned long));
    if (nbits % BITS_PER_LONG) {
        dst[BIT_WORD(nbits)] = BITMAP_LAST_WORD_MASK(nbits);
    }
}

/* The bits of word @i that lie in [@start, @end). */
static unsigned long word_mask(long i, long start, long end)
{
    unsigned long mask = ~0UL;

    if (i == BIT_WORD(start)) {
        mask &= BITMAP_FIRST_WORD_MASK(start);
    }
    if (i == BIT_WORD(end - 1)) {
        mask &= BITMAP_LAST_WORD_MASK(end);
    }
    return mask;
}

void bitmap_set(unsigned long *map, long start, long nr)
{
    assert(start >= 0 && nr >= 0);
    for (long i = BIT_WORD(start); nr && i <= BIT_WORD(start + nr - 1); i++) {
        map[i] |= word_mask(i, start, start + nr);
    }
}

void bitmap_clear(unsigned long *map, long start, long nr)
{
    assert(start >= 0 && nr >= 0);
    for (long i = BIT_WORD(start); nr && i <= BIT_WORD(start + nr - 1); i++) {
        map[i] &= ~word_mask(i, start, start + nr);
    }
}

bool bitmap_empty(const unsigned long *src, long nbits)
{
    return find_first_bit(src, nbits) == nbits;
}

bool bitmap_full(const unsigned long *src, long nbits)
{
    return find_first_zero_bit(src, nbits) == nbits;
}

bool bitmap_equal(const unsigned long *a, const unsigned long *b, long nbits)
{
    long words = nbits / BITS_PER_LONG;

    if (memcmp(a, b, words * sizeof(unsigned long))) {
        return false;
    }
    return nbits % BITS_PER_LONG == 0 || !((a[words] ^ b[words]) & BITMAP_LAST_WORD_MASK(nbits));
}

long bitmap_count_one(const unsigned long *bitmap, long nbits)
{
    long count = 0;

    for (long i = 0; i < nbits / BITS_PER_LONG; i++) {
        count += ctpopl(bitmap[i]);
    }
    if (nbits % BITS_PER_LONG) {
        count += ctpopl(bitmap[BIT_WORD(nbits)] & BITMAP_LAST_WORD_MASK(nbits));
    }
    return count;
}

bool bitmap_and(unsigned long *dst, const unsigned long *a, const unsigned long *b, long nbits)
{
    for (long i = 0; i < BITS_TO_LONGS(nbits); i++) {
        dst[i] = a[i] & b[i];
    }
    return !bitmap_empty(dst, nbits);
}

void bitmap_or(unsigned long *dst, const unsigned long *a, const unsigned long *b, long nbits)
{
    for (long i = 0; i < BITS_TO_LONGS(nbits); i++) {
        dst[i] = a[i] | b[i];
    }
}

void bitmap_andnot(unsigned long *dst, const unsigned long *a, const unsigned long *b, long nbits)
{
    for (long i = 0; i < BITS_TO_LONGS(nbits); i++) {
        dst[i] = a[i] & ~b[i];
    }
}

void bitmap_complement(unsigned long *dst, const unsigned long *src, long nbits)
{
    for (long i = 0; i < BITS_TO_LONGS(nbits); i++) {
        dst[i] = ~src[i];
    }
}

unsigned long *bitmap_zero_extend(unsigned long *old, long old_nbits, long new_nbits)
{
    unsigned long *map = g_renew(unsigned long, old, BITS_TO_LONGS(new_nbits));

    assert(new_nbits >= old_nbits);
    if (new_nbits > old_nbits) {
        long end = BITS_TO_LONGS(new_nbits) * BITS_PER_LONG;

        bitmap_clear(map, old_nbits, end - old_nbits);
    }
    return map;
}
