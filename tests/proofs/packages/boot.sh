#!/bin/sh
# Boot a Debian: systemd is PID 1 in namespaces of its own, with its own /dev, /run and cgroup. Needs root.
#   boot.sh disk ROOT     the Debian in the folder ROOT
#   boot.sh memory ROOT   a copy in memory of the Debian that runs here, without its users and services. ROOT is an
#                         empty folder, and stays empty
# When this script is killed, the kernel ends the whole machine.
set -eu
umask 022
kind=$1
root=$2
if [ "${3:-}" = "" ]; then
    # In its cgroup, systemd may limit memory and tasks. The cgroups have the name of this process.
    for tasks in /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs; do
        folder=${tasks%/cgroup.procs}/steunpunt-test-$$
        case $tasks in
            */cpuset/*) ;;  # a group of cpuset has no processor at first, and systemd does not use it
            *) [ ! -e "$tasks" ] || { mkdir "$folder" && echo $$ >"$folder/cgroup.procs"; } ;;
        esac
    done
    exec unshare --mount --pid --net --uts --ipc --cgroup --fork --kill-child "$0" "$kind" "$root" inside
fi
mount --make-rprivate /
case $kind in
    disk) mount --bind "$root" "$root" ;;
    memory)
        mount -t tmpfs -o mode=755 tmpfs "$root"
        for part in usr etc var; do
            mkdir -p "$root/$part" "$root/.$part/upper" "$root/.$part/work"
            mount -t overlay -o "lowerdir=/$part,upperdir=$root/.$part/upper,workdir=$root/.$part/work" overlay "$root/$part"
        done
        for link in bin sbin lib lib64; do
            ln -s "usr/$link" "$root/$link"
        done
        for folder in dev home media mnt proc root run srv sys tmp usr/local var/tmp; do
            mkdir -p "$root/$folder"
            mount -t tmpfs -o mode=755 tmpfs "$root/$folder"
        done
        chmod 1777 "$root/tmp" "$root/var/tmp"
        rm -rf "$root"/etc/systemd/system/* "$root"/etc/fstab "$root"/usr/sbin/policy-rc.d "$root"/var/lib/steunpunt "$root"/var/lib/tor/steunpunt-*
        ;;
esac
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"  # the settings of this kernel stay
mount -t sysfs -o ro sysfs "$root/sys"
# If the kernel has AppArmor, the machine loads its profiles here.
! grep -qs Y /sys/module/apparmor/parameters/enabled || mount -t securityfs securityfs "$root/sys/kernel/security"
grep -E '^[^ ]+ /sys/fs/cgroup' /proc/self/mounts | while read -r _ place kind options _; do
    case $kind$options in
        *cpuset*) ;;
        tmpfs*) mount -t tmpfs -o mode=755 tmpfs "$root$place" ;;
        cgroup*) mkdir -p "$root$place" && mount -t "$kind" -o "$(echo "$options" | sed 's/^rw,relatime,*//; s/^$/rw/')" cgroup "$root$place" ;;
    esac
done
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/zero" c 1 5
mknod -m 666 "$root/dev/full" c 1 7
mknod -m 666 "$root/dev/random" c 1 8
mknod -m 666 "$root/dev/urandom" c 1 9
mknod -m 666 "$root/dev/tty" c 5 0
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir "$root/run/whole-proc"  # bubblewrap may mount /proc only if a whole /proc is there, without a read-only part
mount -t proc proc "$root/run/whole-proc"
hostname steunpunt-test
cd "$root"
mkdir -p old-root
pivot_root . old-root
exec chroot . /bin/sh -c 'umount -l /old-root && container=steunpunt-test exec setpriv --bounding-set=-sys_module /lib/systemd/systemd --show-status=false'
