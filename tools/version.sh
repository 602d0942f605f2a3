#!/bin/sh
# SPDX-License-Identifier: MIT
# version.sh: prints the version that convnet.h says, such as 1.0.0 or 1.0.0-rc1.
awk '/^#define CN_VERSION_(MAJOR|MINOR|PATCH|SUFFIX) / { gsub(/"/, "", $3); printf "%s%s", n++ % 3 ? "." : "", $3 }
    END { print "" }' "$(dirname "$0")/../include/convnet.h"
