#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs the Debian packages that a purpose needs; does nothing when they are all there.
set -eu

usage()
{
    cat <<USAGE
usage: scripts/install-deps.sh [--list] PURPOSE...

Installs Debian 12 packages, by purpose:
  build    what compiles the daemon
  docs     what makes the man pages
  check    the second compiler, the formatter: what the tests need besides
  guests   the virtual machines that the tests and ./quickstart boot
  all      everything above
  fuzz     the fuzzers of tests/fuzz/run.py

  --list   print the package names and change nothing

Run it as root, or as a user who may use sudo.
USAGE
}

packages_for()
{
    case "$1" in
    build)
        echo gcc libc6-dev pkg-config meson ninja-build python3 \
             libglib2.0-dev liburing-dev libjson-c-dev libseccomp-dev \
             linux-libc-dev
        ;;
    check)
        echo clang clang-format g++ git qemu-system-common valgrind systemd
        ;;
    docs)
        echo pandoc
        ;;
    guests)
        echo qemu-system-x86 user-mode-linux busybox-static lz4 e2fsprogs fdisk gcc libc6-dev
        ;;
    fuzz)
        echo clang-14 libclang-rt-14-dev llvm-14 afl++
        ;;
    all)
        packages_for build
        packages_for check
        packages_for docs
        packages_for guests
        ;;
    *)
        echo "install-deps.sh: unknown purpose '$1'" >&2
        return 1
        ;;
    esac
}

missing_of()
{
    for package in "$@"; do
        state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=
        [ "$state" = installed ] || echo "$package"
    done
}

as_root()
{
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        echo "install-deps.sh: cannot install packages: run as root, or install sudo" >&2
        return 1
    fi
}

apt_install()
{
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "$@"
}

list_only=no
purposes=
for argument in "$@"; do
    case "$argument" in
    -h | --help)
        usage
        exit 0
        ;;
    --list)
        list_only=yes
        ;;
    -*)
        echo "install-deps.sh: unrecognized option '$argument'" >&2
        exit 1
        ;;
    *)
        purposes="$purposes $argument"
        ;;
    esac
done
if [ -z "$purposes" ]; then
    usage >&2
    exit 1
fi

wanted=
for purpose in $purposes; do
    names=$(packages_for "$purpose")
    wanted="$wanted $names"
done
# shellcheck disable=SC2086 # a list of package names, split on purpose
wanted=$(printf '%s\n' $wanted | sort -u)

if [ "$list_only" = yes ]; then
    echo "$wanted"
    exit 0
fi

# shellcheck disable=SC2086
missing=$(missing_of $wanted)
[ -n "$missing" ] || exit 0

echo "installing:" $missing
# An index that is there and not stale saves the slow update; one that is stale fails below.
# shellcheck disable=SC2086
if apt-cache policy $missing 2>/dev/null | grep -q 'Candidate: [^(]' && apt_install $missing; then
    exit 0
fi
as_root apt-get update
# shellcheck disable=SC2086
apt_install $missing
