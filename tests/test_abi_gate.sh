#!/bin/sh
# SPDX-License-Identifier: MIT
# test_abi_gate.sh: the gate of tests/abi lets pass what breaks no program, and nothing else. Changes are made to a copy of
# the header, and to a library that consists of what that copy declares.
set -u
export LC_ALL=C
[ "$(uname -s)" != Darwin ] || { echo "gate: skipped, no version nodes here"; exit 0; }
dir=$(mktemp -d "${TMPDIR:-/tmp}/convnet-gate.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
checks=0 failures=0 debug=-g
echo 'CONVNET_1.0 { global: cn_*; local: *; };' >"$dir/map"
cp -r tests/abi "$dir/records"

# version NAME SED-ARGUMENT...: a changed header and its library in $dir/NAME.
version() {
    name=$1
    shift
    mkdir -p "$dir/$name"
    sed "$@" include/convnet.h >"$dir/$name/convnet.h"
    # Each declaration becomes a definition that nobody will call.
    awk 'BEGIN { print "#include \"convnet.h\"" }
        /^CN_API / { inside = 1 }
        inside { sub(/\/\*.*/, ""); text = text $0 " " }
        inside && /;/ { sub(/;.*/, " { for (;;) {} }", text); print text; text = ""; inside = 0 }' \
        "$dir/$name/convnet.h" >"$dir/$name/library.c"
    # shellcheck disable=SC2086 # a compiler may be several words
    ${CC:-cc} -std=c99 $debug -fPIC -fvisibility=hidden -shared -nostdlib -Wl,-soname,libconvnet.so.1 \
        -Wl,--version-script="$dir/map" -o "$dir/$name/libconvnet.so" "$dir/$name/library.c"
}

# gate CODE check|accept NAME RECORDS: what it says goes to $dir/said, and it ends with that code.
gate() {
    tests/abi/"$2".sh "$4" "$dir/$3/convnet.h" "$dir/$3/libconvnet.so" >"$dir/said" 2>&1
    code=$?
    checks=$((checks + 1))
    [ "$code" = "$1" ] && return
    failures=$((failures + 1))
    printf 'FAIL %s of "%s" ended with %d, wanted %d:\n' "$2" "$3" "$code" "$1"
    sed 's/^/     /' "$dir/said"
}

# says TEXT...: so it said.
says() {
    for text in "$@"; do
        checks=$((checks + 1))
        grep -q -- "$text" "$dir/said" && continue
        failures=$((failures + 1))
        printf 'FAIL "%s" is not in:\n' "$text"
        sed 's/^/     /' "$dir/said"
    done
}

# Other names of parameters and other comments are the same interface.
version same -e 's/cn_prelu_new(cn_context .context, int num_parameters/cn_prelu_new(cn_context *c, int n/' -e 's/PyTorch/Torch/g'
gate 0 check same "$dir/records"
says 'are those of'
tool=yes
grep -q skipped "$dir/said" && tool=no

# ---- what breaks programs ----

in_zoo='/^typedef struct cn_zoo_options/,/^}/'
version broken \
    -e '/^CN_API cn_status cn_relu6_new/d' \
    -e 's/\(cn_prelu_new(cn_context .context,\) int/\1 int64_t/' \
    -e 's/^CN_API int cn_model_normalization/CN_API int64_t cn_model_normalization/' \
    -e 's/^typedef double (.cn_rate/typedef float (*cn_rate/' \
    -e '/^    int affine; /d' -e 's/4, 1e-5f, 0.1f, 1, 1, 0 }/4, 1e-5f, 0.2f, 1, 0 }/' \
    -e "$in_zoo"'s/int64_t classes; .*/int64_t first, classes;/' \
    -e 's/^    double usual, least, most;/    double least, most; float usual; int more;/' \
    -e 's/^    float value, bound;/    float value, bound; double more;/' \
    -e '/^    CN_METRIC_R2 = 10/d' -e 's/CN_LOSS_L1 = 4,/CN_LOSS_L1 = 14,/' \
    -e 's/define CN_MAX_DIMS 8/define CN_MAX_DIMS 9/' \
    -e '/^#define CN_LEARNING_RATE_DEFAULT/d' -e 's/CN_LEARNING_RATE_DEFAULT/-1.0f/g'
gate 1 check broken "$dir/records"
says '^broken	function cn_relu6_new: .* is gone' \
    '^broken	function cn_prelu_new: .*int, .* has become .*int64_t, ' \
    '^broken	function cn_model_normalization: int ' \
    '^broken	callback cn_rate_function: double .* has become float' \
    '^broken	member cn_norm_options.affine: .* is gone' \
    '^broken	default CN_NORM_OPTIONS_INIT.momentum' \
    '^broken	member cn_zoo_options.seed: .* at 32 has become .* at 40' \
    '^broken	member cn_layer_option.usual: double.* has become float' \
    '^broken	struct cn_layer_parameter: 64 bytes' \
    '^broken	enumerator CN_METRIC_R2: .* is gone' \
    '^broken	enumerator CN_LOSS_L1: 4 .* has become 14' \
    '^broken	macro CN_MAX_DIMS: 8 has become 9' \
    '^broken	macro CN_LEARNING_RATE_DEFAULT: .* is gone'
[ "$tool" = no ] || says "\[D\] 'function cn_status cn_relu6_new" "\[C\] 'function cn_status cn_prelu_new" \
    "\[C\] 'function int cn_model_normalization" "return type changed" "'int affine', at offset 160" \
    "CN_METRIC_R2' value '10'" "CN_LOSS_L1' from value '4' to '14'"
if [ "$tool" = yes ]; then
    gate 1 accept broken "$dir/records"
    says 'not accepted: programs .* would break'
    cp -r "$dir/records" "$dir/new"
    BREAKING=yes gate 0 accept broken "$dir/new"
    gate 0 check broken "$dir/new"
fi

# ---- what is only added ----

more='s/^CN_API cn_status cn_relu6_new.*/&\nCN_API cn_status cn_relu7_new(cn_context *context, cn_layer **layer);/'
version added -e "$more" \
    -e 's/CN_METRIC_R2 = 10 /CN_METRIC_R2 = 10, CN_METRIC_MORE = 11 /' \
    -e 's/^    int align_corners;/    int align_corners, more, reserved;/' -e 's/CN_UPSAMPLE_NEAREST, 0 }/CN_UPSAMPLE_NEAREST, 0, 0, 0 }/' \
    -e "$in_zoo"'s/int reserved;/int depth;/'
gate 1 check added "$dir/records"
says '^added	function cn_relu7_new: cn_status (cn_context \*, cn_layer \*\*)' \
    '^added	enumerator CN_METRIC_MORE: 11 in cn_metric' \
    '^added	member cn_upsample_options.more: int, 4 bytes at 40' \
    '^added	member cn_zoo_options.depth: int, 4 bytes at 20'
checks=$((checks + 1))
! grep '^broken' "$dir/said" || failures=$((failures + 1))
if [ "$tool" = yes ]; then
    gate 0 accept added "$dir/records"
    gate 0 check added "$dir/records"
    gate 1 check same "$dir/records"
    says '^broken	function cn_relu7_new: .* is gone'

    # A release is closed: what is added to it waits for the next minor version, which has a record of its own.
    release='s/define CN_VERSION_SUFFIX .*/define CN_VERSION_SUFFIX ""/'
    version released -e "$release" -e "$more"
    gate 1 accept released tests/abi
    says 'comes with another CN_VERSION_MINOR'
    rm -rf "$dir/new" && cp -r tests/abi "$dir/new"
    version minor -e "$release" -e "$more" -e 's/define CN_VERSION_MINOR .*/define CN_VERSION_MINOR 1/'
    gate 0 accept minor "$dir/new"
    says 'convnet-1.1.h'
    gate 0 check minor "$dir/new"
    says 'convnet-1.1.h'
    checks=$((checks + 1))
    cmp tests/abi/convnet-1.0.abi "$dir/new/convnet-1.0.abi" || failures=$((failures + 1))

    debug=-g0
    version bare -e ''
    gate 0 check bare tests/abi
    says 'skipped: debug information about 0 of'
fi
[ "$tool" = yes ] && how= || how=", without abidw"
echo "gate: $checks checks, $failures failures$how"
[ "$failures" -eq 0 ]
