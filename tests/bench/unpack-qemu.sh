#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Unpacks QEMU of Debian's next release, with all that it needs, into a folder: a client and a peer
# for foreign.py. Installs nothing, and needs no rights.
set -eu
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
mkdir -p "$1"
cd "$1"
top=$(pwd)
suite=${SUITE:-trixie}
mirror=${MIRROR:-http://deb.debian.org/debian}

mkdir -p apt/state/lists/partial apt/cache/archives/partial packages root
: >apt/status
echo "deb $mirror $suite main" >apt/sources.list
cat >apt/apt.conf <<EOF
Dir::State "$top/apt/state";
Dir::Cache "$top/apt/cache";
Dir::State::status "$top/apt/status";
Dir::Etc::sourcelist "$top/apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
EOF
APT_CONFIG=$top/apt/apt.conf
export APT_CONFIG

apt-get -q update
names=$(apt-get -q -s -o APT::Install-Recommends=false install \
    qemu-system-common qemu-utils qemu-block-extra | sed -n 's/^Inst \([^ ]*\) .*/\1/p')
cd packages
# shellcheck disable=SC2086 # one word a package
apt-get -q download $names
for package in *.deb; do
    dpkg -x "$package" ../root
done
echo "unpacked into $top/root"
