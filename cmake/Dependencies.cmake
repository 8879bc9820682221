# Everything the build needs besides a compiler, each from a package of Debian 12 and 13.
set(Protobuf_USE_STATIC_LIBS ${HOTCELL_STATIC})
find_package(Protobuf REQUIRED)      # libprotobuf-dev, protobuf-compiler
find_package(absl REQUIRED)          # libabsl-dev
if(HOTCELL_STATIC)
  # Debian's package files name the shared libraries; the archives lie beside them.
  get_property(imported DIRECTORY PROPERTY IMPORTED_TARGETS)
  list(FILTER imported INCLUDE REGEX "^absl::")
  foreach(target IN LISTS imported)
    get_target_property(location ${target} IMPORTED_LOCATION_NONE)
    if(location MATCHES "\\.so[.0-9]*$")
      string(REGEX REPLACE "\\.so[.0-9]*$" ".a" location ${location})
      set_target_properties(${target} PROPERTIES IMPORTED_LOCATION_NONE ${location})
    endif()
  endforeach()
endif()
find_package(GTest REQUIRED)         # libgtest-dev, libgmock-dev
find_package(Threads REQUIRED)
find_package(nlohmann_json REQUIRED) # nlohmann-json3-dev

find_path(SECCOMP_INCLUDE_DIR seccomp.h REQUIRED)   # libseccomp-dev
find_library(SECCOMP_LIBRARY libseccomp.a REQUIRED)

# Linked into the guest, so always as static archives.
# libnanopb-dev, whose headers have a folder of their own since Debian 13.
find_path(NANOPB_INCLUDE_DIR pb_encode.h PATH_SUFFIXES nanopb REQUIRED)
find_library(NANOPB_ARCHIVE libprotobuf-nanopb.a REQUIRED)
find_library(BZIP2_ARCHIVE libbz2.a REQUIRED)       # libbz2-dev
find_library(CRYPTO_ARCHIVE libcrypto.a REQUIRED)    # libssl-dev
find_library(DEFLATE_ARCHIVE libdeflate.a REQUIRED) # libdeflate-dev
find_library(LZMA_ARCHIVE liblzma.a REQUIRED)       # liblzma-dev
find_library(ZSTD_ARCHIVE libzstd.a REQUIRED)       # libzstd-dev

# nanopb's generator is a Python program of Debian's interpreter; another python3 earlier on PATH does
# not have its modules.
find_program(SYSTEM_PYTHON3 python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)
find_program(NANOPB_GENERATOR nanopb_generator.py PATHS /usr/bin REQUIRED) # nanopb
