# hotcell_fuzz_target(name "what it feeds to what" SOURCES file... LIBRARIES library...
#                     [DEFINITIONS definition...] [DICT file...] [SEEDS script]
#                     [MAX_LENGTH bytes] [MEMORY MiB] [LABELS label...])
#   A fuzz target: SOURCES define LLVMFuzzerTestOneInput and, if they like, LLVMFuzzerCustomMutator.
#
#   With HOTCELL_FUZZ (the fuzz preset) that is fuzz_NAME, linked with libFuzzer, which tools/fuzz runs.
#   In every other build it is replay_NAME, with a main() of our own and any compiler, and the test
#   fuzz.replay.NAME runs it on every file of tools/fuzzers/corpus/NAME and
#   tools/fuzzers/regressions/NAME.
#
#   DICT: dictionaries for libFuzzer. SEEDS: a Python program that `script NAME DIRECTORY` has fill the
#   directory with inputs. MAX_LENGTH: of an input (default 64 KiB). MEMORY: the most that a run may
#   have (default 1024). LABELS: of the test (default unit).
#
# tools/fuzz --list reads the name and the description from the CMakeLists.txt files; keep both on the
# first line of the call.
function(hotcell_fuzz_target name description)
  cmake_parse_arguments(ARG "" "SEEDS;MAX_LENGTH;MEMORY" "SOURCES;LIBRARIES;DEFINITIONS;DICT;LABELS"
    ${ARGN})
  if(HOTCELL_FUZZ)
    set(program fuzz_${name})
    add_executable(${program} ${ARG_SOURCES})
    target_link_options(${program} PRIVATE -fsanitize=fuzzer)
    _hotcell_fuzz_settings(${name})
  else()
    set(program replay_${name})
    add_executable(${program} ${ARG_SOURCES})
    target_link_libraries(${program} PRIVATE hotcell_fuzz_replay)
    if(NOT ARG_LABELS)
      set(ARG_LABELS unit)
    endif()
    if(ARG_LABELS STREQUAL "unit" AND NOT HOTCELL_UNIT_TESTS)
      set_target_properties(${program} PROPERTIES EXCLUDE_FROM_ALL TRUE)
    else()
      add_test(NAME fuzz.replay.${name} COMMAND ${program}
        ${CMAKE_SOURCE_DIR}/tools/fuzzers/corpus/${name}
        ${CMAKE_SOURCE_DIR}/tools/fuzzers/regressions/${name})
      set_tests_properties(fuzz.replay.${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 300
        SKIP_RETURN_CODE 77)
    endif()
  endif()
  target_link_libraries(${program} PRIVATE ${ARG_LIBRARIES} hotcell_view_tools hotcell_host_options)
  target_compile_definitions(${program} PRIVATE ${ARG_DEFINITIONS})
endfunction()

# hotcell_standalone_fuzz_target(name "what it feeds to what" SOURCES file... LIBRARIES library...
#                                TEST argument... [LABELS label...])
#   A program that makes up its own inputs and has its own main(): fuzz_NAME in every build. tools/fuzz
#   gives it --seconds=N and --seed=N. The test fuzz.NAME runs it with the arguments TEST.
function(hotcell_standalone_fuzz_target name description)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES;TEST;LABELS" ${ARGN})
  add_executable(fuzz_${name} ${ARG_SOURCES})
  target_link_libraries(fuzz_${name} PRIVATE ${ARG_LIBRARIES} hotcell_view_tools hotcell_host_options)
  file(WRITE ${CMAKE_BINARY_DIR}/fuzz_settings/${name} "standalone=yes\n")
  if(HOTCELL_SANITIZE)
    set_target_properties(fuzz_${name} PROPERTIES EXCLUDE_FROM_ALL TRUE)
  else()
    add_test(NAME fuzz.${name} COMMAND fuzz_${name} ${ARG_TEST})
    set_tests_properties(fuzz.${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 300
      SKIP_RETURN_CODE 77)
  endif()
endfunction()

# Leaves to tools/fuzz, as lines KEY=VALUE, what it must know to run the target.
function(_hotcell_fuzz_settings name)
  set(settings "")
  foreach(file IN LISTS ARG_DICT)
    get_filename_component(file ${file} ABSOLUTE)
    string(APPEND settings "dict=${file}\n")
  endforeach()
  if(ARG_SEEDS)
    get_filename_component(file ${ARG_SEEDS} ABSOLUTE)
    string(APPEND settings "seeds=${file}\n")
  endif()
  if(NOT ARG_MAX_LENGTH)
    set(ARG_MAX_LENGTH 65536)
  endif()
  if(NOT ARG_MEMORY)
    set(ARG_MEMORY 1024)
  endif()
  string(APPEND settings "max_length=${ARG_MAX_LENGTH}\nmemory=${ARG_MEMORY}\n")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/fuzz_settings/${name} @ONLY CONTENT "${settings}")
endfunction()
