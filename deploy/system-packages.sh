#!/bin/sh
# Install the system packages that the tests need: through apt when root, else say which are missing and stop.
set -eu

missing=""
needs() {  # needs PACKAGE FILE-OR-COMMAND
    case $2 in
        /*) [ -e "$2" ] || missing="$missing $1" ;;
        *) command -v "$2" >/dev/null 2>&1 || missing="$missing $1" ;;
    esac
}

library() {  # library NAME: where it lies, or a path that does not exist
    found=$(/sbin/ldconfig -p | sed -n "s|.* => \(.*/$1\)$|\1|p" | head -n 1)
    echo "${found:-/missing/$1}"
}

needs chromium chromium
needs age age
needs minisign minisign
needs gnupg gpg
needs w3m w3m
needs tmux tmux
needs wdutch /usr/share/dict/dutch
needs fonts-dejavu-core /usr/share/fonts/truetype/dejavu
needs libpango-1.0-0 "$(library libpango-1.0.so.0)"
needs libpangoft2-1.0-0 "$(library libpangoft2-1.0.so.0)"
needs libharfbuzz-subset0 "$(library libharfbuzz-subset.so.0)"
needs poppler-utils pdftotext
command -v npm >/dev/null 2>&1 || missing="$missing nodejs npm"

[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "The tests need these system packages:$missing"
    echo "Install them as root, for example: apt-get install$missing"
    exit 1
fi
echo "Installing system packages:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
# $missing is a list on purpose.
# shellcheck disable=SC2086
apt-get -qq install --yes --no-install-recommends $missing >/dev/null
