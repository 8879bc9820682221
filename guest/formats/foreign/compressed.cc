// Compressed files, in which there may be a disk image.
#include "guest/formats/foreign/drivers.h"
#include "guest/formats/foreign/foreign.h"

namespace hotcell::guest {
namespace foreign {
namespace {

using std::string_view_literals::operator""sv;

// RFC 1952: ID1, ID2, and the one compression method there is.
constexpr Kind kGzip = {.name = "gzip",
                        .what = "a file compressed with gzip",
                        .remedy = "unpack it first (gunzip)",
                        .signatures = {{0, "\x1f\x8b\x08"sv}}};
constexpr Kind kXz = {.name = "xz",
                      .what = "a file compressed with xz",
                      .remedy = "unpack it first (unxz)",
                      .signatures = {{0,
                                      "\xfd"
                                      "7zXZ\0"sv}}};
// RFC 8878.
constexpr Kind kZstd = {.name = "zstd",
                        .what = "a file compressed with Zstandard",
                        .remedy = "unpack it first (unzstd)",
                        .signatures = {{0, "\x28\xb5\x2f\xfd"sv}}};
// After the level, a digit, the first block or the end of the stream.
constexpr Kind kBzip2 = {
    .name = "bzip2",
    .what = "a file compressed with bzip2",
    .remedy = "unpack it first (bunzip2)",
    .signatures = {{4, "\x31\x41\x59\x26\x53\x59"sv}, {4, "\x17\x72\x45\x38\x50\x90"sv}}};
constexpr Kind kLz4 = {.name = "lz4",
                       .what = "a file compressed with LZ4",
                       .remedy = "unpack it first (unlz4)",
                       .signatures = {{0, "\x04\x22\x4d\x18"sv}, {0, "\x02\x21\x4c\x18"sv}}};
constexpr Kind kLzip = {.name = "lzip",
                        .what = "a file compressed with lzip",
                        .remedy = "unpack it first (lzip -d)",
                        .signatures = {{0, "LZIP\1"sv}}};
constexpr Kind kLzop = {.name = "lzop",
                        .what = "a file compressed with lzop",
                        .remedy = "unpack it first (lzop -d)",
                        .signatures = {{0, "\x89LZO\0\r\n\x1a\n"sv}}};
constexpr Kind kAndroidSparse = {.name = "android-sparse",
                                 .what = "an Android sparse image",
                                 .remedy = "unpack it first (simg2img)",
                                 .signatures = {{0, "\x3a\xff\x26\xed\1\0"sv}}};
// UDSP: bands in the order in which they were written.
constexpr Kind kSparseImage = {
    .name = "sparseimage",
    .what = "a sparse disk image of macOS",
    .remedy = "make it one that is not sparse (hdiutil convert -format UDRW)",
    .signatures = {{0, "sprs\0\0\0\3"sv}}};
constexpr Kind kPartclone = {.name = "partclone",
                             .what = "a Partclone backup of a file system",
                             .remedy = "restore it first (partclone.restore)",
                             .signatures = {{0, "partclone-image"sv}}};

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
