#!/bin/sh
# SPDX-License-Identifier: MIT
# python_dir.sh PREFIX: prints the folder below PREFIX/lib in which a python3 of this machine looks for modules, or, if there
# is none, what Debian would call it.
for python in python3 /usr/bin/python3; do
    "$python" -c '
import site, sys
folders = [folder for folder in site.getsitepackages() if folder.startswith(sys.argv[1] + "/lib")]
print(folders[0]) if folders else sys.exit(1)' "${1%/}" 2>/dev/null && exit
done
echo "${1%/}/lib/python3/dist-packages"
