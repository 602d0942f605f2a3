# SPDX-License-Identifier: MIT
# libconvnet: `make help` lists what can be made. Plain GNU Make; objects lie in build/<configuration>/.
#
#   make CC=clang CFLAGS="-O2 -g" V=1         another compiler, other flags, commands shown
#   make WITH_IMAGES=0                        without libpng and libjpeg: no PNG, no JPEG
#   make WITH_MPI=1 MPICC=mpicc               also libconvnet-mpi, for processes that train together
#   make PROGRAMS=shared                      programs that load libconvnet.so, for packages
#   make O=/tmp/build                         everything under that folder; the sources are only read
#   make CONFIG=name                          everything in build/name/, beside the usual build
#   make install PREFIX=/usr DESTDIR=/tmp/x   also LIBDIR, INCLUDEDIR, BINDIR, DATADIR, PYTHONDIR, MANDIR, DOCDIR, BASHDIR, ZSHDIR
#   make RUN=qemu-aarch64-static              how programs for another machine run here, which are asked for their --help

# What builds by custom take from the environment.
CFLAGS ?= -O3 -g
AR ?= ar
NM ?= nm
PKG_CONFIG ?= pkg-config
CLANG_FORMAT ?= clang-format
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR ?= $(PREFIX)/bin
DATADIR ?= $(PREFIX)/share/convnet
PYTHONDIR ?= $(shell tools/python_dir.sh $(call quote,$(PREFIX)))
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/convnet
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions

# What is only taken from the command line: other projects' environments have such names, too.
O :=
CONFIG := release
WITH_IMAGES := 1
WITH_MPI := 0
MPICC := mpicc
PROGRAMS := static
RUN :=
V :=

# ---- where things go: each configuration into a folder of its own, so that objects never mix ----

OUT := $(if $(O),$(O)/)
B := $(OUT)build/$(CONFIG)
ifeq ($(CONFIG),release)
LIB := $(OUT)lib
PROGRAMS_DIR := $(OUT)examples/bin
TESTS_DIR := $(OUT)tests/bin
else
LIB := $(B)/lib
PROGRAMS_DIR := $(B)/programs
TESTS_DIR := $(B)/tests-bin
endif
# libconvnet-mpi, which may be there once for each MPI.
MPI_LIB := $(LIB)

SANITIZE_asan := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SANITIZE_tsan := -fsanitize=thread -fno-omit-frame-pointer
SANITIZE_fuzz := -O1 -DFUZZING -fsanitize=fuzzer-no-link,address,undefined,float-cast-overflow -fno-sanitize-recover=all -fno-omit-frame-pointer
SANITIZE_coverage := --coverage -fprofile-update=atomic -O0

# `make install` alone puts in place what was built, with the flags that it was built with: sudo drops those that came
# from the environment. The record is written with $(B)/flags below.
ifeq ($(MAKECMDGOALS),install)
-include $(B)/built.mk
endif

version_part = $(shell sed -n 's/^.define CN_VERSION_$(1) *"*\([^" ]*\)"*.*/\1/p' include/convnet.h)
MAJOR := $(call version_part,MAJOR)
VERSION := $(MAJOR).$(call version_part,MINOR).$(call version_part,PATCH)
FULL_VERSION := $(VERSION)$(call version_part,SUFFIX)
SYSTEM := $(shell uname -s)
# What the compiler makes: for x86-64, i386, arm64 or else, and whether it is Clang. Before `make deps` there may be none.
TARGET := $(or $(shell echo 'x86_64:__x86_64__ x86_32:__i386__ arm64:__aarch64__ clang:__clang__' | $(CC) $(CFLAGS) -E -P -x c - 2>/dev/null),\
               $(patsubst x86_64,x86_64:1,$(patsubst aarch64,arm64:1,$(shell uname -m))))

# What models that are written as C consist of; the library has it as texts.
C_FUNCTIONS := $(sort $(wildcard src/export/functions/*.c))
MPI_SOURCES := $(sort $(wildcard src/mpi/*.c))
SOURCES := $(filter-out $(C_FUNCTIONS) $(MPI_SOURCES),$(sort $(wildcard src/*/*.c src/*/*/*.c)))
ISA_SOURCES := $(filter src/kernels/isa/%,$(SOURCES))
PLAIN_SOURCES := $(filter-out $(ISA_SOURCES),$(SOURCES))
ifneq ($(filter x86_64:1,$(TARGET)),)
ISAS := portable avx2 avx512
else ifneq ($(filter arm64:1,$(TARGET)),)
ISAS := portable neon
else
ISAS := portable
endif
ISA_portable := -DCN__ISA=1
ISA_avx2 := -DCN__ISA=2 -mavx2 -mfma
ISA_avx512 := -DCN__ISA=3 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512
ISA_neon := -DCN__ISA=4

