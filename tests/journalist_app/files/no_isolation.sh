#!/bin/sh
# Replaces bubblewrap in tests, so that they prove the same on machines that allow no sandbox. It isolates nothing:
# it skips bubblewrap's options and runs the program in a new folder, with the files from `--ro-bind-data`.
room=$(/usr/bin/mktemp -d) && given=
trap '/usr/bin/rm -rf "$room"' EXIT
while [ "$1" != /usr/bin/prlimit ] && [ "$1" != /bin/sh ]; do
    if [ "$1" = --ro-bind-data ]; then
        given=yes
        /usr/bin/cat "/proc/self/fd/$2" >"$room/${3##*/}" || exit 9
    fi
    shift
done
[ -n "$given" ] || { /usr/bin/rm -rf "$room" && exec "$@"; }
cd "$room" || exit 9
exec 2>/dev/null  # without the words of this shell about a program that was killed
PATH=$room/bin HOME=$room TMPDIR=$room "$@"
