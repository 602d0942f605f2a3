#!/bin/sh
# SPDX-License-Identifier: MIT
# cmake_config.sh FOLDER: writes convnet-config.cmake and convnet-config-version.cmake into it, which is LIBDIR/cmake/convnet
# of what the environment says: PREFIX LIBDIR INCLUDEDIR VERSION SONAME PACKAGES. A folder below PREFIX is written
# relative to where the file lies, so that all may be moved together.
set -eu
folder=$1
MPI_SONAME=libconvnet-mpi${SONAME#libconvnet}
PREFIX=${PREFIX%/}

# quoted TEXT: between CMake's quotes.
quoted() {
    printf '%s\n' "$1" | sed 's|[\\"$;]|\\&|g'
}

# place FOLDER: it, with the prefix called by its name.
place() {
    case $LIBDIR:$1 in
    "$PREFIX"/*:"$PREFIX"/*) printf '${_convnet_prefix}/%s' "$(quoted "${1#"$PREFIX"/}")" ;;
    *) quoted "$1" ;;
    esac
}

case $LIBDIR in
"$PREFIX"/*) up=$(printf '%s\n' "${LIBDIR#"$PREFIX"/}/cmake/convnet" | sed 's|[^/][^/]*|..|g; s|//*|/|g') ;;
*) up=. ;;
esac

# What the static library needs besides: CMake's names of the packages that pkg-config calls so.
find='' links=''
for package in $PACKAGES; do
    case $package in
    zlib) name=ZLIB ;;
    libpng) name=PNG ;;
    libjpeg) name=JPEG ;;
    *) echo "cmake_config.sh: no CMake name of $package" >&2 && exit 1 ;;
    esac
    find="$find
    find_dependency($name)"
    links="$links$name::$name;"
done

cat >"$folder/convnet-config.cmake" <<EOF
# convnet-config.cmake: find_package(convnet) makes the target convnet::convnet, the shared library; of COMPONENTS, static
# makes convnet::static, and mpi convnet::mpi, libconvnet-mpi, to be linked beside either.
get_filename_component(_convnet_prefix "\${CMAKE_CURRENT_LIST_DIR}/$up" ABSOLUTE)
if(NOT convnet_FIND_COMPONENTS)
    set(convnet_FIND_COMPONENTS shared)
    set(convnet_FIND_REQUIRED_shared TRUE)
endif()

if("shared" IN_LIST convnet_FIND_COMPONENTS AND EXISTS "$(place "$LIBDIR")/$SONAME")
    set(convnet_shared_FOUND TRUE)
    if(NOT TARGET convnet::convnet)
        add_library(convnet::convnet SHARED IMPORTED)
        set_target_properties(convnet::convnet PROPERTIES
            IMPORTED_LOCATION "$(place "$LIBDIR")/$SONAME"
            IMPORTED_SONAME "$SONAME"
            INTERFACE_INCLUDE_DIRECTORIES "$(place "$INCLUDEDIR")")
    endif()
endif()

if("static" IN_LIST convnet_FIND_COMPONENTS AND EXISTS "$(place "$LIBDIR")/libconvnet.a")
    set(convnet_static_FOUND TRUE)
    include(CMakeFindDependencyMacro)
    set(THREADS_PREFER_PTHREAD_FLAG ON)
    find_dependency(Threads)$find
    if(NOT TARGET convnet::static)
        add_library(convnet::static STATIC IMPORTED)
        set_target_properties(convnet::static PROPERTIES
            IMPORTED_LOCATION "$(place "$LIBDIR")/libconvnet.a"
            IMPORTED_LINK_INTERFACE_LANGUAGES C
            INTERFACE_INCLUDE_DIRECTORIES "$(place "$INCLUDEDIR")"
            INTERFACE_LINK_LIBRARIES "${links}Threads::Threads;m")
    endif()
endif()

if("mpi" IN_LIST convnet_FIND_COMPONENTS AND EXISTS "$(place "$LIBDIR")/$MPI_SONAME")
    set(convnet_mpi_FOUND TRUE)
    if(NOT TARGET convnet::mpi)
        add_library(convnet::mpi SHARED IMPORTED)
        set_target_properties(convnet::mpi PROPERTIES
            IMPORTED_LOCATION "$(place "$LIBDIR")/$MPI_SONAME"
            IMPORTED_SONAME "$MPI_SONAME"
            INTERFACE_INCLUDE_DIRECTORIES "$(place "$INCLUDEDIR")")
    endif()
endif()

foreach(_convnet_component IN LISTS convnet_FIND_COMPONENTS)
    if(convnet_FIND_REQUIRED_\${_convnet_component} AND NOT convnet_\${_convnet_component}_FOUND)
        set(convnet_FOUND FALSE)
        set(convnet_NOT_FOUND_MESSAGE "it has no \${_convnet_component} library here")
    endif()
endforeach()
unset(_convnet_prefix)
unset(_convnet_component)
EOF

# Versions of one major number are compatible upwards; a candidate counts as the version that it is for.
number=${VERSION%%-*}
cat >"$folder/convnet-config-version.cmake" <<EOF
set(PACKAGE_VERSION "$number")
if(PACKAGE_FIND_VERSION_MAJOR EQUAL ${number%%.*} AND NOT PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION)
    set(PACKAGE_VERSION_COMPATIBLE TRUE)
    if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
        set(PACKAGE_VERSION_EXACT TRUE)
    endif()
endif()
EOF