OBJECTS := $(PLAIN_SOURCES:src/%.c=%.o) $(foreach isa,$(ISAS),$(ISA_SOURCES:src/%.c=%.$(isa).o))
# Trained models become arrays of bytes.
WEIGHTS := $(sort $(wildcard weights/*.safetensors))
OBJECTS += $(WEIGHTS:%.safetensors=%.o) export/function_texts.o
# Position-independent, for the shared library and for shared objects that hold the static one.
LIBRARY_OBJECTS := $(addprefix $(B)/library/,$(OBJECTS))

STATIC_LIB := $(LIB)/libconvnet.a
MPI_STATIC_LIB := $(MPI_LIB)/libconvnet-mpi.a
# The file of a shared library, the links to it, and how one is linked whose symbols are in $(B)/NAME.map.
ifeq ($(SYSTEM),Darwin)
shared_lib = $(1).$(VERSION).dylib
shared_links = $(1).$(MAJOR).dylib $(1).dylib
shared_flags = -dynamiclib -Wl,-install_name,$(LIBDIR)/$(1).$(MAJOR).dylib
else
shared_lib = $(1).so.$(VERSION)
shared_links = $(1).so.$(MAJOR) $(1).so
shared_flags = -shared -Wl,-soname,$(1).so.$(MAJOR) -Wl,--version-script=$(B)/$(1).map -Wl,--no-undefined
endif
SHARED_LIB := $(call shared_lib,$(LIB)/libconvnet)
SHARED_LINKS := $(call shared_links,$(LIB)/libconvnet)
MPI_SHARED_LIB := $(call shared_lib,$(MPI_LIB)/libconvnet-mpi)
MPI_SHARED_LINKS := $(call shared_links,$(MPI_LIB)/libconvnet-mpi)

# What is installed, and what only teaches.
INSTALLED := $(patsubst examples/programs/%.c,$(PROGRAMS_DIR)/convnet-%,$(sort $(wildcard examples/programs/*.c)))
EXAMPLES := $(patsubst examples/%.c,$(PROGRAMS_DIR)/convnet-%,$(filter-out examples/mpi.c,$(sort $(wildcard examples/*.c))))
PROGRAMS_LIB := $(if $(filter shared,$(PROGRAMS)),$(SHARED_LINKS),$(STATIC_LIB))
# Where the dynamic linker finds the library before it is installed.
LIBRARY_PATH := $(if $(filter shared,$(PROGRAMS)),LD_LIBRARY_PATH='$(abspath $(LIB))':"$$LD_LIBRARY_PATH")
COMMON_OBJECTS := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard examples/programs/common/*.c)))
COMMON_LIB := $(B)/libcommon.a

SUITES := $(patsubst tests/%.c,$(TESTS_DIR)/%,$(sort $(wildcard tests/test_*.c)))
BENCHES := $(patsubst tests/%.c,$(TESTS_DIR)/%,$(sort $(wildcard tests/bench_*.c)))
FUZZERS := $(patsubst tests/%.c,$(B)/%,$(sort $(wildcard tests/fuzz_*.c)))
HELPER_OBJECTS := $(patsubst %.c,$(B)/%.o,$(filter-out tests/test_% tests/bench_% tests/fail_% tests/onnx_run.c tests/onnx_save.c tests/export_arm.c,$(sort $(wildcard tests/*.c))))
HELPER_LIB := $(B)/libtesting.a
SCRIPTS := $(sort $(wildcard tests/test_*.sh))
# Those that take longest begin first, and are left out of check-quick.
SLOW := $(addprefix $(TESTS_DIR)/test_,graphs winograd parity determinism nchw16c kernels_math \
          kernels_conv_nchw16c layers gradients norms kernels_pooling out_of_memory zoo_networks checkpoint checkpoint_damage \
          first_weights communicator communicator_faults)
SUITES := $(SLOW) $(filter-out $(SLOW),$(SUITES))
SLOW_SCRIPTS := $(addprefix tests/test_,install.sh abi_gate.sh programs.sh program_output.sh program_messages.sh convert.sh resume.sh tasks.sh train.sh kill.sh program_faults.sh disks.sh onnx_programs.sh examples.sh mpi.sh guide.sh cpp.sh python.sh)
SCRIPTS := $(SLOW_SCRIPTS) $(filter-out $(SLOW_SCRIPTS),$(SCRIPTS))
# make check-tsan ONLY='threads predictor': these suites alone.
ONLY :=
ifneq ($(ONLY),)
SUITES := $(patsubst %,$(TESTS_DIR)/test_%,$(ONLY))
SCRIPTS :=
endif

# ---- flags ----

# Asked for when first used and then kept: `make deps check` must not ask before `deps` is through.
later = $(eval $(1) := $(2))$($(1))
PACKAGES = zlib $(if $(filter 1,$(WITH_IMAGES)),libpng libjpeg)
PACKAGE_CFLAGS = $(call later,PACKAGE_CFLAGS,$(shell $(PKG_CONFIG) --cflags $(PACKAGES)))
PACKAGE_LIBS = $(call later,PACKAGE_LIBS,$(shell $(PKG_CONFIG) --libs $(PACKAGES)))
CHECK_CFLAGS = $(call later,CHECK_CFLAGS,$(shell $(PKG_CONFIG) --cflags check))
CHECK_LIBS = $(call later,CHECK_LIBS,$(shell $(PKG_CONFIG) --libs check))

# convnet-train loads libconvnet-mpi; C libraries before glibc 2.34 have dlopen apart.
DL_LIBS := $(if $(filter Linux,$(SYSTEM)),-ldl)

PARTS := -DCN_WITH_IMAGES=$(WITH_IMAGES)
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes
FEATURES_Darwin := -D_DARWIN_C_SOURCE
FEATURES_FreeBSD := -D__BSD_VISIBLE=1
FEATURES_NetBSD := -D_NETBSD_SOURCE
FEATURES_OpenBSD := -D_BSD_SOURCE
# Floats are floats also where C would have them computed as doubles (s390x); Clang has them so. The x87's registers
# hold more than either, and no rounding by adding a large number survives that, so i386 is wanted with SSE2 (since 2001).
EXCESS_PRECISION := $(if $(filter clang:1,$(TARGET)),,-fexcess-precision=fast)
MACHINE := $(if $(filter x86_32:1,$(TARGET)),-msse2 -mfpmath=sse)
BASE_FLAGS := -std=c11 $(WARNINGS) -ffp-contract=off $(EXCESS_PRECISION) $(MACHINE) -pthread -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE \
              $(FEATURES_$(SYSTEM)) -D_FILE_OFFSET_BITS=64 -Iinclude
LIBRARY_FLAGS = $(BASE_FLAGS) -Isrc -fno-math-errno -fPIC -fvisibility=hidden $(PARTS) $(PACKAGE_CFLAGS)
USER_FLAGS = $(SANITIZE_$(CONFIG)) $(CPPFLAGS) $(CFLAGS)
LINK_FLAGS = -pthread $(USER_FLAGS) $(LDFLAGS)
LINK = $(CC) $(LINK_FLAGS)

Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' '$(1)' '$(2)')

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all library static programs deps demo check check-quick check-all check-abi abi-accept check-graphs check-faults-io check-faults-memory check-kill soak \
        check-onnx check-onnx-networks check-onnx-save check-export-arm check-browser check-builds check-reproducible \
        check-mpi deps-mpi mpi mpi-tests mpi-builds check-arm64 check-i386 check-s390x check-musl man docs test-programs suites sanitize check-asan check-tsan check-valgrind \
        lint coverage coverage-suites fuzz fuzzers bench bench-kernels bench-mpi figures install install-html uninstall format dist distcheck check-packages clean help FORCE

## all: the library, static and shared, in lib/, programs and examples in examples/bin/, the manual (the default)
all: library programs man
library: $(STATIC_LIB) $(SHARED_LINKS) $(if $(filter 1,$(WITH_MPI)),mpi)
## mpi: libconvnet-mpi alone, with the MPI of MPICC (mpicc), in MPI_LIB (lib/)
mpi: $(MPI_STATIC_LIB) $(MPI_SHARED_LINKS)
static: $(STATIC_LIB)
programs: $(INSTALLED) $(EXAMPLES)

# ---- what has to be installed ----

# Shell: collects in $$missing the Debian packages that bring what is not there. Without pkg-config, dpkg
# knows.
pkg_config := $(firstword $(PKG_CONFIG))
NEEDED := zlib:zlib1g-dev $(if $(filter 1,$(WITH_IMAGES)),libpng:libpng-dev libjpeg:libjpeg-dev)
find_missing = missing=; \
    has() { if command -v $(pkg_config) >/dev/null; then $(PKG_CONFIG) --exists $$1; else dpkg -s $$2 >/dev/null 2>&1; fi; }; \
    need() { has $${1%%:*} $${1\#*:} || missing="$$missing $${1\#*:}"; }; \
    command -v $(firstword $(CC)) >/dev/null || missing="$$missing $(if $(findstring clang,$(CC)),clang,gcc) libc6-dev"; \
    command -v $(pkg_config) >/dev/null || missing="$$missing pkg-config"; \
    for needed in $(NEEDED); do need $$needed; done
find_missing_for_tests = need check:check
# What the scripts that install and link have to have.
find_missing_for_scripts = command -v $(firstword $(CXX)) >/dev/null || missing="$$missing g++"
# The cases of test_onnx_cases.sh, which does without where they are not.
find_missing_cases = [ -d /usr/share/libonnx-testdata ] || missing="$$missing libonnx-testdata"
stop_if_missing = [ -z "$$missing" ] || { echo "not installed; Debian has it in:$$missing (make deps installs them)" >&2; exit 1; }

install_missing = [ -n "$$missing" ] || exit 0; \
	command -v apt-get >/dev/null || { echo "no apt-get here; the Debian packages are:$$missing" >&2; exit 1; }; \
	sudo=; [ "$$(id -u)" -eq 0 ] || sudo=sudo; \
	install="apt-get install -y --no-install-recommends$$missing"; \
	[ -z "$$sudo" ] || command -v sudo >/dev/null || { echo "no sudo here; as root: $$install" >&2; exit 1; }; \
	ls /var/lib/apt/lists/*Packages* >/dev/null 2>&1 || $$sudo apt-get update; \
	echo "$${sudo:+sudo }$$install"; \
	$$sudo env DEBIAN_FRONTEND=noninteractive $$install

## deps: installs the Debian packages that building and testing need; nothing if all are there
deps:
	@$(find_missing); $(find_missing_for_tests); $(find_missing_for_scripts); $(find_missing_cases); $(install_missing)

## deps-mpi: the same for WITH_MPI=1: Open MPI, or with MPICC=mpicc.mpich MPICH
find_missing_mpi = command -v $(firstword $(MPICC)) >/dev/null || \
    missing="$$missing $(if $(findstring mpich,$(MPICC)),libmpich-dev mpich,libopenmpi-dev openmpi-bin)"
deps-mpi:
	@missing=; $(find_missing_mpi); $(install_missing)

# In `make deps check` nothing begins before deps is through.
AFTER_DEPS := $(if $(filter deps,$(MAKECMDGOALS)),| deps)

# Files that change when what they hold does: all that is compiled depends on the flags, libraries on their members.
quote = '$(subst ','\'',$(1))'
remember = @mkdir -p $(@D); printf '%s\n' $(call quote,$(1)) | cmp -s - $@ || printf '%s\n' $(call quote,$(1)) >$@
BUILD_FLAGS = $(CC) $(LIBRARY_FLAGS) $(USER_FLAGS) $(LDFLAGS) $(PACKAGE_LIBS)

# `make install` alone compiles nothing in another way than what is there.
ifeq ($(MAKECMDGOALS),install)
stop_if_other = [ ! -f $@ ] || printf '%s\n' $(call quote,$(BUILD_FLAGS)) | cmp -s - $@ || { \
    printf '%s\n' "make install: built was with" "$$(cat $@)" "and now asked for is" $(call quote,$(BUILD_FLAGS)) \
    "Install with the same, or build with the new ones first." >&2; exit 1; }
endif
recorded = CC CFLAGS CPPFLAGS LDFLAGS AR WITH_IMAGES WITH_MPI MPICC PROGRAMS PACKAGE_CFLAGS PACKAGE_LIBS
record = printf '%s\n' $(foreach name,$(recorded),$(call quote,$(name) := $(subst $$,$$$$,$(subst \#,\\\#,$($(name))))))

$(B)/flags: FORCE $(AFTER_DEPS)
	@$(find_missing); $(stop_if_missing)
	$(if $(stop_if_other),@$(stop_if_other))
	$(call remember,$(BUILD_FLAGS))
	@$(if $(filter install mpi-tests,$(MAKECMDGOALS)),[ -f $(B)/built.mk ] ||) $(record) | cmp -s - $(B)/built.mk || $(record) >$(B)/built.mk

$(B)/test-flags: FORCE $(AFTER_DEPS)
	@$(find_missing); $(find_missing_for_tests); $(stop_if_missing)
	$(call remember,$(CC) $(BASE_FLAGS) $(USER_FLAGS) $(LDFLAGS) $(CHECK_CFLAGS) $(CHECK_LIBS))

# The wrapper adds what MPI wants to a command of the compiler that all else is compiled with.
mpi_cc = OMPI_CC='$(CC)' MPICH_CC='$(CC)' $(MPICC)
MPI_B := $(B)/mpi-$(notdir $(firstword $(MPICC)))
$(MPI_B)/flags: FORCE $(AFTER_DEPS)
	@missing=; $(find_missing_mpi); [ -z "$$missing" ] || \
	    { echo "no $(firstword $(MPICC)), which WITH_MPI=1 needs; Debian has it in:$$missing (make deps-mpi installs them)" >&2; exit 1; }
	$(call remember,$(mpi_cc) $(BASE_FLAGS) $(USER_FLAGS) $(LDFLAGS))

# Which MPI it was last that is in MPI_LIB.
$(MPI_LIB)/libconvnet-mpi.mpicc: FORCE
	$(call remember,$(MPICC))

$(B)/objects: FORCE
	$(call remember,$(OBJECTS))

$(B)/programs-lib: FORCE
	$(call remember,$(PROGRAMS_LIB))

# ---- objects ----

# The same bytes in whatever folder: debug information has paths as they are seen from here. What is built need not be
# built again where it is moved, so these are not among the flags that are remembered.
SAME_PATHS := '-ffile-prefix-map=$(CURDIR)=.' $(if $(O),'-ffile-prefix-map=$(O)/=')
export PWD := $(CURDIR)
compile = $(or $(2),$(CC)) $(1) $(SAME_PATHS) -MMD -MP $(USER_FLAGS) -c -o $@ $<

# Kernels read no files, and Clang takes many minutes over one that is instrumented or made fast; check-asan looks into them.
$(B)/library/kernels/isa/%.o: private SANITIZE_fuzz := -O0
# Nor does what draws numbers, each comparison of which libFuzzer would look at.
$(addprefix $(B)/library/base/,philox.o elementary.o): private SANITIZE_fuzz := -O1
# Branches are counted as they were written: without an optimizer, which kernels would take hours without, and each
# function of kernels once, however many copies are compiled into others.
$(B)/library/kernels/isa/%.o: private SANITIZE_coverage += -O1 -fno-inline -DINLINE='static __attribute__((unused))'
$(B)/examples/%.o $(B)/tests/%.o: private SANITIZE_coverage := -O1
define isa_rules
$(B)/library/kernels/isa/%.$(1).o: src/kernels/isa/%.c $(B)/flags
	$$(call say,CC,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(call compile,$$(LIBRARY_FLAGS) -Wno-psabi $(ISA_$(1)))
endef
$(foreach isa,$(ISAS),$(eval $(call isa_rules,$(isa))))

$(B)/library/%.o: src/%.c $(B)/flags
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(call compile,$(LIBRARY_FLAGS))

$(B)/library/%.o: $(B)/%.c $(B)/flags
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(call compile,$(LIBRARY_FLAGS))

# weights/a-b.safetensors becomes the array cn__a_b, which io.h declares.
$(WEIGHTS:%.safetensors=$(B)/%.c): $(B)/%.c: %.safetensors Makefile
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)name=cn__$(subst -,_,$(*F)); { echo '#include "io/io.h"'; echo "const unsigned char $$name[] = {"; \
	    od -A n -v -t u1 $< | sed -e 's/  */,/g' -e 's/^,//' -e 's/$$/,/'; echo '};'; \
	    echo "const size_t $${name}_bytes = sizeof $$name;"; } >$@

# The array that src/export/functions.h declares.
$(B)/export/function_texts.c: $(C_FUNCTIONS) Makefile
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q){ echo '#include "export/functions.h"'; \
	    for file in $(C_FUNCTIONS); do \
	        name=$${file##*/}; echo "static const unsigned char $${name%.c}_text[] = {"; \
	        od -A n -v -t u1 $$file | sed -e 's/  */,/g' -e 's/^,//' -e 's/$$/,/'; echo '0};'; done; \
	    echo 'const cn__c_function_text cn__c_function_texts[] = {'; \
	    for file in $(C_FUNCTIONS); do \
	        name=$${file##*/}; echo "{\"$${name%.c}\", (const char *)$${name%.c}_text},"; done; \
	    echo '};'; echo 'const size_t cn__c_function_texts_count = sizeof cn__c_function_texts / sizeof *cn__c_function_texts;'; } >$@

$(MPI_B)/%.o: src/mpi/%.c $(MPI_B)/flags
	$(call say,MPICC,$@)
	@mkdir -p $(@D)
	$(Q)$(call compile,$(BASE_FLAGS) -fPIC -fvisibility=hidden,$(mpi_cc))

$(B)/examples/%.o: examples/%.c $(B)/flags
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(call compile,$(BASE_FLAGS))

$(B)/tests/%.o: tests/%.c $(B)/test-flags
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(call compile,$(BASE_FLAGS) -Wno-psabi -Isrc $(PARTS) $(CHECK_CFLAGS) $(PACKAGE_CFLAGS))

-include $(LIBRARY_OBJECTS:.o=.d) $(wildcard $(MPI_B)/*.d) $(wildcard $(B)/examples/*.d $(B)/examples/programs/*.d $(B)/examples/programs/common/*.d $(B)/tests/*.d)

# ---- libraries and programs ----

# D: without the time and who built it; Apple's ar takes that from the environment.
ARCHIVE := $(if $(filter Darwin,$(SYSTEM)),rcs,rcsD)
export ZERO_AR_DATE := 1
define archive
$(call say,AR,$@)
@mkdir -p $(@D)
@rm -f $@
$(Q)$(AR) $(ARCHIVE) $@ $(filter %.o,$^)
endef

$(STATIC_LIB): $(LIBRARY_OBJECTS) $(B)/objects
	$(archive)
$(COMMON_LIB): $(COMMON_OBJECTS)
	$(archive)
$(HELPER_LIB): $(HELPER_OBJECTS)
	$(archive)

# A node for each version, of the functions that a list of symbols gives it.
$(B)/libconvnet.map: src/symbols.txt
$(B)/libconvnet-mpi.map: src/mpi/symbols.txt
$(B)/libconvnet.map $(B)/libconvnet-mpi.map:
	@mkdir -p $(@D)
	$(Q)sort -s -t. -k2,2n $< | awk -F@@ '$$2 != node { if (node) print "}" before ";"; before = node ? " " node : ""; \
	    node = $$2; print node " {\nglobal:" } { print "    " $$1 ";" } END { print "local:\n    *;\n}" before ";" }' >$@

$(SHARED_LIB): $(LIBRARY_OBJECTS) $(B)/libconvnet.map $(B)/objects
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) $(call shared_flags,libconvnet) -o $@ $(LIBRARY_OBJECTS) $(PACKAGE_LIBS) -lm

# It calls nothing of libconvnet, so that it goes with a program that has that within.
MPI_OBJECTS := $(MPI_SOURCES:src/mpi/%.c=$(MPI_B)/%.o)
$(MPI_STATIC_LIB): $(MPI_OBJECTS) $(MPI_LIB)/libconvnet-mpi.mpicc
	$(archive)
$(MPI_SHARED_LIB): $(MPI_OBJECTS) $(B)/libconvnet-mpi.map $(MPI_LIB)/libconvnet-mpi.mpicc
	$(call say,MPICC,$@)
	@mkdir -p $(@D)
	$(Q)$(mpi_cc) $(LINK_FLAGS) $(call shared_flags,libconvnet-mpi) -o $@ $(MPI_OBJECTS)

$(SHARED_LINKS): $(SHARED_LIB)
$(MPI_SHARED_LINKS): $(MPI_SHARED_LIB)
$(SHARED_LINKS) $(MPI_SHARED_LINKS):
	$(Q)ln -sf $(notdir $<) $@

$(INSTALLED): $(PROGRAMS_DIR)/convnet-%: $(B)/examples/programs/%.o $(COMMON_LIB)
$(EXAMPLES): $(PROGRAMS_DIR)/convnet-%: $(B)/examples/%.o
$(INSTALLED) $(EXAMPLES): $(PROGRAMS_LIB) $(B)/programs-lib
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) -o $@ $(filter %.o %/$(notdir $(COMMON_LIB)),$^) $(if $(filter shared,$(PROGRAMS)),-L$(LIB) -lconvnet,$(STATIC_LIB) $(PACKAGE_LIBS)) -lm $(DL_LIBS)

# ---- the manual, and what shells complete ----

# Pages for functions are made from the header, what is about programs from what they say of themselves (tools/README.md).
MAN := $(B)/man
COMPLETIONS := $(B)/completions
NAMES := $(notdir $(INSTALLED))
PAGE_TOOLS := tools/mdoc.awk CHANGELOG.md Makefile
page_values = -v version='$(FULL_VERSION)' -v date="$$(sed -n 's/^\#\# .*(\(.*\))$$/\1/p' CHANGELOG.md | head -n 1)" \
    -v programs='$(NAMES:convnet-%=%)' -f tools/mdoc.awk

# Those of libconvnet-mpi, which are installed with it.
MPI_MAN := $(B)/man-mpi

## man: a page of the manual for each function and each program, and completions for bash and zsh, in build/release
man: $(MAN)/functions $(MPI_MAN)/functions $(NAMES:%=$(MAN)/man1/%.1) $(NAMES:%=$(COMPLETIONS)/%) $(NAMES:%=$(COMPLETIONS)/_%)

functions_pages = LC_ALL=C awk -v library=$(1) -v out='$(@D)/man3' $(page_values) -f tools/man_functions.awk
$(MAN)/functions: include/convnet.h
$(MPI_MAN)/functions: include/convnet.h include/convnet-mpi.h
$(MAN)/functions $(MPI_MAN)/functions: tools/man_functions.awk $(PAGE_TOOLS)
	$(call say,MAN,$(@D)/man3)
	@rm -rf $(@D)/man3
	@mkdir -p $(@D)/man3
	$(Q)$(if $(filter $(MAN)/%,$@),$(call functions_pages,convnet) pass=1 include/convnet.h pass=2 include/convnet.h, \
	    $(call functions_pages,convnet-mpi) pass=1 include/convnet.h include/convnet-mpi.h pass=2 include/convnet-mpi.h)
	@touch $@

# Programs for another machine are asked through RUN.
$(NAMES:%=$(B)/help/%): $(B)/help/%: $(PROGRAMS_DIR)/%
	@mkdir -p $(@D)
	$(Q)$(LIBRARY_PATH) $(RUN) $(call quote,$(abspath $<)) --help >$@

$(NAMES:%=$(MAN)/man1/%.1): $(MAN)/man1/%.1: $(B)/help/% tools/help.awk tools/man_program.awk $(PAGE_TOOLS)
	$(call say,MAN,$@)
	@mkdir -p $(@D)
	$(Q)LC_ALL=C awk $(page_values) -f tools/help.awk -f tools/man_program.awk $< >$@

$(NAMES:%=$(COMPLETIONS)/%): $(COMPLETIONS)/%: $(B)/help/% tools/help.awk tools/completion.awk
	@mkdir -p $(@D)
	$(Q)LC_ALL=C awk -v shell=bash -f tools/help.awk -f tools/completion.awk $< >$@

$(NAMES:%=$(COMPLETIONS)/_%): $(COMPLETIONS)/_%: $(B)/help/% tools/help.awk tools/completion.awk
	@mkdir -p $(@D)
	$(Q)LC_ALL=C awk -v shell=zsh -f tools/help.awk -f tools/completion.awk $< >$@

## docs: the same, and the reference as HTML in build/release/html (Debian: doxygen), without a warning
docs: man
	@rm -rf $(B)/html
	$(Q)VERSION='$(FULL_VERSION)' OUT='$(B)' doxygen tools/Doxyfile

ONNX_RUN := $(TESTS_DIR)/onnx_run
ONNX_SAVE := $(TESTS_DIR)/onnx_save

$(SUITES) $(BENCHES) $(ONNX_RUN) $(ONNX_SAVE): $(TESTS_DIR)/%: $(B)/tests/%.o $(HELPER_LIB) $(COMMON_LIB) $(STATIC_LIB)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) -o $@ $^ $(CHECK_LIBS) $(PACKAGE_LIBS) -lm

# What has calls fail stands in front of the C library: linked into its suite, and to be preloaded into programs.
$(TESTS_DIR)/test_io_faults: $(B)/tests/fail_io.o
$(TESTS_DIR)/test_memory_faults: $(B)/tests/fail_memory.o
FAIL_IO := $(if $(filter Linux,$(SYSTEM)),$(TESTS_DIR)/fail_io.so)
$(TESTS_DIR)/fail_%.so: tests/fail_%.c $(B)/test-flags
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE_FLAGS) -O1 -g -fPIC -shared -o $@ $<

# Programs that mpirun starts, with the library as a host has it; delayed_link is a network for them.
MPI_TESTS := $(MPI_LIB)/operations $(MPI_LIB)/exchange
mpi-tests: mpi $(MPI_TESTS) $(MPI_LIB)/mpi $(if $(filter Linux,$(SYSTEM)),$(B)/delayed_link)
$(MPI_TESTS): $(MPI_LIB)/%: tests/mpi/%.c $(MPI_STATIC_LIB)
	$(call say,MPICC,$@)
	$(Q)$(mpi_cc) $(BASE_FLAGS) $(LINK_FLAGS) -o $@ $< $(MPI_STATIC_LIB)
$(MPI_LIB)/mpi: examples/mpi.c $(MPI_STATIC_LIB) $(STATIC_LIB)
	$(call say,MPICC,$@)
	$(Q)$(mpi_cc) $(BASE_FLAGS) $(LINK_FLAGS) -o $@ $< $(MPI_STATIC_LIB) $(STATIC_LIB) $(PACKAGE_LIBS) -lm
$(B)/delayed_link: tests/mpi/delayed_link.c $(B)/flags
	$(call say,LD,$@)
	$(Q)$(CC) $(BASE_FLAGS) $(LINK_FLAGS) -o $@ $<

# Once for each MPI that is here.
MPICCS = $(call later,MPICCS,$(shell for mpicc in mpicc.openmpi mpicc.mpich; do ! command -v $$mpicc >/dev/null || echo $$mpicc; done | grep . || \
    ! command -v mpicc >/dev/null || echo mpicc))
MPI_BUILDS = $(addprefix $(B)/,$(MPICCS))
check: mpi-builds
mpi-builds: programs library
	+@for mpicc in $(MPICCS); do $(MAKE) --no-print-directory mpi-tests MPICC=$$mpicc MPI_LIB='$(B)'/$$mpicc || exit; done

FUZZ_HELPERS := $(addprefix $(B)/tests/,fuzzing.o checksums.o well_formed.o)
$(FUZZERS): $(B)/%: $(B)/tests/%.o $(FUZZ_HELPERS) $(COMMON_LIB) $(STATIC_LIB)
	$(call say,LD,$@)
	$(Q)$(LINK) -fsanitize=fuzzer -o $@ $^ $(PACKAGE_LIBS) -lm

# ---- running ----

## demo: trains the session-8 network on drawn images, about a minute, and shows the result
demo: programs
	$(LIBRARY_PATH) $(PROGRAMS_DIR)/convnet-train --data synthetic --epochs 3 --out $(OUT)build/demo.safetensors --log $(OUT)build/demo.csv
	@echo
	$(LIBRARY_PATH) $(PROGRAMS_DIR)/convnet-test $(OUT)build/demo.safetensors --data synthetic --misclassified 5 --predictions 10

test_environment = NM='$(NM)' CC='$(CC)' CXX='$(CXX)' MAKE='$(MAKE)' PKG_CONFIG='$(PKG_CONFIG)' LIB='$(LIB)' \
    PROGRAMS='$(PROGRAMS_DIR)' MAN='$(MAN)' MPI_MAN='$(MPI_MAN)' COMPLETIONS='$(COMPLETIONS)' ONNX_RUN='$(ONNX_RUN)' FAIL_IO='$(abspath $(FAIL_IO))' MPI_BUILDS='$(MPI_BUILDS)' $(LIBRARY_PATH)

## check: builds and runs all tests, as many at a time as there are processors; WHOLE=1: without sparing any
check: all $(SUITES) $(ONNX_RUN) $(FAIL_IO)
	@$(find_missing); $(find_missing_for_scripts); $(stop_if_missing)
	@$(test_environment) tests/run.sh -o $(B)/summary $(SCRIPTS) $(SUITES)

## check-quick: the same without the slow suites, in seconds
check-quick: all $(filter-out $(SLOW),$(SUITES)) $(ONNX_RUN) $(FAIL_IO)
	@$(test_environment) tests/run.sh -o $(B)/summary $(filter-out $(SLOW),$(SUITES)) \
	    $(filter-out $(SLOW_SCRIPTS),$(SCRIPTS))

## check-all: every kind of proof that this machine has the tools for, at a small size, in a quarter of an hour
check-all:
	+@MAKE='$(MAKE)' tests/all.sh

## check-abi: of check, what is about the interface alone: header, symbols, the record, and the gate that guards it
check-abi: library
	@$(test_environment) tests/run.sh tests/test_header.sh tests/test_symbols.sh tests/test_abi.sh tests/test_abi_gate.sh

## abi-accept: puts what was added to the interface on record in tests/abi (Debian: abigail-tools); BREAKING=yes: what breaks it
abi-accept: library
	@CC='$(CC)' tests/abi/accept.sh tests/abi include/convnet.h $(LIB)/libconvnet.so

## check-faults-io: each call for files of the library, and each FAULTS_EVERYth (1) of the programs, fails in every way
FAULTS_EVERY ?= 1
check-faults-io: programs $(TESTS_DIR)/test_io_faults $(FAIL_IO)
	@FAULTS=1 CK_VERBOSITY=minimal $(TESTS_DIR)/test_io_faults
	@FAULTS_EVERY=$(FAULTS_EVERY) $(test_environment) tests/test_program_faults.sh

## check-faults-memory: each allocation of the library and its dependencies, each lock and thread fails, once and for good
check-faults-memory: $(TESTS_DIR)/test_memory_faults $(TESTS_DIR)/test_refusals
	@FAULTS=1 CK_VERBOSITY=minimal $(TESTS_DIR)/test_refusals
	@FAULTS=1 CK_VERBOSITY=minimal $(TESTS_DIR)/test_memory_faults

## check-kill: KILLS (1000) processes killed while they train or save, at random moments and before each call (minutes)
KILLS ?= 1000
check-kill: programs $(TESTS_DIR)/test_kills $(FAIL_IO)
	@KILLS=$(KILLS) $(TESTS_DIR)/test_kills
	@KILLS=$(KILLS) KILL_EVERY=1 $(test_environment) tests/test_kill.sh

## check-mpi: libconvnet-mpi with each MPI that is here: up to four ranks, on machines of their own, killed (make deps-mpi)
check-mpi: mpi-builds
	@FULL=1 $(test_environment) tests/test_mpi.sh

## check-browser: a report in headless Chromium, with screenshots in build/browser
check-browser: programs
	@PROGRAMS='$(PROGRAMS_DIR)' tests/browser.sh build/browser

## check-builds: builds with other compilers, flags and options, without a warning (minutes)
check-builds: $(AFTER_DEPS)
	+@MAKE='$(MAKE)' tests/builds.sh

## check-reproducible: builds twice, in two folders and at two times, and compares the bytes (minutes)
check-reproducible: $(AFTER_DEPS)
	+@MAKE='$(MAKE)' tests/reproducible.sh

## check-arm64, check-i386, check-s390x, check-musl: Debian's compilers, suites under QEMU (tests/cross.sh says what they need)
check-arm64 check-i386 check-s390x check-musl:
	+@MAKE='$(MAKE)' tests/cross.sh $(@:check-%=%)

## check-graphs: GRAPHS (1000) random graphs of all layers, from seed FIRST (1000) on, against the reference
GRAPHS ?= 1000
FIRST ?= 1000
check-graphs: $(TESTS_DIR)/test_graphs
	@GRAPHS=$(GRAPHS) FIRST=$(FIRST) $(TESTS_DIR)/test_graphs

## check-export-arm: networks written as C on a Cortex-M7 without a system, under QEMU; skipped where the tools are missing
check-export-arm: programs
	@PROGRAMS='$(PROGRAMS_DIR)' tests/export_arm.sh

test-programs: $(SUITES) $(BENCHES) $(ONNX_RUN) $(ONNX_SAVE)

## check-onnx: the conformance cases of ONNX (Debian: libonnx-testdata), operator by operator
check-onnx: $(ONNX_RUN)
	@tests/onnx_conformance.sh $(ONNX_RUN)

## check-onnx-networks: torchvision's networks, exported by PyTorch, against ONNX Runtime (minutes)
check-onnx-networks: $(ONNX_RUN)
	@tests/onnx_networks.py $(ONNX_RUN)

## check-onnx-save: every layer and prebuilt network as an ONNX file, against ONNX Runtime and ONNX's checker (minutes)
check-onnx-save: $(ONNX_SAVE)
	@node tests/onnx_save.js $(ONNX_SAVE)

## sanitize: check-asan, then check-tsan
sanitize: $(AFTER_DEPS)
	+$(MAKE) check-asan
	+$(MAKE) check-tsan

## check-asan: suites and programs with AddressSanitizer and UBSan
check-asan: $(AFTER_DEPS)
	+ASAN_OPTIONS=allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 $(MAKE) CONFIG=asan CFLAGS='-O1 -g' suites

## check-tsan: suites and programs with ThreadSanitizer
check-tsan: $(AFTER_DEPS)
	+TSAN_OPTIONS=allocator_may_return_null=1 $(MAKE) CONFIG=tsan CFLAGS='-O1 -g' suites

# For slow tools: less of the same.
suites: $(if $(ONLY),,programs) $(SUITES)
	@QUICK=1 $(test_environment) tests/run.sh $(if $(filter tsan,$(CONFIG)),-1 '$(SUITES)') -o $(B)/summary $(SUITES) \
	    $(if $(ONLY),,$(addprefix tests/test_,programs.sh convert.sh resume.sh tasks.sh train.sh))

## check-valgrind: suites under valgrind, which knows AVX2 at most
check-valgrind: $(SUITES)
	@QUICK=1 CK_FORK=no CONVNET_MAX_ISA=avx2 tests/run.sh -1 '$(SUITES)' -o $(B)/summary \
	    -x 'valgrind -q --leak-check=full --error-exitcode=99' $(SUITES)

## lint: GCC's further warnings and -fanalyzer, clang-tidy and cppcheck, whatever is there: no findings (LINT=cppcheck)
LINT = # GNU make has a tool of that name by default
lint: $(AFTER_DEPS)
	@tools/spdx.sh
	@CC='$(CC)' CFLAGS_LINT='$(LIBRARY_FLAGS) $(CHECK_CFLAGS)' tests/lint.sh $(LINT)

## soak: everything in one process for SOAK_SECONDS (3600), and SOAK_PREDICTIONS (10000000): nothing lost, nothing grows
SOAK_SECONDS ?= 3600
SOAK_PREDICTIONS ?= 10000000
soak: $(TESTS_DIR)/test_soak
	@SOAK_SECONDS=$(SOAK_SECONDS) SOAK_PREDICTIONS=$(SOAK_PREDICTIONS) CK_FORK=no $<

## coverage: what the suites reach: lines and branches by file, worst first; fails below 98 and 90 %
coverage: $(AFTER_DEPS)
	+$(MAKE) CONFIG=coverage CFLAGS=-g coverage-suites

# But for kernels and layouts a second run reaches nothing new.
REACH_THE_SAME = $(filter-out $(TESTS_DIR)/test_kernels_% $(patsubst tests/%.c,$(TESTS_DIR)/%,$(shell grep -l TEST_BOTH_LAYOUTS tests/test_*.c)),$(SUITES))
coverage-suites: programs $(SUITES) $(ONNX_RUN)
	@find $(B) -name '*.gcda' -delete
	@QUICK=1 $(test_environment) tests/run.sh -1 '$(REACH_THE_SAME)' -o $(B)/summary $(SUITES) \
	    tests/test_onnx_cases.sh tests/test_programs.sh tests/test_convert.sh tests/test_tasks.sh
	@offered=$$(TEST_ISAS=1 $(TESTS_DIR)/test_kernels_math | tr '\n' '|'); \
	    tests/coverage.sh $(B)/library "$$(echo $(ISAS) | tr ' ' '\n' | grep -vE "^($${offered}any)$$" | tr '\n' '|')" 98 90

## fuzz: looks for bytes that break their readers, FUZZ_SECONDS (60) for each fuzzer (FUZZ='png onnx'); needs Clang
fuzz: $(AFTER_DEPS)
	+$(MAKE) CONFIG=fuzz CC=clang CFLAGS=-g fuzzers

# Starts from the files in tests/corpus/NAME, and keeps what it finds of interest in build/fuzz/corpus/NAME.
FUZZ_SECONDS ?= 60
FUZZ ?= $(FUZZERS:$(B)/fuzz_%=%)
fuzzers: $(FUZZ:%=$(B)/fuzz_%)
	@for name in $(FUZZ); do \
	    dictionary=tests/corpus/$$name.dict; \
	    mkdir -p $(B)/corpus/$$name && \
	    $(B)/fuzz_$$name -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 -malloc_limit_mb=1024 \
	        $$([ ! -f $$dictionary ] || echo -dict=$$dictionary) -artifact_prefix=$(B)/$$name- -print_final_stats=1 \
	        $(B)/corpus/$$name tests/corpus/$$name >$(B)/$$name.log 2>&1 || { tail -n 40 $(B)/$$name.log; exit 1; }; \
	    printf '%-15s %s executions\n' $$name "$$(sed -n 's/.*number_of_executed_units: *//p' $(B)/$$name.log)"; \
	done

## bench: the library against PyTorch and ONNX Runtime, where they are, and the machine's peak (minutes; ROWS=mobilenet)
bench: programs $(TESTS_DIR)/bench_training $(TESTS_DIR)/bench_start
	@CC='$(CC)' tests/bench.sh $(TESTS_DIR)/bench_training $(PROGRAMS_DIR)/convnet-info $(TESTS_DIR)/bench_start

## figures: the figures of the last `make bench` into docs/bench, called by the instruction set, and from there into the documents
figures:
	mkdir -p docs/bench
	cp build/bench.csv docs/bench/$$(sed -n 's/^# instruction set: \([a-z0-9]*\).*/\1/p' build/bench.csv).csv
	for document in README.md docs/performance.md; do \
	    awk -f tools/figures.awk docs/bench/*.csv $$document >build/figures.md && cp build/figures.md $$document || exit; \
	done

## bench-mpi: one process of two threads against two ranks of one, under each MPI that is here (minutes; CORES, BATCH, ROUNDS)
bench-mpi: mpi-builds
	@tests/mpi/bench.sh $(PROGRAMS_DIR)/convnet-train $(abspath $(MPI_BUILDS))

## bench-kernels: times of single kernels, thread hand-overs and calls with few images
bench-kernels: $(filter-out %/bench_training %/bench_start,$(BENCHES))
	@for program in $^; do $$program || exit; done

# ---- installing ----

# The models and their cards.
HEADERS := include/convnet.h include/convnet.hpp
TRAINED := $(WEIGHTS) $(WEIGHTS:%.safetensors=%.md)
to = $(call quote,$(DESTDIR)$(1))
generated_environment = PREFIX=$(call quote,$(PREFIX)) LIBDIR=$(call quote,$(LIBDIR)) INCLUDEDIR=$(call quote,$(INCLUDEDIR)) \
    VERSION='$(FULL_VERSION)' SONAME='$(notdir $(firstword $(SHARED_LINKS)))' PACKAGES='$(strip $(PACKAGES))' LIBS='-lm -pthread'
INSTALL_PC = $(call to,$(LIBDIR)/pkgconfig/convnet.pc)
INSTALL_CMAKE = $(call to,$(LIBDIR)/cmake/convnet)

# What a static libconvnet-mpi is linked with is what MPI's compiler adds.
MPI_LINK_FLAGS = $(filter -L% -l% -Wl%,$(shell $(MPICC) -show))
INSTALL_MPI_PC = $(call to,$(LIBDIR)/pkgconfig/convnet-mpi.pc)
define install_mpi
install -m 644 include/convnet-mpi.h $(call to,$(INCLUDEDIR))
	install -m 644 $(MPI_STATIC_LIB) $(call to,$(LIBDIR))
	install -m 755 $(MPI_SHARED_LIB) $(call to,$(LIBDIR))
	cp -P $(MPI_SHARED_LINKS) $(call to,$(LIBDIR))
	$(generated_environment) NAME=convnet-mpi REQUIRES=convnet PACKAGES= LIBS='$(MPI_LINK_FLAGS)' \
	    DESCRIPTION='Processes of MPI that train one convolutional network together' tools/convnet.pc.sh >$(INSTALL_MPI_PC)
	chmod 644 $(INSTALL_MPI_PC)
	install -m 644 $(MPI_MAN)/man3/*.3 $(call to,$(MANDIR)/man3)
endef

## install: headers, libraries, what pkg-config and CMake read, the Python module, programs, models, manual, completions under $(DESTDIR)$(PREFIX)
install: all
	install -d $(call to,$(INCLUDEDIR)) $(call to,$(LIBDIR)/pkgconfig) $(call to,$(BINDIR)) $(call to,$(DATADIR)) \
	    $(INSTALL_CMAKE) $(call to,$(MANDIR)/man1) $(call to,$(MANDIR)/man3) $(call to,$(BASHDIR)) $(call to,$(ZSHDIR)) \
	    $(call to,$(PYTHONDIR))
	install -m 644 $(HEADERS) $(call to,$(INCLUDEDIR))
	install -m 644 python/convnet.py $(call to,$(PYTHONDIR))
	install -m 644 $(STATIC_LIB) $(call to,$(LIBDIR))
	install -m 755 $(SHARED_LIB) $(call to,$(LIBDIR))
	cp -P $(SHARED_LINKS) $(call to,$(LIBDIR))
	install -m 755 $(INSTALLED) $(call to,$(BINDIR))
	install -m 644 $(TRAINED) $(call to,$(DATADIR))
	install -m 644 $(MAN)/man1/*.1 $(call to,$(MANDIR)/man1)
	install -m 644 $(MAN)/man3/*.3 $(call to,$(MANDIR)/man3)
	install -m 644 $(NAMES:%=$(COMPLETIONS)/%) $(call to,$(BASHDIR))
	install -m 644 $(NAMES:%=$(COMPLETIONS)/_%) $(call to,$(ZSHDIR))
	$(generated_environment) tools/convnet.pc.sh >$(INSTALL_PC)
	$(generated_environment) tools/cmake_config.sh $(INSTALL_CMAKE)
	chmod 644 $(INSTALL_PC) $(INSTALL_CMAKE)/*.cmake
	$(if $(filter 1,$(WITH_MPI)),$(install_mpi))
	@[ -n $(call quote,$(DESTDIR)) ] || ldconfig >/dev/null 2>&1 || true

## install-html: the reference as HTML (`make docs`) under $(DESTDIR)$(DOCDIR)
install-html: docs
	install -d $(call to,$(DOCDIR)/html)
	cp -R $(B)/html/. $(call to,$(DOCDIR)/html)
	chmod -R a+rX $(call to,$(DOCDIR)/html)

## uninstall: removes what install and install-html wrote
uninstall: $(MAN)/functions $(MPI_MAN)/functions
	rm -f $(foreach file,$(notdir $(HEADERS)),$(call to,$(INCLUDEDIR)/$(file))) $(call to,$(PYTHONDIR)/convnet.py)
	rm -f $(call to,$(INCLUDEDIR)/convnet-mpi.h) $(INSTALL_MPI_PC)
	rm -f $(INSTALL_PC) $(INSTALL_CMAKE)/convnet-config.cmake $(INSTALL_CMAKE)/convnet-config-version.cmake
	rm -f $(foreach file,$(notdir $(STATIC_LIB) $(SHARED_LIB) $(SHARED_LINKS) $(MPI_STATIC_LIB) $(MPI_SHARED_LIB) $(MPI_SHARED_LINKS)),$(call to,$(LIBDIR)/$(file)))
	rm -f $(foreach file,$(NAMES),$(call to,$(BINDIR)/$(file)) $(call to,$(MANDIR)/man1/$(file).1) \
	    $(call to,$(BASHDIR)/$(file)) $(call to,$(ZSHDIR)/_$(file)))
	rm -f $(foreach file,$(notdir $(TRAINED)),$(call to,$(DATADIR)/$(file)))
	for page in $(MAN)/man3/*.3 $(MPI_MAN)/man3/*.3; do rm -f $(call to,$(MANDIR)/man3)/"$${page##*/}"; done
	rm -rf $(call to,$(DOCDIR)/html)

# ---- housekeeping ----

## format: clang-format over all C files, and a line about the licence in sources that have none
format:
	tools/spdx.sh --write
	$(CLANG_FORMAT) -i $$(git ls-files -co --exclude-standard '*.c' '*.h')

DIST := convnet-$(FULL_VERSION)

## dist: what is committed as a tarball, the same bytes wherever it is made, its checksum, and a wrap of it for Meson
dist:
	@mkdir -p build
	git -c tar.umask=0022 archive --format=tar --prefix=$(DIST)/ HEAD | xz -9 -T1 >build/$(DIST).tar.xz
	cd build && sha256sum $(DIST).tar.xz >$(DIST).tar.xz.sha256
	printf '[wrap-file]\ndirectory = %s\nsource_filename = %s\nsource_hash = %s\n\n[provide]\nconvnet = convnet_dep\n' \
	    $(DIST) $(DIST).tar.xz "$$(cut -d' ' -f1 build/$(DIST).tar.xz.sha256)" >build/convnet.wrap

## check-packages: the tarball twice, Debian's packages, lintian, a Meson subproject, a clean root (tests/packages.sh: needs)
check-packages:
	+@MAKE='$(MAKE)' tests/packages.sh

## distcheck: unpacks what is committed elsewhere, and there builds, checks, installs and uninstalls it
distcheck:
	rm -rf build/dist
	mkdir -p build/dist
	git archive --prefix=convnet-$(VERSION)/ HEAD | tar -x -C build/dist
	+$(MAKE) -C build/dist/convnet-$(VERSION) check
	+$(MAKE) -C build/dist/convnet-$(VERSION) install DESTDIR=$(CURDIR)/build/dist/root
	+$(MAKE) -C build/dist/convnet-$(VERSION) uninstall DESTDIR=$(CURDIR)/build/dist/root
	@left=$$(find build/dist/root ! -type d); [ -z "$$left" ] || { echo "left behind: $$left" >&2; exit 1; }
	rm -rf build/dist

## clean: removes everything that was built
clean:
	rm -rf $(OUT)build $(OUT)lib $(OUT)examples/bin $(OUT)tests/bin

## help: this list
help:
	@sed -n 's/^## \([a-z0-9-]*\)[a-z0-9, -]*: \(.*\)/\1|\2/p' Makefile | awk -F'|' '{ printf "  make %-15s %s\n", $$1, $$2 }'
	@echo; sed -n 's/^#   make/  make/p' Makefile
