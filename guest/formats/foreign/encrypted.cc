// Encrypted volumes.
#include "guest/formats/foreign/drivers.h"
#include "guest/formats/foreign/foreign.h"

namespace hotcell::guest {
namespace foreign {
namespace {

constexpr std::string_view kOpenWithCryptsetup =
    "open it with its key (cryptsetup open) and convert the device";

constexpr Kind kLuks1 = {.name = "luks1",
                         .what = "a volume encrypted with LUKS1",
                         .remedy = kOpenWithCryptsetup,
                         .signature = SignatureKind::kLuks1};
constexpr Kind kLuks2 = {.name = "luks2",
                         .what = "a volume encrypted with LUKS2",
                         .remedy = kOpenWithCryptsetup,
                         .signature = SignatureKind::kLuks2};
constexpr Kind kBitlocker = {.name = "bitlocker",
                             .what = "a volume encrypted with BitLocker",
                             .remedy = kOpenWithCryptsetup,
                             .signature = SignatureKind::kBitlocker};

}  // namespace
}  // namespace foreign

constinit const FormatDriver kLuks1Format = foreign::Driver<foreign::kLuks1>();
constinit const FormatDriver kLuks2Format = foreign::Driver<foreign::kLuks2>();
constinit const FormatDriver kBitlockerFormat = foreign::Driver<foreign::kBitlocker>();

}  // namespace hotcell::guest
