#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Puts Debian's cloud kernel into a folder, without installing it; does nothing if it is there.
set -eu

if [ $# -ne 1 ] || [ "$1" = --help ] || [ "$1" = -h ]; then
    echo "usage: scripts/guest-kernel.sh FOLDER"
    echo "Downloads linux-image-cloud-amd64 and unpacks it into FOLDER/kernel (boot/, lib/modules/)."
    [ "${1-}" = --help ] || [ "${1-}" = -h ]
    exit
fi
folder=$1
[ -e "$folder/kernel" ] && exit 0

kernel_package()
{
    apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: *//p' | head -n 1
}

download()
{
    package=$(kernel_package)
    [ -n "$package" ] && apt-get download "$package"
}

update_index()
{
    if [ "$(id -u)" -eq 0 ]; then
        apt-get update
    else
        sudo apt-get update
    fi
}

mkdir -p "$folder"
work=$(mktemp -d "$folder/kernel.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
(
    cd "$work"
    # An old index names packages that the mirror no longer has.
    download 2>download.log || { update_index >>download.log 2>&1 && download 2>>download.log; } ||
        { cat download.log >&2; exit 1; }
    for deb in *.deb; do
        dpkg -x "$deb" unpacked
        rm "$deb"
    done
)
chmod 755 "$work/unpacked"
mv -T "$work/unpacked" "$folder/kernel" 2>/dev/null || [ -e "$folder/kernel" ]
