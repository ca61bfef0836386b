#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Compiles a test that was written for QEMU's APIs against our headers and libraries.
#
# usage: build-foreign-test.sh [-b BUILD] [-o PROGRAM] FILE.c... [-- COMPILER-OPTION...]
#
# BUILD is a build folder that ninja has finished with (default: build). PROGRAM is by default the
# name of the first file without .c, in the current folder. Several files are one program. What a
# test defines itself takes precedence over our function of that name. Setting up
# (qemu_init_main_loop(), module_call_init(), bdrv_init() ...) is the test's own business.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
build=$top/build
program=
while getopts b:o: option; do
    case $option in
    b) build=$(cd "$OPTARG" && pwd) ;;
    o) program=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || { sed -n '5s/^# //p' "$0" >&2; exit 2; }
[ -n "$program" ] || program=$(basename "$1" .c)

# Files as they are; what follows -- too.
count=$#
for word; do
    [ "$word" = -- ] || set -- "$@" "$word"
done
shift "$count"

# The sanitizers of the build; nothing else of its options matters to who links with it.
sanitize=$(python3 - "$build" <<'PYTHON'
import json, pathlib, sys
options = json.loads((pathlib.Path(sys.argv[1]) / 'meson-info/intro-buildoptions.json').read_text())
value = {o['name']: o['value'] for o in options}['b_sanitize']
value = value if isinstance(value, str) else ','.join(value)
print('' if value in ('', 'none') else '-fsanitize=' + value)
PYTHON
)

# shellcheck disable=SC2086,SC2046 # options are words
exec ${CC:-cc} -std=gnu11 -O1 -g -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -fno-strict-aliasing -fwrapv \
    -Wno-ignored-attributes \
    $sanitize -I "$top/include" -I "$top" -I "$build" -I "$build/include" \
    -I "$top/subprojects/libvhost-user" -iquote "$top/tests/unit" $(pkg-config --cflags glib-2.0) \
    -o "$program" "$@" -Wl,--allow-multiple-definition \
    -Wl,--whole-archive "$build/io/libio.a" "$build/block/libblock.a" "$build/chardev/libchardev.a" \
    -Wl,--no-whole-archive -Wl,--start-group "$build/block/export/libblockexport.a" \
    "$build/libvhostuserserver.a" "$build/monitor/libmonitor.a" "$build/qom/libqom.a" \
    "$build/qapi/libqapi.a" "$build/qobject/libqobject.a" "$build/util/libqemuaio.a" \
    "$build/util/libqemuutil.a" "$build/subprojects/libvhost-user/libvhost-user.a" -Wl,--end-group \
    $(pkg-config --libs glib-2.0 json-c) \
    $(grep -q CONFIG_LINUX_IO_URING "$build/config-host.h" && pkg-config --libs liburing) \
    -lpthread -lresolv
