# hotcell_guest_library(name SOURCES... [DEPENDS other...]) builds the same sources twice: `name` for
# the host (unit tests, sanitizers, fuzzers) and `name_guest` for the guest. DEPENDS names other
# libraries made by this function.
function(hotcell_guest_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC hotcell_view_guest PRIVATE hotcell_host_options)
  add_library(${name}_guest STATIC ${ARG_SOURCES})
  target_link_libraries(${name}_guest PUBLIC hotcell_view_guest PRIVATE hotcell_guest_options)
  # Built for the programs that are.
  set_target_properties(${name}_guest PROPERTIES EXCLUDE_FROM_ALL TRUE)
  foreach(dependency IN LISTS ARG_DEPENDS)
    target_link_libraries(${name} PUBLIC ${dependency})
    target_link_libraries(${name}_guest PUBLIC ${dependency}_guest)
  endforeach()
endfunction()

# hotcell_guest_program(name SOURCES... [DEPENDS library...]) links a payload: a static ELF64 that the
# worker boots at CPL 3. The ELF's path is in the target's OUTPUT file.
function(hotcell_guest_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES
    SUFFIX .elf
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/guest
    LINK_DEPENDS ${CMAKE_SOURCE_DIR}/guest/runtime/guest/payload.ld)
  target_link_libraries(${name} PRIVATE hotcell_guest_options hotcell_view_guest -Wl,--start-group)
  foreach(dependency IN LISTS ARG_DEPENDS)
    target_link_libraries(${name} PRIVATE ${dependency}_guest)
  endforeach()
  target_link_libraries(${name} PRIVATE
    hotcell_runtime_start hotcell_runtime_guest hotcell_guest_io_guest hotcell_guest_protos_guest
    ${NANOPB_ARCHIVE} ${BZIP2_ARCHIVE} ${CRYPTO_ARCHIVE} ${DEFLATE_ARCHIVE} ${LZMA_ARCHIVE}
    ${ZSTD_ARCHIVE}
    -lstdc++ -lgcc -Wl,--end-group)
  target_link_options(${name} PRIVATE
    -nostdlib -static -Wl,-T,${CMAKE_SOURCE_DIR}/guest/runtime/guest/payload.ld
    -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--gc-sections -Wl,--build-id=none
    -Wl,--no-warn-rwx-segments)
  # The symbol table stays, which the built-in program's names in crash reports are from; line numbers
  # go beside it.
  add_custom_command(TARGET ${name} POST_BUILD
    COMMAND ${CMAKE_OBJCOPY} --only-keep-debug $<TARGET_FILE:${name}> $<TARGET_FILE:${name}>.debug
    COMMAND ${CMAKE_OBJCOPY} --strip-debug --add-gnu-debuglink=$<TARGET_FILE:${name}>.debug
            $<TARGET_FILE:${name}>
    VERBATIM)
endfunction()
