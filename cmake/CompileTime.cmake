# What keeps builds short.
#
# Precompiled headers: the headers of packages that nearly every file includes are parsed once instead
# of five hundred times. Files still include what they use, and a build with
# -DHOTCELL_PRECOMPILE_HEADERS=OFF, as the fuzz preset's is, shows that they do. No header of the
# project is among them, so that no trust domain is shown another's.
#
# Tests are compiled with -O1: most of their time goes into code that they call, not into their own.
option(HOTCELL_PRECOMPILE_HEADERS "Parse common headers of packages once" ON)

set(_hotcell_std_headers
  <algorithm> <array> <atomic> <bit> <cerrno> <charconv> <cstddef> <cstdint> <cstdlib> <cstring>
  <functional> <map> <memory> <optional> <span> <string> <string_view> <utility> <vector>)
set(_hotcell_host_headers ${_hotcell_std_headers}
  <absl/status/status.h> <absl/status/statusor.h> <absl/strings/str_cat.h>
  <absl/strings/str_format.h> <absl/time/time.h>)
set(_hotcell_test_headers ${_hotcell_host_headers}
  <filesystem> <fstream> <ostream> <random> <set> <sstream> <thread>
  <gmock/gmock.h> <gtest/gtest.h>)
# Once it is precompiled, g++ 12 no longer knows the standard library for a system's, and says of
# std::string what is not so.
set(_hotcell_precompiled_options
  $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-array-bounds -Wno-restrict -Wno-stringop-overflow
  -Wno-stringop-overread>)
set(_hotcell_test_options $<$<COMPILE_LANGUAGE:CXX>:-O1>)

# Makes hotcell_precompiled_NAME from headers; the libraries that follow give the options.
function(_hotcell_precompile name headers)
  set(source ${CMAKE_BINARY_DIR}/precompiled/${name}.cc)
  file(CONFIGURE OUTPUT ${source} CONTENT "")
  add_library(hotcell_precompiled_${name} OBJECT ${source})
  target_link_libraries(hotcell_precompiled_${name} PRIVATE ${ARGN})
  target_precompile_headers(hotcell_precompiled_${name} PRIVATE ${headers})
endfunction()

# Sets `kind` in the caller to the kind of code (guest, host, test) that the target's is, or to an
# empty text where it has options of its own.
function(_hotcell_kind_of_code target)
  set(kind "" PARENT_SCOPE)
  get_target_property(type ${target} TYPE)
  get_target_property(sources ${target} SOURCES)
  get_target_property(own_options ${target} COMPILE_OPTIONS)
  if(NOT type MATCHES "^(EXECUTABLE|STATIC_LIBRARY)$" OR NOT sources MATCHES "\\.cc(;|$)"
     OR own_options)
    return()
  endif()
  get_target_property(libraries ${target} LINK_LIBRARIES)
  if("hotcell_guest_options" IN_LIST libraries)
    set(kind guest PARENT_SCOPE)
  elseif("hotcell_host_options" IN_LIST libraries AND libraries MATCHES "GTest::")
    set(kind test PARENT_SCOPE)
  elseif("hotcell_host_options" IN_LIST libraries)
    set(kind host PARENT_SCOPE)
  endif()
endfunction()

function(_hotcell_shorten_directory directory)
  get_property(targets DIRECTORY ${directory} PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS targets)
    _hotcell_kind_of_code(${target})
    if(kind STREQUAL "test")
      target_compile_options(${target} PRIVATE ${_hotcell_test_options})
    endif()
    if(kind AND HOTCELL_PRECOMPILE_HEADERS)
      target_precompile_headers(${target} REUSE_FROM hotcell_precompiled_${kind})
      target_compile_options(${target} PRIVATE ${_hotcell_precompiled_options})
    endif()
  endforeach()
  get_property(below DIRECTORY ${directory} PROPERTY SUBDIRECTORIES)
  foreach(subdirectory IN LISTS below)
    _hotcell_shorten_directory(${subdirectory})
  endforeach()
endfunction()

# To be called when all targets are there.
function(hotcell_shorten_builds)
  if(HOTCELL_PRECOMPILE_HEADERS)
    _hotcell_precompile(guest "${_hotcell_std_headers}" hotcell_guest_options)
    _hotcell_precompile(host "${_hotcell_host_headers}" hotcell_host_options)
    _hotcell_precompile(test "${_hotcell_test_headers}" hotcell_host_options GTest::gmock)
    target_compile_options(hotcell_precompiled_test PRIVATE ${_hotcell_test_options})
  endif()
  _hotcell_shorten_directory(${CMAKE_SOURCE_DIR})
endfunction()
