# libconvnet: `make help` lists what can be made. Plain GNU Make; objects lie in build/<configuration>/.
#
#   make CC=clang CFLAGS="-O2 -g" V=1         another compiler, other flags, commands shown
#   make WITH_IMAGES=0                        without libpng and libjpeg: no PNG, no JPEG
#   make install PREFIX=/usr DESTDIR=/tmp/x   also LIBDIR, INCLUDEDIR, BINDIR, DATADIR
#   make CONFIG=name                          everything in build/name/, beside the usual build

CFLAGS ?= -O3 -g
AR ?= ar
NM ?= nm
PKG_CONFIG ?= pkg-config
CLANG_FORMAT ?= clang-format
WITH_IMAGES ?= 1
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR ?= $(PREFIX)/bin
DATADIR ?= $(PREFIX)/share/convnet

# Each configuration builds in a folder of its own, so that objects never mix.
CONFIG ?= release
SANITIZE_release :=
SANITIZE_asan := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SANITIZE_tsan := -fsanitize=thread -fno-omit-frame-pointer
SANITIZE_fuzz := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

version_part = $(shell sed -n 's/^.define CN_VERSION_$(1) *//p' include/convnet.h)
MAJOR := $(call version_part,MAJOR)
VERSION := $(MAJOR).$(call version_part,MINOR).$(call version_part,PATCH)
ARCH ?= $(firstword $(subst -, ,$(or $(shell $(CC) -dumpmachine 2>/dev/null),$(shell uname -m))))

# ---- where things go ----

B := build/$(CONFIG)
ifeq ($(CONFIG),release)
LIB := lib
PROGRAMS_DIR := examples/bin
TESTS_DIR := tests/bin
else
LIB := $(B)/lib
PROGRAMS_DIR := $(B)/programs
TESTS_DIR := $(B)/tests-bin
endif

