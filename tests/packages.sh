#!/bin/sh
# SPDX-License-Identifier: MIT
# packages.sh: `make check-packages`: the tarball is the same twice; Debian's packages are built out of it, lintian finds
# neither errors nor warnings; a Meson project takes the tarball as a subproject; in a clean root the packages are installed,
# tried as debian/tests has it by somebody without rights, and purged without a trace. Works in build/packages.
#
# Needs Debian's dpkg-dev debhelper lintian and what debian/control builds with, for Meson meson and ninja-build, for the
# clean root mmdebstrap iproute2, root and a network. What is missing is left out, with a word. From the environment: ROOT, an
# archive, in which the clean root is kept for the next time; DEB_BUILD_OPTIONS=nocheck leaves out the suites that the
# package runs.
set -eu
make=${MAKE:-make}
work=$PWD/build/packages
version=$(tools/version.sh)
debian=$(printf %s "$version" | tr - '~')
rm -rf "$work"
mkdir -p "$work"
unset MAKEFLAGS MAKEOVERRIDES CFLAGS CC

has() {
    command -v "$1" >/dev/null || { echo "without $1: left out: $2"; return 1; }
}

# ---- the tarball ----

git clone -q --no-hardlinks . "$work/another clone"
"$make" -s dist
(cd "$work/another clone" && umask 077 && TZ=Asia/Kathmandu "$make" -s dist)
cmp "build/convnet-$version.tar.xz" "$work/another clone/build/convnet-$version.tar.xz"
rm -rf "$work/another clone"
echo "dist: the same bytes twice, $(wc -c <"build/convnet-$version.tar.xz") of them"

# ---- Debian's packages ----

cmp COPYRIGHT debian/copyright

cp "build/convnet-$version.tar.xz" "$work/convnet_$debian.orig.tar.xz"
tar -xf "$work/convnet_$debian.orig.tar.xz" -C "$work"
cp -R debian "$work/convnet-$version"
if has dpkg-buildpackage "Debian's packages" && has dh "Debian's packages"; then
    (cd "$work/convnet-$version" && dpkg-buildpackage -us -uc) >"$work/build.log" 2>&1 ||
        { tail -n 30 "$work/build.log"; exit 1; }
    ls "$work"/*.deb | sed 's|.*/||; s/^/deb: /'
    if has lintian "lintian"; then
        # It is no upload to Debian, which would close the request for it.
        lintian --allow-root --fail-on error,warning --info --suppress-tags initial-upload-closes-no-bugs "$work"/*.changes
        echo "lintian: no error, no warning"
    fi
fi

# ---- Meson, with the tarball as a subproject ----

if has meson "the subproject" && has ninja "the subproject"; then
    mkdir -p "$work/meson/subprojects/packagefiles"
    cp tests/foreign/app.c "$work/meson"
    sed 's|\.\./app.c|app.c|' tests/foreign/project/meson.build >"$work/meson/meson.build"
    cp "build/convnet-$version.tar.xz" "$work/meson/subprojects/packagefiles"
    cp build/convnet.wrap "$work/meson/subprojects"
    (cd "$work/meson" && meson setup build --wrap-mode=forcefallback && ninja -C build app) >"$work/meson.log" 2>&1 ||
        { tail -n 30 "$work/meson.log"; exit 1; }
    [ "$("$work/meson/build/app" "$work/meson/model.safetensors" | wc -l)" -eq 10 ]
    echo "meson: the subproject is built and used"
fi

# ---- a clean root ----

[ -e "$work/libconvnet1_$debian-1_$(dpkg --print-architecture).deb" ] || exit 0
[ "$(id -u)" = 0 ] || { echo "not root: left out: the clean root"; exit 0; }
root=$work/root
mkdir "$root"
archive=${ROOT:-$work/root.tar}
if ! [ -e "$archive" ]; then
    has mmdebstrap "the clean root" || exit 0
    # What the packages and their tests depend on, so that nothing else comes or goes with them.
    mmdebstrap --quiet --variant=apt --include="$(sed -n 's/^Depends: //p' debian/tests/control | tr -d ' ' | tr ',' '\n' | grep -v convnet |
        sort -u | paste -sd,),libpng-dev,libjpeg-dev,zlib1g-dev,mpi-default-dev,python3-numpy" \
        "${SUITE:-$(. /etc/os-release && echo "$VERSION_CODENAME")}" "$archive"
fi
tar -xf "$archive" -C "$root"
mkdir "$root/packages"
cp "$work"/*.deb "$root/packages"
rm -f "$root"/packages/*-dbgsym_*
cp -R tests debian "$root/packages"
(cd "$root/packages" && dpkg-scanpackages --multiversion . >Packages 2>/dev/null)
echo 'deb [trusted=yes] file:/packages ./' >"$root/packages/sources.list"
cat >"$root/packages/ours" <<'END'
dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' '*convnet*' | sed -n 's/^ii *//p' | paste -sd' '
END

# inside COMMAND: in the root, without a network but for the machine's own, which MPI wants.
inside() {
    # shellcheck disable=SC2016 # for the inner shell
    unshare --mount --net --pid --fork --mount-proc="$root/proc" sh -c 'ip link set lo up && mount --bind /sys "$0/sys" && exec chroot "$0" "$@"' \
        "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/packages/tmp LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        AUTOPKGTEST_TMP=/packages/tmp sh -c "cd /packages && $1" </dev/null
}
files() {
    (cd "$root" && find . \( -path ./packages -o -path ./proc -o -path ./sys -o -path ./dev -o -path ./tmp -o -path ./run -o -path ./var/cache \
        -o -path ./var/log -o -path ./var/lib/dpkg -o -path ./var/lib/apt \) -prune -o -print | sort)
}
# try WHAT COMMAND: inside.
try() {
    inside "$2" >"$work/$1.log" 2>&1 || { tail -n 30 "$work/$1.log"; echo "FAIL clean root: $1"; exit 1; }
}
apt='apt-get -q -y -o Dir::Etc::SourceList=/packages/sources.list -o Dir::Etc::SourceParts=/dev/null -o APT::Install-Recommends=no'
nobody='setpriv --reuid=65534 --regid=65534 --clear-groups'

files >"$work/before"
try update "$apt update"
# Each with the packages that it names, and what these depend on.
sed -n 's/^Tests: //p' debian/tests/control | while read -r test; do
    packages=$(sed -n "/^Tests: $test\$/,/^\$/s/^Depends: //p" debian/tests/control | tr -d ,)
    try "$test-install" "$apt install $packages"
    try "$test" "rm -rf tmp && mkdir -m 777 tmp && $nobody debian/tests/$test"
    echo "clean root: debian/tests/$test, with $(inside 'sh ours')"
    grep '^guide: ' "$work/$test.log" || :
    try "$test-purge" 'dpkg -P $(sh ours)'
done
files >"$work/after"
diff "$work/before" "$work/after" || { echo "FAIL left behind, or taken along"; exit 1; }
echo "clean root: installed, tried and purged; nothing left behind"
