# libconvnet: `make help` lists the targets.
#
# Set on the command line: CC, CFLAGS, LDFLAGS, PREFIX, LIBDIR, INCLUDEDIR, DESTDIR, WITH_JSON=0 (no model files),
# CONFIG and SANITIZE (used by the sanitizer targets), V=1 (show commands).

version-part = $(shell sed -n 's/^.define CN_VERSION_$(1)  *\([0-9]*\).*/\1/p' include/convnet.h)
MAJOR   := $(call version-part,MAJOR)
VERSION := $(MAJOR).$(call version-part,MINOR).$(call version-part,PATCH)

PREFIX     ?= /usr/local
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR     ?= $(PREFIX)/bin
DESTDIR    ?=

CC        ?= cc
AR        ?= ar
CFLAGS    ?= -O2 -g
WITH_JSON ?= 1
CONFIG    ?= release
SANITIZE  ?=
V         ?= 0
Q         := $(if $(filter 1,$(V)),,@)

# Where things go. Only the plain build puts libraries and programs where users look for them.
BUILD   := build/$(CONFIG)
PLAIN   := $(filter release,$(CONFIG))
LIB     := $(if $(PLAIN),lib,$(BUILD)/lib)
BIN     := $(if $(PLAIN),examples/bin,$(BUILD)/examples)
TESTBIN := $(if $(PLAIN),tests/bin,$(BUILD)/tests)

# ---- what it needs ----

PACKAGES      := openblas zlib $(if $(filter 1,$(WITH_JSON)),jansson)
DEBIAN        := gcc g++ pkg-config libopenblas-dev zlib1g-dev libjansson-dev check
PKG_CONFIG    ?= pkg-config
PACKAGE_CFLAGS = $(shell $(PKG_CONFIG) --cflags $(PACKAGES))
PACKAGE_LIBS   = $(shell $(PKG_CONFIG) --libs $(PACKAGES))

# ---- flags ----

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes
override ALL_CFLAGS = -std=c11 $(WARNINGS) -ffp-contract=off -fno-math-errno -fvisibility=hidden -pthread \
    -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE $(if $(filter Linux,$(shell uname -s)),-D_GNU_SOURCE) \
    -DCN_WITH_JSON=$(WITH_JSON) -Iinclude -Isrc $(PACKAGE_CFLAGS) $(CFLAGS) $(SANITIZE)
LIBS = $(PACKAGE_LIBS) -lm -pthread

ISAS := portable $(if $(filter x86_64 amd64,$(shell uname -m)),avx2 avx512)
isa-flags-portable := -DCN__ISA=1
isa-flags-avx2     := -DCN__ISA=2 -mavx2 -mfma
isa-flags-avx512   := -DCN__ISA=3 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512

# ---- what there is ----

