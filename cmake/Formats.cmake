set(HOTCELL_FORMAT_OPTIONS ${CMAKE_SOURCE_DIR}/guest/formats/common/format_options.py)

# hotcell_format(name DRIVER variable... SOURCES file... [WRITABLE] [REFUSED])
#   Registers the image format in the current folder, whose FormatDrivers are `variable`s. `name` is
#   what -f and -O take.
#   WRITABLE: -O takes it, and the folder's options.toml is the table of what -o takes for it.
#   REFUSED: it is known only to be refused, and no command takes its name.
function(hotcell_format name)
  cmake_parse_arguments(ARG "WRITABLE;REFUSED" "" "DRIVER;SOURCES" ${ARGN})
  list(TRANSFORM ARG_SOURCES PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  set_property(GLOBAL APPEND PROPERTY HOTCELL_FORMAT_SOURCES ${ARG_SOURCES})
  set_property(GLOBAL APPEND PROPERTY HOTCELL_FORMAT_DRIVERS ${ARG_DRIVER})
  set(options "")
  if(ARG_WRITABLE)
    set(options ${CMAKE_CURRENT_SOURCE_DIR}/options.toml)
    set_property(GLOBAL APPEND PROPERTY HOTCELL_WRITABLE_FORMATS ${name})
    set_property(GLOBAL APPEND PROPERTY HOTCELL_OPTION_TABLES ${options})
  endif()
  if(NOT ARG_REFUSED)
    set_property(GLOBAL APPEND PROPERTY HOTCELL_COMMAND_FORMATS ${name}=${options})
  endif()
endfunction()

# Writes the guest's registry.
function(hotcell_write_format_registry registry)
  get_property(drivers GLOBAL PROPERTY HOTCELL_FORMAT_DRIVERS)
  set(declarations "")
  set(pointers "")
  foreach(driver IN LISTS drivers)
    string(APPEND declarations "extern constinit const FormatDriver ${driver};\n")
    string(APPEND pointers "    &${driver},\n")
  endforeach()
  file(CONFIGURE OUTPUT ${registry} @ONLY CONTENT [[
#include "guest/formats/common/format.h"

namespace hotcell::guest {

@declarations@
namespace {

constexpr const FormatDriver* kFormats[] = {
@pointers@};

}  // namespace

std::span<const FormatDriver* const> Formats() { return kFormats; }

}  // namespace hotcell::guest
]])
endfunction()

# Makes the guest's tables of options, which are in its view alone; `headers` are set in the caller.
function(hotcell_make_guest_options headers)
  get_property(formats GLOBAL PROPERTY HOTCELL_WRITABLE_FORMATS)
  get_property(tables GLOBAL PROPERTY HOTCELL_OPTION_TABLES)
  set(folder ${HOTCELL_VIEWS}/guest/formats_generated)
  set(made "")
  foreach(format table IN ZIP_LISTS formats tables)
    set(header ${folder}/${format}_options.h)
    add_custom_command(
      OUTPUT ${header}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${folder}
      COMMAND ${SYSTEM_PYTHON3} -B ${HOTCELL_FORMAT_OPTIONS} guest ${format} ${table} ${header}
      DEPENDS ${table} ${HOTCELL_FORMAT_OPTIONS} VERBATIM)
    list(APPEND made ${header})
  endforeach()
  set(${headers} ${made} PARENT_SCOPE)
endfunction()

# Makes the command's table of formats.
function(hotcell_make_command_formats table)
  get_property(formats GLOBAL PROPERTY HOTCELL_COMMAND_FORMATS)
  get_property(sources GLOBAL PROPERTY HOTCELL_OPTION_TABLES)
  get_filename_component(folder ${table} DIRECTORY)
  add_custom_command(
    OUTPUT ${table}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${folder}
    COMMAND ${SYSTEM_PYTHON3} -B ${HOTCELL_FORMAT_OPTIONS} command ${table} ${formats}
    DEPENDS ${sources} ${HOTCELL_FORMAT_OPTIONS} VERBATIM)
endfunction()
