// Encrypted volumes.
#include "guest/formats/foreign/drivers.h"
#include "guest/formats/foreign/foreign.h"

namespace hotcell::guest {
namespace foreign {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::string_view kOpenWithCryptsetup =
    "open it with its key (cryptsetup open) and convert the device";

// "LUKS1 On-Disk Format Specification", "LUKS2 On-Disk Format Specification": magic and version.
constexpr Kind kLuks1 = {.name = "luks1",
                         .what = "a volume encrypted with LUKS1",
                         .remedy = kOpenWithCryptsetup,
                         .signatures = {{0, "LUKS\xba\xbe\0\1"sv}}};
constexpr Kind kLuks2 = {.name = "luks2",
                         .what = "a volume encrypted with LUKS2",
                         .remedy = kOpenWithCryptsetup,
                         .signatures = {{0, "LUKS\xba\xbe\0\2"sv}}};
constexpr Kind kBitlocker = {.name = "bitlocker",
                             .what = "a volume encrypted with BitLocker",
                             .remedy = kOpenWithCryptsetup,
                             .signatures = {{3, "-FVE-FS-"sv}}};

}  // namespace
}  // namespace foreign

constinit const FormatDriver kLuks1Format = foreign::Driver<foreign::kLuks1>();
constinit const FormatDriver kLuks2Format = foreign::Driver<foreign::kLuks2>();
constinit const FormatDriver kBitlockerFormat = foreign::Driver<foreign::kBitlocker>();

}  // namespace hotcell::guest
