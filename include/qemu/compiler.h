/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the compiler gives: attributes, build-time checks, token tools. */
#ifndef QEMU_COMPILER_H
#define QEMU_COMPILER_H

#include <stddef.h>

/* Attributes */
#define QEMU_PACKED             __attribute__((packed))
#define QEMU_ALIGNED(n)         __attribute__((aligned(n)))
#define QEMU_WARN_UNUSED_RESULT __attribute__((warn_unused_result))
#define QEMU_SENTINEL           __attribute__((sentinel))
#define QEMU_ALWAYS_INLINE      __attribute__((always_inline)) inline
#define QEMU_NOINLINE           __attribute__((noinline))
#define QEMU_USED               __attribute__((used))
#define QEMU_FLATTEN            __attribute__((flatten))

#if defined(__clang__)
#define QEMU_NONSTRING
#else
#define QEMU_NONSTRING __attribute__((nonstring))
#endif

#ifdef __has_attribute
#if __has_attribute(error)
#define QEMU_ERROR(text) __attribute__((error(text)))
#endif
#endif
#ifndef QEMU_ERROR
#define QEMU_ERROR(text)
#endif

#ifndef likely
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

/* Keeps the compiler (not the processor) from moving memory accesses across it. */
#ifndef barrier
#define barrier() __asm__ volatile("" ::: "memory")
#endif

/* Tokens: xglue() and stringify() expand their arguments first, glue() and tostring() do not. */
#ifndef glue
#define xglue(a, b)  a##b
#define glue(a, b)   xglue(a, b)
#define stringify(s) tostring(s)
#define tostring(s)  #s
#endif

#define typeof_field(type, field) __typeof__(((type *)0)->field)
#define sizeof_field(type, field) sizeof(((type *)0)->field)

/* The structure of type @type whose member @member is at @ptr; checks the pointer's type. */
#ifndef container_of
#define container_of(ptr, type, member)                         \
    __extension__({                                             \
        const typeof_field(type, member) *member_ptr_ = (ptr);  \
        (type *)((char *)member_ptr_ - offsetof(type, member)); \
    })
#endif

/* A down cast that fails to compile unless @field is the first member of @type. */
#define DO_UPCAST(type, field, dev)                                                               \
    __extension__({                                                                               \
        _Static_assert(offsetof(type, field) == 0, #field " must be the first member of " #type); \
        container_of(dev, type, field);                                                           \
    })

/* Build-time assertions: as a declaration or statement, with a text, and as the expression 0. */
#define QEMU_BUILD_BUG_MSG(cond, msg) _Static_assert(!(cond), msg)
#define QEMU_BUILD_BUG_ON(cond)       QEMU_BUILD_BUG_MSG(cond, "must not be: " #cond)
#define QEMU_BUILD_BUG_ON_ZERO(cond)                          \
    (sizeof(struct { int not_negative : (cond) ? -1 : 1; }) - \
     sizeof(struct { int not_negative : (cond) ? -1 : 1; }))

/*
 * IS_ENABLED(CONFIG_X): 1 when CONFIG_X is defined as 1 or as nothing, else 0; a constant that
 * works in #if and in plain code.
 */
#define QEMU_ENABLED_ARG_                      0,
#define QEMU_ENABLED_ARG_1                     0,
#define QEMU_ENABLED_SECOND(ignored, val, ...) val
#define QEMU_ENABLED_PICK(arg_or_junk)         QEMU_ENABLED_SECOND(arg_or_junk 1, 0, 0)
#define QEMU_ENABLED_PASTE(value)              QEMU_ENABLED_PICK(QEMU_ENABLED_ARG_##value)
#define IS_ENABLED(option)                     QEMU_ENABLED_PASTE(option)

/* MAKE_IDENTIFIER(x): an identifier that no other use of the macro in this file makes. */
#define MAKE_IDENTIFIER(prefix) glue(prefix, __COUNTER__)

#endif