KERNELS  := $(sort $(wildcard src/kernels/isa/*.c))
SOURCES  := $(sort $(filter-out $(KERNELS),$(wildcard src/*/*.c src/*/*/*.c)))
OBJECTS  := $(SOURCES:%.c=%.o) $(foreach isa,$(ISAS),$(KERNELS:src/kernels/isa/%.c=kernels-$(isa)/%.o))
STATIC   := $(addprefix $(BUILD)/static/,$(OBJECTS))
SHARED   := $(addprefix $(BUILD)/shared/,$(OBJECTS))
PROGRAMS := $(patsubst examples/%.c,$(BIN)/convnet-%,$(sort $(wildcard examples/*.c)))
COMMON   := $(patsubst %.c,$(BUILD)/programs/%.o,$(sort $(wildcard examples/common/*.c)))
SUITES   := $(patsubst tests/%.c,$(TESTBIN)/%,$(sort $(wildcard tests/test_*.c)))
BENCHES  := $(patsubst tests/%.c,$(TESTBIN)/%,$(sort $(wildcard tests/bench_*.c)))
HELPERS  := $(patsubst %.c,$(BUILD)/tests/%.o,$(sort $(filter-out $(wildcard tests/test_*.c tests/bench_*.c),$(wildcard tests/*.c))))
SONAME   := libconvnet.so.$(MAJOR)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all lib programs tests deps demo check check-asan check-tsan check-valgrind sanitize bench bench-kernels \
    install uninstall clean format distcheck help have-packages have-check

all: lib programs ## the library and the programs
lib: $(LIB)/libconvnet.a $(LIB)/$(SONAME)
programs: $(PROGRAMS)
tests: $(SUITES)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 18

# ---- packages ----

deps: ## install what is missing (Debian: one apt-get install, with sudo where needed)
	$(Q)missing=; for package in $(DEBIAN); do \
	    dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
	done; \
	[ -z "$$missing" ] && exit 0; \
	sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	set -x; $$sudo apt-get install -y --no-install-recommends $$missing

have-packages:
	@command -v $(PKG_CONFIG) >/dev/null || { echo "pkg-config is missing: make deps, or install pkg-config" >&2; exit 1; }
	@for package in openblas:libopenblas-dev zlib:zlib1g-dev $(if $(filter 1,$(WITH_JSON)),jansson:libjansson-dev); do \
	    $(PKG_CONFIG) --exists $${package%%:*} || \
	    { echo "$${package%%:*} is missing: make deps, or install Debian's $${package##*:}" >&2; exit 1; }; \
	done

have-check:
	@$(PKG_CONFIG) --exists check || { echo "check is missing: make deps, or install Debian's check" >&2; exit 1; }

# ---- the library ----

compile = $(Q)mkdir -p $(@D) && echo "  CC $@" && $(CC) $(ALL_CFLAGS) $(1) -MMD -MP -c $< -o $@

$(BUILD)/static/%.o: %.c | have-packages
	$(call compile,)
$(BUILD)/shared/%.o: %.c | have-packages
	$(call compile,-fPIC)
define kernel-rules
$(BUILD)/static/kernels-$(1)/%.o: src/kernels/isa/%.c | have-packages
	$$(call compile,-O3 $(isa-flags-$(1)))
$(BUILD)/shared/kernels-$(1)/%.o: src/kernels/isa/%.c | have-packages
	$$(call compile,-O3 -fPIC $(isa-flags-$(1)))
endef
$(foreach isa,$(ISAS),$(eval $(call kernel-rules,$(isa))))

$(LIB)/libconvnet.a: $(STATIC)
	$(Q)mkdir -p $(@D) && rm -f $@ && echo "  AR $@" && $(AR) rcs $@ $^

$(LIB)/libconvnet.so.$(VERSION): $(SHARED) src/libconvnet.map
	$(Q)mkdir -p $(@D) && echo "  LD $@" && $(CC) -shared $(SANITIZE) -Wl,-soname,$(SONAME) \
	    -Wl,--version-script=src/libconvnet.map $(if $(SANITIZE),,-Wl,--no-undefined) $(LDFLAGS) $(SHARED) $(LIBS) -o $@
$(LIB)/$(SONAME): $(LIB)/libconvnet.so.$(VERSION)
	$(Q)ln -sf $(<F) $@ && ln -sf $(@F) $(LIB)/libconvnet.so

# ---- programs, tests, benchmarks ----

$(BUILD)/programs/%.o: %.c
	$(call compile,-Iexamples)
$(BIN)/convnet-%: $(BUILD)/programs/examples/%.o $(COMMON) $(LIB)/libconvnet.a
	$(Q)mkdir -p $(@D) && echo "  LD $@" && $(CC) $(SANITIZE) $(LDFLAGS) $^ $(LIBS) -o $@

$(BUILD)/tests/%.o: %.c | have-packages have-check
	$(call compile,-Itests $(shell $(PKG_CONFIG) --cflags check))
$(TESTBIN)/%: $(BUILD)/tests/tests/%.o $(HELPERS) $(LIB)/libconvnet.a
	$(Q)mkdir -p $(@D) && echo "  LD $@" && $(CC) $(SANITIZE) $(LDFLAGS) $^ $(shell $(PKG_CONFIG) --libs check) $(LIBS) -o $@

demo: all ## train session 8 on pictures that the library draws itself, and show what it learnt
	$(BIN)/convnet-train --data synthetic --epochs 3 --out build/demo.safetensors
	$(BIN)/convnet-test build/demo.safetensors --data synthetic

check: all tests ## every test, with each instruction set that the machine has
	$(Q)tests/run.sh $(TESTBIN)

# A sanitizer's build has a folder of its own.
check-asan: ## the suites under AddressSanitizer and UndefinedBehaviorSanitizer
	$(Q)$(MAKE) CONFIG=asan CFLAGS="-O1 -g" SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer" tests
	$(Q)SUITES_ONLY=1 tests/run.sh build/asan/tests
check-tsan: ## the suites under ThreadSanitizer
	$(Q)$(MAKE) CONFIG=tsan CFLAGS="-O1 -g" SANITIZE="-fsanitize=thread" tests
	$(Q)SUITES_ONLY=1 QUICK=1 TSAN_OPTIONS="suppressions=tests/tsan.supp" tests/run.sh build/tsan/tests
check-valgrind: tests ## the suites under valgrind
	$(Q)SUITES_ONLY=1 QUICK=1 CONVNET_MAX_ISA=avx2 CK_FORK=no CK_DEFAULT_TIMEOUT=0 \
	    WRAPPER="valgrind -q --error-exitcode=1 --leak-check=full --errors-for-leak-kinds=definite,possible" tests/run.sh $(TESTBIN)
sanitize: check-asan check-tsan ## both of these

bench: all $(BENCHES) ## training and inference against PyTorch and the machine's FMA peak
	$(Q)tests/bench.sh $(TESTBIN)/bench_training
bench-kernels: $(BENCHES) ## GFLOP/s by shape, pass and instruction set
	$(Q)$(TESTBIN)/bench_kernels

# ---- installing ----

D := $(DESTDIR)
# Paths below the prefix are written relative to it, so that a moved tree still works.
below = $(patsubst $(PREFIX)/%,$${prefix}/%,$(1))

install: all ## under PREFIX (/usr/local), below DESTDIR
	$(Q)install -d $(D)$(LIBDIR)/pkgconfig $(D)$(INCLUDEDIR) $(D)$(BINDIR)
	$(Q)install -m 644 include/convnet.h $(D)$(INCLUDEDIR)/
	$(Q)install -m 644 $(LIB)/libconvnet.a $(D)$(LIBDIR)/
	$(Q)install -m 755 $(LIB)/libconvnet.so.$(VERSION) $(D)$(LIBDIR)/
	$(Q)ln -sf libconvnet.so.$(VERSION) $(D)$(LIBDIR)/$(SONAME)
	$(Q)ln -sf $(SONAME) $(D)$(LIBDIR)/libconvnet.so
	$(Q)install -m 755 $(filter-out %-embed,$(PROGRAMS)) $(D)$(BINDIR)/
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(call below,$(LIBDIR))|' \
	    -e 's|@INCLUDEDIR@|$(call below,$(INCLUDEDIR))|' -e 's|@VERSION@|$(VERSION)|' \
	    -e 's|@REQUIRES@|$(strip $(PACKAGES))|' pkgconfig/convnet.pc.in >$(D)$(LIBDIR)/pkgconfig/convnet.pc

uninstall: ## take away what install put there
	$(Q)rm -f $(D)$(INCLUDEDIR)/convnet.h $(D)$(LIBDIR)/libconvnet.a $(D)$(LIBDIR)/libconvnet.so* \
	    $(D)$(LIBDIR)/pkgconfig/convnet.pc $(addprefix $(D)$(BINDIR)/,$(notdir $(PROGRAMS)))

distcheck: ## archive HEAD, unpack, build, check, install, uninstall
	$(Q)rm -rf build/dist && mkdir -p build/dist && \
	    git archive --prefix=convnet-$(VERSION)/ HEAD | tar -x -C build/dist && \
	    $(MAKE) -C build/dist/convnet-$(VERSION) check

format: ## clang-format the sources
	$(Q)clang-format -i include/*.h src/*/*.[ch] src/*/*/*.[ch] examples/*.c examples/*/*.[ch] tests/*.[ch]

clean: ## remove everything that was built
	$(Q)rm -rf build lib examples/bin tests/bin

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
