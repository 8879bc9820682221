# The worker's lock-down: a library for the worker and for its tests.
add_library(hotcell_confinement STATIC confinement.cc confinement_filter.cc)
target_link_libraries(hotcell_confinement
  PUBLIC hotcell_view_worker hotcell_protos hotcell_policy
  PRIVATE hotcell_confined_options)
