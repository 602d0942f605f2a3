#!/bin/sh
# SPDX-License-Identifier: MIT
# convnet.pc.sh: writes convnet.pc for what the environment says: PREFIX LIBDIR INCLUDEDIR VERSION PACKAGES LIBS; or that of
# another library, with NAME, DESCRIPTION and REQUIRES, what its header includes. A folder below PREFIX is written relative
# to it, and PREFIX relative to the .pc file, so that all may be moved together.
set -eu
PREFIX=${PREFIX%/}

# escaped TEXT: for pkg-config, which reads flags as a shell would.
escaped() {
    printf '%s\n' "$1" | sed 's|[^A-Za-z0-9_/.+,:=@%~-]|\\&|g'
}

# below FOLDER: it, with $PREFIX called by its name.
below() {
    case $1 in
    "$PREFIX"/*) printf '${prefix}/%s' "$(escaped "${1#"$PREFIX"/}")" ;;
    *) escaped "$1" ;;
    esac
}

case $LIBDIR in # pkg-config escapes blanks where the file lies, but nothing else
*[!A-Za-z0-9_/.+,:=@%~\ -]*) prefix=$(escaped "$PREFIX") ;;
"$PREFIX"/*) prefix='${pcfiledir}'/$(printf '%s\n' "${LIBDIR#"$PREFIX"/}/pkgconfig" | sed 's|[^/][^/]*|..|g; s|//*|/|g') ;;
*) prefix=$(escaped "$PREFIX") ;;
esac
cat <<EOF
prefix=$prefix
libdir=$(below "$LIBDIR")
includedir=$(below "$INCLUDEDIR")

Name: ${NAME:-convnet}
Description: ${DESCRIPTION:-Trains and runs convolutional networks on a CPU}
Version: $VERSION
${REQUIRES:+Requires: $REQUIRES
}Requires.private: $PACKAGES
Libs: -L\${libdir} -l${NAME:-convnet}
Libs.private: $LIBS
Cflags: -I\${includedir}
EOF
