# Starting a worker. A library of its own, which libhotcell links.
add_library(hotcell_spawn STATIC spawn.cc)
target_link_libraries(hotcell_spawn
  PUBLIC hotcell_view_broker absl::status absl::statusor
  PRIVATE hotcell_host_options absl::strings absl::cleanup)
target_link_libraries(hotcell_broker PRIVATE hotcell_spawn)

add_executable(spawn_test spawn_test.cc)
target_link_libraries(spawn_test PRIVATE
  hotcell_spawn hotcell_syscall_probe_client hotcell_host_options absl::strings Threads::Threads
  GTest::gmock GTest::gtest_main)
gtest_discover_tests(spawn_test TEST_PREFIX broker. TEST_FILTER "-*Kvm*" PROPERTIES LABELS unit)
gtest_discover_tests(spawn_test TEST_PREFIX broker. TEST_FILTER "*Kvm*"
  TEST_LIST spawn_kvm_tests PROPERTIES LABELS kvm)
