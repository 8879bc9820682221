# Compiler options as interface targets, so that host code and guest code never mix theirs.

add_library(hotcell_warnings INTERFACE)
target_compile_options(hotcell_warnings INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wno-missing-field-initializers -Wno-unused-parameter
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual>)

# Host programs, libraries and tests. Sanitized in the asan and fuzz presets.
add_library(hotcell_host_options INTERFACE)
target_link_libraries(hotcell_host_options INTERFACE hotcell_warnings)
target_compile_options(hotcell_host_options INTERFACE -fno-omit-frame-pointer -fstack-protector-strong)
if(HOTCELL_SANITIZE)
  target_compile_options(hotcell_host_options INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=all)
  target_link_options(hotcell_host_options INTERFACE -fsanitize=address,undefined)
  # g++ 14 takes the marking of memory that nobody has written yet for a read of it, in Abseil.
  target_compile_options(hotcell_host_options INTERFACE
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-maybe-uninitialized>)
  # Checks of each pointer that is used double the time of a build. The fuzz preset has them.
  if(NOT HOTCELL_FUZZ)
    target_compile_options(hotcell_host_options INTERFACE
      -fno-sanitize=null,object-size,vptr,alignment,pointer-overflow)
  endif()
else()
  target_compile_definitions(hotcell_host_options INTERFACE $<$<CONFIG:RelWithDebInfo>:_FORTIFY_SOURCE=2>)
endif()
if(HOTCELL_FUZZ)
  target_compile_options(hotcell_host_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# The worker makes a handful of system calls; a sanitizer's run-time makes many. Its program is built
# without, its parts are sanitized in their unit tests.
add_library(hotcell_confined_options INTERFACE)
target_link_libraries(hotcell_confined_options INTERFACE hotcell_warnings)
target_compile_options(hotcell_confined_options INTERFACE -fno-omit-frame-pointer -fstack-protector-strong)

# Code that runs in the guest: no operating system below it, no exceptions, no RTTI.
add_library(hotcell_guest_options INTERFACE)
target_link_libraries(hotcell_guest_options INTERFACE hotcell_warnings)
target_compile_definitions(hotcell_guest_options INTERFACE HOTCELL_GUEST=1)
target_compile_options(hotcell_guest_options INTERFACE
  -O2 -fno-pic -fno-pie -mno-red-zone -fno-asynchronous-unwind-tables -fstack-protector-strong
  -ffunction-sections -fdata-sections
  $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-use-cxa-atexit>)

function(hotcell_program target)
  if(HOTCELL_STATIC)
    target_link_options(${target} PRIVATE -static)
  endif()
endfunction()

# A program whose address an intruder shall not know. Costs a hundred microseconds of relocations at
# each start.
include(CheckLinkerFlag)
check_linker_flag(CXX -static-pie HOTCELL_HAS_STATIC_PIE)
function(hotcell_randomized_program target)
  if(HOTCELL_STATIC AND HOTCELL_HAS_STATIC_PIE)
    target_link_options(${target} PRIVATE -static-pie)
  else()
    hotcell_program(${target})
  endif()
endfunction()
