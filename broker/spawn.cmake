# Starting a worker. A library of its own, which libhotcell links.
add_library(hotcell_spawn STATIC spawn.cc)
target_link_libraries(hotcell_spawn
  PUBLIC hotcell_view_broker absl::status absl::statusor
  PRIVATE hotcell_host_options absl::strings absl::cleanup)
target_link_libraries(hotcell_broker PRIVATE hotcell_spawn)
