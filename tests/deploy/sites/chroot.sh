#!/bin/sh
# Run a reverse proxy in a chroot: chroot.sh FOLDER COMMAND. The chroot has the files of this machine, and those of
# FOLDER/files. Everything that is written is in FOLDER/disk/written, in memory. Needs root, and `unshare --mount --net`.
set -eu
folder=$1
shift
ip link set lo up
mount --make-rprivate /
mkdir "$folder/disk"
mount -t tmpfs tmpfs "$folder/disk"
cd "$folder/disk"
mkdir written work root
mount -t overlay overlay -o "lowerdir=/,upperdir=$PWD/written,workdir=$PWD/work" root
cp -R "$folder/files/." root
mount --rbind /dev root/dev
mount -t proc proc root/proc
exec chroot root "$@"
