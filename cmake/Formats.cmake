# hotcell_format(name DRIVER variable... SOURCES file... [WRITABLE] [REFUSED] [COMPRESSIONS option...])
#   Registers the image format in the current folder, whose FormatDrivers are `variable`s. `name` is
#   what -f and -O take. The folder's options.txt, where there is one, is the text of `-o help`, and
#   its creation.txt lists what `create` prints of a new image.
#   WRITABLE: -O takes it. REFUSED: it is known only to be refused, and no command takes its name.
#   COMPRESSIONS: what -o chooses among with -c.
function(hotcell_format name)
  cmake_parse_arguments(ARG "WRITABLE;REFUSED" "" "DRIVER;SOURCES;COMPRESSIONS" ${ARGN})
  list(TRANSFORM ARG_SOURCES PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  set_property(GLOBAL APPEND PROPERTY HOTCELL_FORMAT_SOURCES ${ARG_SOURCES})
  set_property(GLOBAL APPEND PROPERTY HOTCELL_FORMAT_DRIVERS ${ARG_DRIVER})
  if(ARG_REFUSED)
    return()
  endif()

  foreach(text options creation)
    set(${text} "")
    set(file ${CMAKE_CURRENT_SOURCE_DIR}/${text}.txt)
    if(EXISTS ${file})
      file(READ ${file} ${text})
      set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    endif()
  endforeach()
  set(writable false)
  if(ARG_WRITABLE)
    set(writable true)
  endif()
  list(TRANSFORM ARG_COMPRESSIONS REPLACE "(.+)" "\"\\1\"")
  list(JOIN ARG_COMPRESSIONS ", " compressions)
  set_property(GLOBAL APPEND_STRING PROPERTY HOTCELL_FORMAT_TABLE
    "{\"${name}\", ${writable}, {${compressions}}, R\"text(${options})text\", R\"text(${creation})text\"},\n")
endfunction()

# Writes the guest's registry and the command's table of formats.
function(hotcell_write_format_tables registry table)
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
  get_property(rows GLOBAL PROPERTY HOTCELL_FORMAT_TABLE)
  file(CONFIGURE OUTPUT ${table} @ONLY CONTENT "@rows@")
endfunction()
