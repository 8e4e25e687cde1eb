#!/bin/sh
# Replaces bubblewrap in tests, so that they prove the same on machines that allow no sandbox. It isolates nothing:
# it skips bubblewrap's options and runs the program in a new folder, with the file from `--ro-bind-data`.
while [ "$1" != /usr/bin/prlimit ] && [ "$1" != /bin/sh ]; do
    if [ "$1" = --ro-bind-data ]; then
        given=$(/usr/bin/readlink "/proc/self/fd/$2")
        name=${3##*/}
    fi
    shift
done
[ -n "$given" ] || exec "$@"
room=$(/usr/bin/mktemp -d -p "${given%/*}") && cd "$room" || exit 9
trap '/usr/bin/rm -rf "$room"' EXIT
/usr/bin/cp "$given" "./$name"
PATH=$room/bin HOME=$room TMPDIR=$room "$@"
