# The worker's lock-down: a library for the worker and for its tests.
add_library(hotcell_confinement STATIC confinement/confinement.cc confinement/confinement_filter.cc confinement/limits.cc)
target_link_libraries(hotcell_confinement
  PUBLIC hotcell_view_worker hotcell_protos hotcell_policy
  PRIVATE hotcell_confined_options)

add_executable(confinement_test confinement/confinement_test.cc confinement/confinement_layers_test.cc confinement/limits_test.cc)
target_link_libraries(confinement_test PRIVATE
  hotcell_confinement hotcell_syscall_probe_client hotcell_host_options absl::strings
  GTest::gmock GTest::gtest_main)
gtest_discover_tests(confinement_test TEST_PREFIX worker. TEST_FILTER "-*Kvm*"
  PROPERTIES LABELS unit)
gtest_discover_tests(confinement_test TEST_PREFIX worker. TEST_FILTER "*Kvm*"
  TEST_LIST confinement_kvm_tests PROPERTIES LABELS kvm)
