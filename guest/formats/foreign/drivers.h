// The drivers of all kinds of foreign files; the build registers them.
#ifndef HOTCELL_GUEST_FORMATS_FOREIGN_DRIVERS_H_
#define HOTCELL_GUEST_FORMATS_FOREIGN_DRIVERS_H_

#include "guest/formats/common/format.h"

namespace hotcell::guest {

// The check does not know constinit. NOLINTBEGIN(bugprone-dynamic-static-initializers)
extern constinit const FormatDriver kLuks1Format;
extern constinit const FormatDriver kLuks2Format;
extern constinit const FormatDriver kBitlockerFormat;
extern constinit const FormatDriver kGzipFormat;
extern constinit const FormatDriver kXzFormat;
extern constinit const FormatDriver kZstdFormat;
extern constinit const FormatDriver kBzip2Format;
extern constinit const FormatDriver kLz4Format;
extern constinit const FormatDriver kLzipFormat;
extern constinit const FormatDriver kLzopFormat;
extern constinit const FormatDriver kAndroidSparseFormat;
extern constinit const FormatDriver kSparseImageFormat;
extern constinit const FormatDriver kPartcloneFormat;
extern constinit const FormatDriver kTarFormat;
extern constinit const FormatDriver kAff4Format;
extern constinit const FormatDriver kZipFormat;
extern constinit const FormatDriver k7zFormat;
extern constinit const FormatDriver kRarFormat;
extern constinit const FormatDriver kCpioFormat;
extern constinit const FormatDriver kWimFormat;
extern constinit const FormatDriver kEwfFormat;
extern constinit const FormatDriver kAffFormat;
extern constinit const FormatDriver kIso9660Format;
extern constinit const FormatDriver kSquashfsFormat;
extern constinit const FormatDriver kVmStateFormat;
// NOLINTEND(bugprone-dynamic-static-initializers)

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_FOREIGN_DRIVERS_H_
