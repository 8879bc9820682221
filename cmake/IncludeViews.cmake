# A view is an include root that shows one trust domain only what it may include. Code of the broker
# cannot include a header of the worker because no directory on its include path leads there.
#
#   broker   broker/, guest/abi/           worker  vmm-worker/, policy/, guest/abi/
#   guest    guest/                        client  broker/include/ (as <hotcell/...>)
#
# base/ is in all of them but the client's: small headers that need nothing but the standard library.
set(HOTCELL_VIEWS ${CMAKE_BINARY_DIR}/views)

function(hotcell_make_view name)
  foreach(path IN LISTS ARGN)
    get_filename_component(parent ${HOTCELL_VIEWS}/${name}/${path} DIRECTORY)
    file(MAKE_DIRECTORY ${parent})
    file(CREATE_LINK ${CMAKE_SOURCE_DIR}/${path} ${HOTCELL_VIEWS}/${name}/${path} SYMBOLIC)
  endforeach()
  add_library(hotcell_view_${name} INTERFACE)
  target_include_directories(hotcell_view_${name} INTERFACE ${HOTCELL_VIEWS}/${name})
endfunction()

hotcell_make_view(base base)
hotcell_make_view(broker base broker guest/abi)
hotcell_make_view(worker base vmm-worker policy guest/abi)
hotcell_make_view(guest base guest)
hotcell_make_view(policy base policy)
hotcell_make_view(tools base tools)
hotcell_make_view(tests base tests guest/abi)
