#!/bin/sh
# cross.sh ARCH [SUITE...]: builds for arm64, i386 or s390x with Debian's cross compiler and the default flags, without a
# warning, and runs suites under QEMU (minutes). It needs
#
#   dpkg --add-architecture arm64 && apt-get update
#   apt-get install gcc-aarch64-linux-gnu qemu-user-static libpng-dev:arm64 libjpeg-dev:arm64 check:arm64
#
# (i686-linux-gnu, s390x-linux-gnu for the others); or SYSROOT, a folder in which such packages are unpacked.
set -eu
arch=$1
shift
case $arch in
arm64) triplet=aarch64-linux-gnu compiler=$triplet qemu=qemu-aarch64-static ;;
i386) triplet=i386-linux-gnu compiler=i686-linux-gnu qemu=qemu-i386-static ;;
s390x) triplet=s390x-linux-gnu compiler=$triplet qemu=qemu-s390x-static ;;
*) echo "cross.sh: unknown architecture $arch" >&2; exit 2 ;;
esac
command -v "$compiler-gcc" >/dev/null || { echo "no $compiler-gcc here: see tests/cross.sh" >&2; exit 1; }
sysroot=${SYSROOT:-}
lib=$sysroot/usr/lib/$triplet
export PKG_CONFIG_LIBDIR="$lib/pkgconfig:$sysroot/usr/share/pkgconfig"
export PKG_CONFIG_SYSROOT_DIR="$sysroot"
[ $# -gt 0 ] || set -- base kernels_math kernels_conv kernels_conv_nchw16c kernels_conv_weight_nchw16c kernels_gemm \
    kernels_norm_softmax_nchw16c kernels_pointwise kernels_pooling kernels_update layers gradients determinism \
    nchw16c safetensors model_file releases idx image_files predictor
suites=
for suite in "$@"; do
    suites="$suites build/$arch/tests-bin/test_$suite"
done
libraries=$lib:$sysroot/lib/$triplet:/usr/$compiler/lib
${MAKE:-make} CONFIG="$arch" CC="$compiler-gcc" AR="$compiler-ar" NM="$compiler-nm" \
    CPPFLAGS="-Werror ${sysroot:+-isystem $sysroot/usr/include -isystem $sysroot/usr/include/$triplet}" \
    LDFLAGS="${sysroot:+-Wl,-rpath-link,$lib:$sysroot/lib/$triplet -L$lib}" all $suites
QUICK=1 tests/run.sh -1 "$suites" -o "build/$arch/summary" \
    -x "$qemu -L /usr/$compiler -E LD_LIBRARY_PATH=$libraries" $suites
