// Archives, and containers of forensic tools.
#include "guest/formats/foreign/drivers.h"
#include "guest/formats/foreign/foreign.h"

namespace hotcell::guest {
namespace foreign {
namespace {

constexpr std::string_view kExportWithEwf = "export the disk first (ewfexport -f raw)";

// An OVA is a tar archive.
constexpr Kind kTar = {.name = "tar",
                       .what = "a tar archive, as an OVA is",
                       .remedy = "take the disk image out of it first (tar -xf)",
                       .signature = SignatureKind::kTar};
constexpr Kind kZip = {.name = "zip",
                       .what = "a ZIP archive",
                       .remedy = "take the disk image out of it first (unzip)",
                       .signature = SignatureKind::kZip};
constexpr Kind kAff4 = {.name = "aff4",
                        .what = "an AFF4 forensic container",
                        .remedy = "export the disk first (aff4imager)",
                        .signature = SignatureKind::kAff4Image};
constexpr Kind k7z = {.name = "7z",
                      .what = "a 7z archive",
                      .remedy = "take the disk image out of it first (7z x)",
                      .signature = SignatureKind::kSevenZip};
constexpr Kind kRar = {.name = "rar",
                       .what = "a RAR archive",
                       .remedy = "take the disk image out of it first (unrar x)",
                       .signature = SignatureKind::kRar};
constexpr Kind kCpio = {.name = "cpio",
                        .what = "a cpio archive",
                        .remedy = "take the disk image out of it first (cpio -i)",
                        .signature = SignatureKind::kCpio};
constexpr Kind kWim = {.name = "wim",
                       .what = "a Windows imaging file of files",
                       .remedy = "apply it to a file system (wimapply)",
                       .signature = SignatureKind::kWim};
constexpr Kind kEwf = {.name = "ewf",
                       .what = "an EnCase (EWF, E01) forensic container",
                       .remedy = kExportWithEwf,
                       .signature = SignatureKind::kEwfImage};
constexpr Kind kAff = {.name = "aff",
                       .what = "an AFF forensic container",
                       .remedy = "export the disk first (affconvert -r)",
                       .signature = SignatureKind::kAffImage};

}  // namespace
}  // namespace foreign

constinit const FormatDriver kTarFormat = foreign::Driver<foreign::kTar>();
// AFF4 comes before ZIP, which such a file is too.
constinit const FormatDriver kAff4Format = foreign::Driver<foreign::kAff4>();
constinit const FormatDriver kZipFormat = foreign::Driver<foreign::kZip>();
constinit const FormatDriver k7zFormat = foreign::Driver<foreign::k7z>();
constinit const FormatDriver kRarFormat = foreign::Driver<foreign::kRar>();
constinit const FormatDriver kCpioFormat = foreign::Driver<foreign::kCpio>();
constinit const FormatDriver kWimFormat = foreign::Driver<foreign::kWim>();
constinit const FormatDriver kEwfFormat = foreign::Driver<foreign::kEwf>();
constinit const FormatDriver kAffFormat = foreign::Driver<foreign::kAff>();

}  // namespace hotcell::guest
