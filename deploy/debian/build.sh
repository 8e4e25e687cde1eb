#!/bin/sh
# Build the Debian packages of this Debian release: build.sh FOLDER
# The packages have the committed files only. Two builds of one commit are the same, byte for byte (ADR 32).
set -eu
umask 022
cd "$(dirname "$0")/../.."
out=$(mkdir -p "$1" && cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python=/usr/bin/python3
minor=$($python -c 'import sys; print(sys.version_info.minor)')
arch=$(dpkg --print-architecture)
release=$(. /etc/os-release && echo "$VERSION_ID")
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8 TZ=UTC

number=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
version=$number
if [ "$(git tag --points-at HEAD "v$number")" = "" ]; then  # ~: older than the release
    version="$number~$(date --date="@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S).$(git rev-parse --short=8 HEAD)"
fi
version="$version+deb$release"

# ---- the program, which both packages have ---------------------------------------------------------

home=usr/lib/steunpunt
program=$work/program/$home
packages=$program/lib/python3.$minor/site-packages
mkdir -p "$program/bin" "$packages"

# The Makefile says why: only wheels with a pinned hash, and stem from its pinned source.
$python -m venv "$work/tools"
pip="$work/tools/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --only-binary :all: --require-hashes"
$pip -r requirements-build.txt
$pip --no-binary stem --use-pep517 --no-build-isolation --report "$work/report.json" \
    --target "$packages" -r requirements.txt
rm -r "$packages/bin"
find "$packages" -name RECORD -delete  # dpkg has this list too, and a script that we leave out names the folder of the build

# A virtual environment of Debian's own Python. It is written by hand, because `venv` writes the folder of the build.
ln -s "/usr/bin/python3.$minor" "$program/bin/python"
cat >"$program/bin/steunpunt" <<END
#!/$home/bin/python -P
if __name__ == "__main__":  # each process that verifies a store loads this file too
    from deploy.cli.main import main

    main(prog_name="steunpunt")
END
chmod 755 "$program/bin/steunpunt"
printf 'home = /usr/bin\ninclude-system-site-packages = false\n' >"$program/pyvenv.cfg"
echo "/$home/program" >"$packages/steunpunt.pth"
mkdir "$packages/steunpunt_mailbox-$number.dist-info"
printf 'Metadata-Version: 2.1\nName: steunpunt-mailbox\nVersion: %s\n' "$number" \
    >"$packages/steunpunt_mailbox-$number.dist-info/METADATA"

mkdir "$program/program"
git -c tar.umask=0022 archive HEAD | tar --extract --directory "$program/program" --wildcards \
    --exclude='deploy/debian' --exclude='*.sh' \
    crypto protocol gpg programs store stored_mailbox sync source_app journalist_app web report deploy languages \
    config.example.toml
for catalogues in "$program"/program/languages "$program"/program/*/translations; do
    PYTHONPATH=$packages $python -m babel.messages.frontend --quiet compile --directory "$catalogues"
done
# Babel writes the time of the build.
find "$program/program" -name '*.mo' -exec env LC_ALL=C sed -i \
    "s/^POT-Creation-Date: .*/POT-Creation-Date: $(date --date="@$SOURCE_DATE_EPOCH" '+%Y-%m-%d %H:%M%z')/" {} +

# The manual pages and the shell completion are made from the commands.
share=$work/program/usr/share
for made in manual_pages:man/man1 shell_completion:completion; do
    PYTHONPATH=$packages:$program/program $python -m "deploy.cli.${made%:*}" "$share/${made#*:}"
done
gzip -9n "$share"/man/man1/*
mkdir -p "$share/bash-completion/completions" "$share/zsh/vendor-completions" "$share/fish/vendor_completions.d"
mv "$share/completion/steunpunt" "$share/bash-completion/completions/"
mv "$share/completion/_steunpunt" "$share/zsh/vendor-completions/"
mv "$share/completion/steunpunt.fish" "$share/fish/vendor_completions.d/"
rmdir "$share/completion"

# Compiled once, here: at the start, no program compares each module with its source. dpkg --verify does.
$python -m compileall -q --invalidation-mode unchecked-hash -s "$work/program" -p / "$program"

# ---- one package each ------------------------------------------------------------------------------

for name in server workstation; do
    tree=$work/$name
    cp -al "$work/program" "$tree"
    git -c tar.umask=0022 archive HEAD "deploy/debian/$name" | tar --extract --directory "$tree" --strip-components 3
    sites=$tree/usr/share/steunpunt/sites
    [ ! -e "$sites" ] || PYTHONPATH=$packages:$program/program $python -m deploy.serving.try_again_page >"$sites/try-again.html"
    mkdir -p "$tree/usr/share/doc/steunpunt-$name"
    git show HEAD:LICENSE >"$tree/usr/share/doc/steunpunt-$name/copyright"
    git show HEAD:CHANGELOG.md | gzip -9n >"$tree/usr/share/doc/steunpunt-$name/NEWS.gz"
    sed -i -e "s|@VERSION@|$version|; s|@ARCH@|$arch|" \
        -e "s|@PYTHON@|python3 (>= 3.$minor), python3 (<< 3.$((minor + 1)))|" "$tree"/DEBIAN/*
    materials=$out/steunpunt-${name}_${version}_$arch.cdx.json
    $python -m deploy.debian.bill_of_materials "$tree/DEBIAN/control" "$packages" "$work/report.json" "$SOURCE_DATE_EPOCH" \
        >"$materials"
    cp "$materials" "$tree/usr/share/doc/steunpunt-$name/steunpunt-$name.cdx.json"
    (cd "$tree" && find etc -type f 2>/dev/null | sort | sed 's|^|/|' >DEBIAN/conffiles)
    (cd "$tree" && find usr etc -type f 2>/dev/null | sort | xargs -d '\n' md5sum >DEBIAN/md5sums)
    size=$(find "$tree" -type f -printf '%s\n' | awk '{all += $1} END {print int(all / 1024)}')
    sed -i "s|@SIZE@|$size|" "$tree/DEBIAN/control"
    find "$tree" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
    dpkg-deb --root-owner-group -Zzstd -z9 --threads-max=1 --build "$tree" "$out" >/dev/null
    echo "$out/steunpunt-${name}_${version}_$arch.deb"
done
