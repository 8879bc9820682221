# Unit tests: programs of GoogleTest that need no virtual machine and no other program.
#
# They are built once where two builds are tested: tools/test has the sanitizers' build run them, and
# turns them off in the release build.
option(HOTCELL_UNIT_TESTS "Build and run unit tests" ON)

# hotcell_unit_test(target [PREFIX prefix] [TIMEOUT seconds])
#   One test `PREFIX+case` for each case of the program. With sanitizers, with which a program takes
#   longer to start than most cases do, the program is one test `PREFIX+target`, and the verdicts of its
#   cases go to cases/TEST.xml below the build.
function(hotcell_unit_test target)
  cmake_parse_arguments(ARG "" "PREFIX;TIMEOUT" "" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  if(NOT HOTCELL_UNIT_TESTS)
    set_target_properties(${target} PROPERTIES EXCLUDE_FROM_ALL TRUE)
  elseif(HOTCELL_SANITIZE)
    set(test ${ARG_PREFIX}${target})
    add_test(NAME ${test}
      COMMAND ${target} --gtest_output=xml:${CMAKE_BINARY_DIR}/cases/${test}.xml)
    set_tests_properties(${test} PROPERTIES LABELS unit TIMEOUT 900)
  else()
    set(prefix)
    if(ARG_PREFIX)
      set(prefix TEST_PREFIX ${ARG_PREFIX})
    endif()
    gtest_discover_tests(${target} ${prefix}
      PROPERTIES LABELS unit TIMEOUT ${ARG_TIMEOUT})
  endif()
endfunction()
