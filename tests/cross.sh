#!/bin/sh
# SPDX-License-Identifier: MIT
# cross.sh TARGET [SUITE...]: builds for arm64, i386, s390x or musl with Debian's compiler for it and the default flags,
# without a warning, and runs suites, under QEMU where the processor is another (minutes). It needs
#
#   apt-get install gcc-aarch64-linux-gnu qemu-user-static     (gcc-i686-linux-gnu, gcc-s390x-linux-gnu; musl-tools dpkg-dev)
#   tests/cross.sh --fetch arm64
#
# The second brings the libraries, as any user, into build/sysroot/TARGET: Debian's packages unpacked, and for musl, where there
# are no pictures, zlib and Check compiled from Debian's sources. SYSROOT names another folder with such packages; empty, it
# stands for the machine itself (dpkg --add-architecture arm64; apt-get install libpng-dev:arm64 libjpeg-dev:arm64 check:arm64).
set -eu

fail() {
    echo "cross.sh: $*" >&2
    exit 1
}

# ---- what has to be there ----

# apt-get with lists of its own, for one architecture, whatever the machine's dpkg knows.
apt_get() {
    apt-get -qq -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o Dir::State::lists="$apt/lists" \
        -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" -o Debug::NoLocking=1 \
        -o APT::Sandbox::User="$(id -un)" "$@"
}

# All that the libraries depend on, but for C's, which the compiler brings.
fetch_packages() {
    apt_get update || echo "cross.sh: going on with the lists that came" >&2 # mirrors are at times half renewed
    apt_get install -y --no-install-recommends --download-only libpng-dev libjpeg-dev check
    for package in "$apt"/cache/archives/*.deb; do
        case ${package##*/} in
        libc6_* | libc6-dev_* | linux-libc-dev_*) ;;
        *) dpkg-deb -x "$package" "$sysroot" ;;
        esac
    done
}

# compile_source NAME TAR_OPTION OPTION...
compile_source() (
    name=$1
    shift
    mkdir "$apt/$name"
    tar -C "$apt/$name" --strip-components=1 -xf "$apt/${name}"_*.orig.tar.*
    cd "$apt/$name"
    { CC=musl-gcc CFLAGS='-O2 -fPIC' ./configure --prefix="$sysroot/usr" "$@" && ${MAKE:-make} install; } >log 2>&1 ||
        { tail -n 20 log && fail "cannot compile $name"; }
)

fetch_sources() {
    sed -n 's/^URIs: *//p; s/^deb  *\(\[[^]]*\] *\)*\([^ ]*\) .*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
        head -n 1 >"$apt/mirror"
    echo "deb-src $(cat "$apt/mirror") $(. /etc/os-release && echo "$VERSION_CODENAME") main" >"$apt/sources.list"
    set -- -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
    apt_get "$@" update
    (cd "$apt" && apt_get "$@" source --download-only zlib check)
    compile_source zlib --static
    compile_source check --disable-shared --disable-subunit
}

fetch() {
    apt=$sysroot/apt
    rm -rf "$sysroot"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    : >"$apt/status"
    if [ "$target" = musl ]; then fetch_sources; else fetch_packages; fi
    rm -rf "$apt"
}

# ---- building and running ----

fetches=
[ "${1:-}" != --fetch ] || { fetches=1 && shift; }
target=${1:?a target: arm64, i386, s390x or musl}
shift
arch=$target
options=
case $target in
arm64) triplet=aarch64-linux-gnu compiler=$triplet- qemu=qemu-aarch64-static ;;
i386) triplet=i386-linux-gnu compiler=i686-linux-gnu- qemu=qemu-i386-static ;;
s390x) triplet=s390x-linux-gnu compiler=$triplet- qemu=qemu-s390x-static ;;
musl) triplet=musl compiler=musl- qemu= pictures='' arch=$(dpkg --print-architecture) options=WITH_IMAGES=0 ;;
*) fail "unknown target $target" ;;
esac
command -v "${compiler}gcc" >/dev/null || fail "no ${compiler}gcc here: see tests/cross.sh"
fetched=$PWD/build/sysroot/$target
if [ -n "$fetches" ]; then
    sysroot=$fetched
    fetch
    exit
fi
[ -d "$fetched" ] || fetched=
sysroot=${SYSROOT-$fetched}
[ -n "$sysroot" ] || [ "$target" != musl ] || fail "tests/cross.sh --fetch musl comes first"
lib=$sysroot/usr/lib/$triplet
flags=${sysroot:+-isystem $sysroot/usr/include -isystem $sysroot/usr/include/$triplet}
if [ "$target" = musl ]; then
    lib=$sysroot/usr/lib
    export PKG_CONFIG_LIBDIR="$lib/pkgconfig"
    wrapper=
else
    export PKG_CONFIG_LIBDIR="$lib/pkgconfig:$sysroot/usr/share/pkgconfig"
    export PKG_CONFIG_SYSROOT_DIR="$sysroot"
    options="AR=${compiler}ar NM=${compiler}nm"
    wrapper="$qemu -L /usr/${compiler%-} -E LD_LIBRARY_PATH=$lib:$sysroot/lib/$triplet:/usr/${compiler%-}/lib"
fi
[ $# -gt 0 ] || set -- base bits elementary kernels_math kernels_conv kernels_conv_nchw16c kernels_conv_weight_nchw16c kernels_gemm \
    kernels_norm_softmax_nchw16c kernels_pointwise kernels_pooling kernels_update layers gradients determinism \
    nchw16c norms safetensors model_file releases idx predictor ${pictures-image_files}
suites=
for suite in "$@"; do
    suites="$suites build/$target/tests-bin/test_$suite"
done
${MAKE:-make} CONFIG="$target" CC="${compiler}gcc" RUN="$wrapper" $options CPPFLAGS="-Werror $flags" \
    LDFLAGS="${sysroot:+-Wl,-rpath-link,$lib:$sysroot/lib/$triplet -L$lib}" all $suites
QUICK=1 tests/run.sh -1 "$suites" -o "build/$target/summary" -x "$wrapper" $suites
