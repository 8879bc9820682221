// Compressed files, in which there may be a disk image.
#include "guest/formats/foreign/drivers.h"
#include "guest/formats/foreign/foreign.h"

namespace hotcell::guest {
namespace foreign {
namespace {

constexpr Kind kGzip = {.name = "gzip",
                        .what = "a file compressed with gzip",
                        .remedy = "unpack it first (gunzip)",
                        .signature = SignatureKind::kGzip};
constexpr Kind kXz = {.name = "xz",
                      .what = "a file compressed with xz",
                      .remedy = "unpack it first (unxz)",
                      .signature = SignatureKind::kXz};
constexpr Kind kZstd = {.name = "zstd",
                        .what = "a file compressed with Zstandard",
                        .remedy = "unpack it first (unzstd)",
                        .signature = SignatureKind::kZstd};
constexpr Kind kBzip2 = {.name = "bzip2",
                         .what = "a file compressed with bzip2",
                         .remedy = "unpack it first (bunzip2)",
                         .signature = SignatureKind::kBzip2};
constexpr Kind kLz4 = {.name = "lz4",
                       .what = "a file compressed with LZ4",
                       .remedy = "unpack it first (unlz4)",
                       .signature = SignatureKind::kLz4};
constexpr Kind kLzip = {.name = "lzip",
                        .what = "a file compressed with lzip",
                        .remedy = "unpack it first (lzip -d)",
                        .signature = SignatureKind::kLzip};
constexpr Kind kLzop = {.name = "lzop",
                        .what = "a file compressed with lzop",
                        .remedy = "unpack it first (lzop -d)",
                        .signature = SignatureKind::kLzop};
constexpr Kind kAndroidSparse = {.name = "android-sparse",
                                 .what = "an Android sparse image",
                                 .remedy = "unpack it first (simg2img)",
                                 .signature = SignatureKind::kAndroidSparseImage};
constexpr Kind kSparseImage = {
    .name = "sparseimage",
    .what = "a sparse disk image of macOS",
    .remedy = "make it one that is not sparse (hdiutil convert -format UDRW)",
    .signature = SignatureKind::kMacosSparseImage};
constexpr Kind kPartclone = {.name = "partclone",
                             .what = "a Partclone backup of a file system",
                             .remedy = "restore it first (partclone.restore)",
                             .signature = SignatureKind::kPartcloneImage};

}  // namespace
}  // namespace foreign

constinit const FormatDriver kGzipFormat = foreign::Driver<foreign::kGzip>();
constinit const FormatDriver kXzFormat = foreign::Driver<foreign::kXz>();
constinit const FormatDriver kZstdFormat = foreign::Driver<foreign::kZstd>();
constinit const FormatDriver kBzip2Format = foreign::Driver<foreign::kBzip2>();
constinit const FormatDriver kLz4Format = foreign::Driver<foreign::kLz4>();
constinit const FormatDriver kLzipFormat = foreign::Driver<foreign::kLzip>();
constinit const FormatDriver kLzopFormat = foreign::Driver<foreign::kLzop>();
constinit const FormatDriver kAndroidSparseFormat = foreign::Driver<foreign::kAndroidSparse>();
constinit const FormatDriver kSparseImageFormat = foreign::Driver<foreign::kSparseImage>();
constinit const FormatDriver kPartcloneFormat = foreign::Driver<foreign::kPartclone>();

}  // namespace hotcell::guest