SOURCES := $(sort $(wildcard src/*/*.c src/*/*/*.c))
ISA_SOURCES := $(filter src/kernels/isa/%,$(SOURCES))
PLAIN_SOURCES := $(filter-out $(ISA_SOURCES),$(SOURCES))
ifeq ($(ARCH),x86_64)
ISAS := portable avx2 avx512
else
ISAS := portable
endif
ISA_portable := -DCN__ISA=1
ISA_avx2 := -DCN__ISA=2 -mavx2 -mfma
ISA_avx512 := -DCN__ISA=3 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512

OBJECTS := $(PLAIN_SOURCES:src/%.c=%.o) $(foreach isa,$(ISAS),$(ISA_SOURCES:src/%.c=%.$(isa).o))
# Trained models become arrays of bytes.
WEIGHTS := $(sort $(wildcard weights/*.safetensors))
OBJECTS += $(WEIGHTS:%.safetensors=%.o)
STATIC_OBJECTS := $(addprefix $(B)/static/,$(OBJECTS))
SHARED_OBJECTS := $(addprefix $(B)/shared/,$(OBJECTS))

STATIC_LIB := $(LIB)/libconvnet.a
ifeq ($(shell uname -s),Darwin)
SHARED_LIB := $(LIB)/libconvnet.$(VERSION).dylib
SHARED_LINKS := $(LIB)/libconvnet.$(MAJOR).dylib $(LIB)/libconvnet.dylib
SHARED_FLAGS = -dynamiclib -Wl,-install_name,$(LIBDIR)/libconvnet.$(MAJOR).dylib
else
SHARED_LIB := $(LIB)/libconvnet.so.$(VERSION)
SHARED_LINKS := $(LIB)/libconvnet.so.$(MAJOR) $(LIB)/libconvnet.so
SHARED_FLAGS = -shared -Wl,-soname,libconvnet.so.$(MAJOR) -Wl,--version-script=src/libconvnet.map -Wl,--no-undefined
endif

PROGRAMS := $(patsubst examples/%.c,$(PROGRAMS_DIR)/convnet-%,$(sort $(wildcard examples/*.c)))
INSTALLED := $(filter-out %/convnet-embed,$(PROGRAMS))
COMMON_OBJECTS := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard examples/common/*.c)))
COMMON_LIB := $(B)/libcommon.a

SUITES := $(patsubst tests/%.c,$(TESTS_DIR)/%,$(sort $(wildcard tests/test_*.c)))
BENCHES := $(patsubst tests/%.c,$(TESTS_DIR)/%,$(sort $(wildcard tests/bench_*.c)))
FUZZERS := $(patsubst tests/%.c,$(B)/%,$(sort $(wildcard tests/fuzz_*.c)))
HELPER_OBJECTS := $(patsubst %.c,$(B)/%.o,$(filter-out tests/test_% tests/bench_% tests/fuzz_%,$(sort $(wildcard tests/*.c))))
HELPER_LIB := $(B)/libtesting.a
SCRIPTS := $(sort $(wildcard tests/test_*.sh))
# Suites in which the instruction set plays no part run once; the others once for each.
SUITES_ONCE := $(addprefix $(TESTS_DIR)/test_,augmentation base batches cifar context data data_out_of_memory folder \
               idx image_files image_hostile image_overlay image_resize interface json model_damage \
               model_out_of_memory models \
               out_of_memory pretrained random reference report safetensors schedule structs summary synthetic tensor \
               threads trace views zoo)
ifeq ($(CONFIG),tsan)
SUITES_ONCE := $(SUITES)
endif

# ---- flags ----

# Asked for when first used and then kept: `make deps check` must not ask before `deps` is through.
later = $(eval $(1) := $(2))$($(1))
BLAS = $(call later,BLAS,$(firstword $(foreach name,openblas cblas blas,$(shell $(PKG_CONFIG) --exists $(name) && echo $(name)))))
PACKAGES = $(BLAS) zlib $(if $(filter 1,$(WITH_IMAGES)),libpng libjpeg)
PACKAGE_CFLAGS = $(call later,PACKAGE_CFLAGS,$(shell $(PKG_CONFIG) --cflags $(PACKAGES)))
PACKAGE_LIBS = $(call later,PACKAGE_LIBS,$(shell $(PKG_CONFIG) --libs $(PACKAGES)))
CHECK_CFLAGS = $(call later,CHECK_CFLAGS,$(shell $(PKG_CONFIG) --cflags check))
CHECK_LIBS = $(call later,CHECK_LIBS,$(shell $(PKG_CONFIG) --libs check))

PARTS := -DCN_WITH_IMAGES=$(WITH_IMAGES)
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes
BASE_FLAGS := -std=c11 $(WARNINGS) -ffp-contract=off -pthread -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -Iinclude
LIBRARY_FLAGS = $(BASE_FLAGS) -Isrc -fno-math-errno -fvisibility=hidden $(PARTS) $(PACKAGE_CFLAGS)
USER_FLAGS = $(SANITIZE_$(CONFIG)) $(CPPFLAGS) $(CFLAGS)
LINK = $(CC) -pthread $(USER_FLAGS) $(LDFLAGS)

Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' '$(1)' '$(2)')

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all library programs deps demo check check-browser check-builds test-programs suites sanitize check-asan check-tsan \
        check-valgrind fuzz fuzzers bench bench-kernels install uninstall format distcheck clean help FORCE

## all: the library, static and shared, in lib/ and the programs in examples/bin/ (the default)
all: library programs
library: $(STATIC_LIB) $(SHARED_LINKS)
programs: $(PROGRAMS)

# ---- what has to be installed ----

# Shell: collects in $$missing the Debian packages that bring what is not there. Linking statically needs libgfortran,
# because openblas.pc asks for it.
find_missing = has() { $(PKG_CONFIG) --exists $$1 2>/dev/null; }; missing=; \
    command -v $(firstword $(CC)) >/dev/null || missing="$$missing $(if $(findstring clang,$(CC)),clang,gcc) libc6-dev"; \
    command -v $(firstword $(PKG_CONFIG)) >/dev/null || missing="$$missing pkg-config"; \
    has openblas || has cblas || has blas || missing="$$missing libopenblas-dev"; \
    has zlib || missing="$$missing zlib1g-dev"; \
    [ $(WITH_IMAGES) != 1 ] || has libpng || missing="$$missing libpng-dev"; \
    [ $(WITH_IMAGES) != 1 ] || has libjpeg || missing="$$missing libjpeg-dev"
find_missing_for_tests = has check || missing="$$missing check"; \
    command -v $(firstword $(CXX)) >/dev/null || missing="$$missing g++"; \
    case $$($(CC) -print-file-name=libgfortran.a 2>/dev/null) in /*) ;; *) missing="$$missing gfortran" ;; esac
stop_if_missing = [ -z "$$missing" ] || { echo "not installed; Debian has it in:$$missing (make deps installs them)" >&2; exit 1; }

## deps: installs the Debian packages that building and testing need; nothing if all are there
deps:
	@$(find_missing); $(find_missing_for_tests); \
	[ -n "$$missing" ] || exit 0; \
	command -v apt-get >/dev/null || { echo "no apt-get here; the Debian packages are:$$missing" >&2; exit 1; }; \
	sudo=; [ "$$(id -u)" -eq 0 ] || sudo=sudo; \
	ls /var/lib/apt/lists/*Packages* >/dev/null 2>&1 || $$sudo apt-get update; \
	echo "$${sudo:+sudo }apt-get install -y --no-install-recommends$$missing"; \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $$missing

# In `make deps check` nothing begins before deps is through.
AFTER_DEPS := $(if $(filter deps,$(MAKECMDGOALS)),| deps)

# Files that change when what they hold does: all that is compiled depends on the flags, libraries on their members.
remember = @mkdir -p $(@D); echo '$(1)' | cmp -s - $@ || echo '$(1)' >$@

$(B)/flags: FORCE $(AFTER_DEPS)
	@$(find_missing); $(stop_if_missing)
	$(call remember,$(CC) $(LIBRARY_FLAGS) $(USER_FLAGS) $(LDFLAGS) $(PACKAGE_LIBS))

$(B)/test-flags: FORCE $(AFTER_DEPS)
	@$(find_missing); $(find_missing_for_tests); $(stop_if_missing)
	$(call remember,$(CC) $(BASE_FLAGS) $(USER_FLAGS) $(LDFLAGS) $(CHECK_CFLAGS) $(CHECK_LIBS))

$(B)/objects: FORCE
	$(call remember,$(OBJECTS))

# ---- objects ----

compile = $(CC) $(1) -MMD -MP $(USER_FLAGS) -c -o $@ $<

define isa_rules
$(B)/static/kernels/isa/%.$(1).o: src/kernels/isa/%.c $(B)/flags
	$$(call say,CC,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(call compile,$$(LIBRARY_FLAGS) $(ISA_$(1)))
$(B)/shared/kernels/isa/%.$(1).o: src/kernels/isa/%.c $(B)/flags
	$$(call say,CC,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(call compile,$$(LIBRARY_FLAGS) -fPIC $(ISA_$(1)))
endef
$(foreach isa,$(ISAS),$(eval $(call isa_rules,$(isa))))

$(B)/static/%.o: src/%.c $(B)/flags
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(call compile,$(LIBRARY_FLAGS))

$(B)/shared/%.o: src/%.c $(B)/flags
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(call compile,$(LIBRARY_FLAGS) -fPIC)

$(B)/static/%.o: $(B)/%.c $(B)/flags
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(call compile,$(LIBRARY_FLAGS))

$(B)/shared/%.o: $(B)/%.c $(B)/flags
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(call compile,$(LIBRARY_FLAGS) -fPIC)

# weights/a-b.safetensors becomes the array cn__a_b, which io.h declares.
$(WEIGHTS:%.safetensors=$(B)/%.c): $(B)/%.c: %.safetensors Makefile
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)name=cn__$(subst -,_,$(*F)); { echo '#include "io/io.h"'; echo "const unsigned char $$name[] = {"; \
	    od -A n -v -t u1 $< | sed -e 's/  */,/g' -e 's/^,//' -e 's/$$/,/'; echo '};'; \
	    echo "const size_t $${name}_bytes = sizeof $$name;"; } >$@

$(B)/examples/%.o: examples/%.c $(B)/flags
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(call compile,$(BASE_FLAGS))

$(B)/tests/%.o: tests/%.c $(B)/test-flags
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(call compile,$(BASE_FLAGS) -Isrc $(PARTS) $(CHECK_CFLAGS) $(PACKAGE_CFLAGS))

-include $(patsubst %.o,%.d,$(STATIC_OBJECTS) $(SHARED_OBJECTS)) $(wildcard $(B)/examples/*.d $(B)/examples/*/*.d $(B)/tests/*.d)

# ---- libraries and programs ----

define archive
$(call say,AR,$@)
@mkdir -p $(@D)
@rm -f $@
$(Q)$(AR) rcs $@ $(filter %.o,$^)
endef

$(STATIC_LIB): $(STATIC_OBJECTS) $(B)/objects
	$(archive)
$(COMMON_LIB): $(COMMON_OBJECTS)
	$(archive)
$(HELPER_LIB): $(HELPER_OBJECTS)
	$(archive)

$(SHARED_LIB): $(SHARED_OBJECTS) src/libconvnet.map $(B)/objects
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) $(SHARED_FLAGS) -o $@ $(SHARED_OBJECTS) $(PACKAGE_LIBS) -lm

$(SHARED_LINKS): $(SHARED_LIB)
	$(Q)ln -sf $(notdir $(SHARED_LIB)) $@

$(PROGRAMS): $(PROGRAMS_DIR)/convnet-%: $(B)/examples/%.o $(COMMON_LIB) $(STATIC_LIB)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) -o $@ $^ $(PACKAGE_LIBS) -lm

$(SUITES) $(BENCHES): $(TESTS_DIR)/%: $(B)/tests/%.o $(HELPER_LIB) $(STATIC_LIB)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) -o $@ $^ $(CHECK_LIBS) $(PACKAGE_LIBS) -lm

$(FUZZERS): $(B)/%: $(B)/tests/%.o $(STATIC_LIB)
	$(call say,LD,$@)
	$(Q)$(LINK) -fsanitize=fuzzer -o $@ $^ $(PACKAGE_LIBS) -lm

# ---- running ----

## demo: trains the session-8 network on drawn images, about a minute, and shows the result
demo: programs
	$(PROGRAMS_DIR)/convnet-train --data synthetic --epochs 3 --out build/demo.safetensors --log build/demo.csv
	@echo
	$(PROGRAMS_DIR)/convnet-test build/demo.safetensors --data synthetic --misclassified 5 --predictions 10

run_tests = tests/run.sh -o $(B)/summary -1 '$(SUITES_ONCE)'
test_environment = NM='$(NM)' CC='$(CC)' CXX='$(CXX)' MAKE='$(MAKE)' LIB='$(LIB)' PROGRAMS='$(PROGRAMS_DIR)'

## check: builds and runs all tests
check: all $(SUITES)
	@$(test_environment) $(run_tests) $(SUITES) $(SCRIPTS)

## check-browser: a report in headless Chromium, with screenshots in build/browser
check-browser: programs
	@PROGRAMS='$(PROGRAMS_DIR)' tests/browser.sh build/browser

## check-builds: builds with other compilers, flags and options, without a warning (minutes)
check-builds: $(AFTER_DEPS)
	+@MAKE='$(MAKE)' tests/builds.sh

test-programs: $(SUITES) $(BENCHES)

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
suites: programs $(SUITES)
	@QUICK=1 $(test_environment) $(run_tests) $(SUITES) tests/test_programs.sh tests/test_train.sh

## check-valgrind: suites under valgrind, which knows AVX2 at most
check-valgrind: $(SUITES)
	@QUICK=1 CK_FORK=no CONVNET_MAX_ISA=avx2 tests/run.sh -o $(B)/summary -1 '$(SUITES)' \
	    -x 'valgrind -q --leak-check=full --error-exitcode=99' $(SUITES)

## fuzz: looks for files that break their readers, FUZZ_SECONDS (60) each; needs Clang
fuzz: $(AFTER_DEPS)
	+$(MAKE) CONFIG=fuzz CC=clang CFLAGS='-O1 -g' fuzzers

# Starts from the files in tests/corpus/NAME, and keeps what it finds of interest in build/fuzz/corpus/NAME.
FUZZ_SECONDS ?= 60
fuzzers: $(FUZZERS)
	@for program in $(FUZZERS); do \
	    name=$${program##*/fuzz_}; \
	    mkdir -p $(B)/corpus/$$name && \
	    $$program -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -timeout=10 -dict=tests/corpus/$$name.dict \
	        -artifact_prefix=$(B)/$$name- -print_final_stats=1 $(B)/corpus/$$name tests/corpus/$$name || exit; \
	done

## bench: the library against PyTorch and ONNX Runtime, where they are, and the machine's peak (minutes)
bench: programs $(TESTS_DIR)/bench_training
	@CC='$(CC)' tests/bench.sh $(TESTS_DIR)/bench_training $(PROGRAMS_DIR)/convnet-info

## bench-kernels: times of single kernels, thread hand-overs and calls with few images
bench-kernels: $(filter-out %/bench_training,$(BENCHES))
	@for program in $^; do $$program || exit; done

# ---- installing ----

# The models and their cards.
TRAINED := $(WEIGHTS) $(WEIGHTS:%.safetensors=%.md)
INSTALL_PC := $(LIBDIR)/pkgconfig/convnet.pc
# A folder below PREFIX is written relative to it, and PREFIX relative to the .pc file, so that all may be moved.
below_prefix = $(patsubst $(PREFIX)/%,$${prefix}/%,$(1))
empty :=
to_prefix = $(subst $(empty) ,/,$(patsubst %,..,$(subst /, ,$(patsubst $(PREFIX)/%,%,$(LIBDIR)/pkgconfig))))
pc_prefix = $(if $(filter $(PREFIX)/%,$(LIBDIR)),$${pcfiledir}/$(to_prefix),$(PREFIX))

## install: header, libraries, convnet.pc, programs and trained models under $(DESTDIR)$(PREFIX)
install: all
	install -d '$(DESTDIR)$(INCLUDEDIR)' '$(DESTDIR)$(LIBDIR)/pkgconfig' '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(DATADIR)'
	install -m 644 include/convnet.h '$(DESTDIR)$(INCLUDEDIR)'
	install -m 644 $(STATIC_LIB) '$(DESTDIR)$(LIBDIR)'
	install -m 755 $(SHARED_LIB) '$(DESTDIR)$(LIBDIR)'
	cp -P $(SHARED_LINKS) '$(DESTDIR)$(LIBDIR)'
	install -m 755 $(INSTALLED) '$(DESTDIR)$(BINDIR)'
	install -m 644 $(TRAINED) '$(DESTDIR)$(DATADIR)'
	sed -e 's|@PREFIX@|$(pc_prefix)|' -e 's|@LIBDIR@|$(call below_prefix,$(LIBDIR))|' \
	    -e 's|@INCLUDEDIR@|$(call below_prefix,$(INCLUDEDIR))|' -e 's|@VERSION@|$(VERSION)|' \
	    -e 's|@PACKAGES@|$(strip $(PACKAGES))|' pkgconfig/convnet.pc.in >'$(DESTDIR)$(INSTALL_PC)'
	chmod 644 '$(DESTDIR)$(INSTALL_PC)'
	@[ -n '$(DESTDIR)' ] || ldconfig >/dev/null 2>&1 || true

## uninstall: removes what install wrote
uninstall:
	rm -f '$(DESTDIR)$(INCLUDEDIR)/convnet.h' '$(DESTDIR)$(INSTALL_PC)'
	rm -f $(patsubst %,'$(DESTDIR)$(LIBDIR)/%',$(notdir $(STATIC_LIB) $(SHARED_LIB) $(SHARED_LINKS)))
	rm -f $(patsubst %,'$(DESTDIR)$(BINDIR)/%',$(notdir $(INSTALLED)))
	rm -f $(patsubst %,'$(DESTDIR)$(DATADIR)/%',$(notdir $(TRAINED)))

# ---- housekeeping ----

## format: clang-format over all C files
format:
	$(CLANG_FORMAT) -i $$(git ls-files '*.c' '*.h')

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
	rm -rf build lib examples/bin tests/bin

## help: this list
help:
	@sed -n 's/^## \([a-z-]*\): \(.*\)/\1|\2/p' Makefile | awk -F'|' '{ printf "  make %-15s %s\n", $$1, $$2 }'
