# Libraries of their own, which libhotcell links: what kind of failure an error is, and starting a
# worker.
add_library(hotcell_failure STATIC host/control_group.cc host/failure.cc host/host_limits.cc
  host/remedy.cc)
target_include_directories(hotcell_failure PUBLIC include PRIVATE ${SECCOMP_INCLUDE_DIR})
target_link_libraries(hotcell_failure
  PUBLIC absl::status absl::time
  PRIVATE hotcell_protos hotcell_view_broker hotcell_host_options absl::strings absl::str_format absl::cord
          ${SECCOMP_LIBRARY})

add_library(hotcell_spawn STATIC workers/spawn.cc)
target_link_libraries(hotcell_spawn
  PUBLIC hotcell_view_broker hotcell_failure absl::status absl::statusor
  PRIVATE hotcell_host_options absl::strings absl::cleanup)
target_link_libraries(hotcell_broker PUBLIC hotcell_failure PRIVATE hotcell_spawn)

add_executable(spawn_test workers/spawn_test.cc)
target_link_libraries(spawn_test PRIVATE
  hotcell_spawn hotcell_syscall_probe_client hotcell_host_options absl::strings Threads::Threads
  GTest::gmock GTest::gtest_main)
gtest_discover_tests(spawn_test TEST_PREFIX broker. TEST_FILTER "-*Kvm*" PROPERTIES LABELS unit)
gtest_discover_tests(spawn_test TEST_PREFIX broker. TEST_FILTER "*Kvm*"
  TEST_LIST spawn_kvm_tests PROPERTIES LABELS kvm)
