// Archives, and containers of forensic tools.
#include "guest/formats/foreign/drivers.h"
#include "guest/formats/foreign/foreign.h"

namespace hotcell::guest {
namespace foreign {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::string_view kExportWithEwf = "export the disk first (ewfexport -f raw)";

// POSIX pax and ustar, and GNU tar. An OVA is a tar archive.
constexpr Kind kTar = {.name = "tar",
                       .what = "a tar archive, as an OVA is",
                       .remedy = "take the disk image out of it first (tar -xf)",
                       .signatures = {{257, "ustar\0"sv}, {257, "ustar "sv}}};
// A local file header, or the end of an empty archive.
constexpr Kind kZip = {.name = "zip",
                       .what = "a ZIP archive",
                       .remedy = "take the disk image out of it first (unzip)",
                       .signatures = {{0, "PK\3\4"sv}, {0, "PK\5\6"sv}}};
// A ZIP archive whose first file has this name.
constexpr Kind kAff4 = {
    .name = "aff4",
    .what = "an AFF4 forensic container",
    .remedy = "export the disk first (aff4imager)",
    .signatures = {{30, "container.description"sv}, {30, "information.turtle"sv}}};
constexpr Kind k7z = {.name = "7z",
                      .what = "a 7z archive",
                      .remedy = "take the disk image out of it first (7z x)",
                      .signatures = {{0, "7z\xbc\xaf\x27\x1c"sv}}};
constexpr Kind kRar = {.name = "rar",
                       .what = "a RAR archive",
                       .remedy = "take the disk image out of it first (unrar x)",
                       .signatures = {{0, "Rar!\x1a\7"sv}}};
constexpr Kind kCpio = {.name = "cpio",
                        .what = "a cpio archive",
                        .remedy = "take the disk image out of it first (cpio -i)",
                        .signatures = {{0, "070701"sv}, {0, "070702"sv}, {0, "070707"sv}}};
constexpr Kind kWim = {.name = "wim",
                       .what = "a Windows imaging file of files",
                       .remedy = "apply it to a file system (wimapply)",
                       .signatures = {{0, "MSWIM\0\0\0"sv}}};
// libewf's "Expert Witness Compression Format", versions 1 and 2.
constexpr Kind kEwf = {.name = "ewf",
                       .what = "an EnCase (EWF, E01) forensic container",
                       .remedy = kExportWithEwf,
                       .signatures = {{0, "EVF\t\r\n\xff\0"sv},
                                      {0, "EVF2\r\n\x81\0"sv},
                                      {0, "LVF\t\r\n\xff\0"sv},
                                      {0, "LEF2\r\n\x81\0"sv}}};
constexpr Kind kAff = {.name = "aff",
                       .what = "an AFF forensic container",
                       .remedy = "export the disk first (affconvert -r)",
                       .signatures = {{0, "AFF10\r\n\0"sv}}};

}  // namespace
}  // namespace foreign

constinit const FormatDriver kTarFormat = foreign::Driver<foreign::kTar>();
// Before ZIP, which it is too.
constinit const FormatDriver kAff4Format = foreign::Driver<foreign::kAff4>();
constinit const FormatDriver kZipFormat = foreign::Driver<foreign::kZip>();
constinit const FormatDriver k7zFormat = foreign::Driver<foreign::k7z>();
constinit const FormatDriver kRarFormat = foreign::Driver<foreign::kRar>();
constinit const FormatDriver kCpioFormat = foreign::Driver<foreign::kCpio>();
constinit const FormatDriver kWimFormat = foreign::Driver<foreign::kWim>();
constinit const FormatDriver kEwfFormat = foreign::Driver<foreign::kEwf>();
constinit const FormatDriver kAffFormat = foreign::Driver<foreign::kAff>();

}  // namespace hotcell::guest
