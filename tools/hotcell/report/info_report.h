// `hotcell info` as text and as JSON, field by field as qemu-img 7.2 prints them.
#ifndef HOTCELL_TOOLS_HOTCELL_REPORT_INFO_REPORT_H_
#define HOTCELL_TOOLS_HOTCELL_REPORT_INFO_REPORT_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hotcell/image_info.h"
#include "hotcell/layers.h"
#include "tools/hotcell/report/json.h"

namespace hotcell::cli {

struct InfoReport {
  std::string filename;      // as the user typed it
  uint64_t actual_size = 0;  // bytes that the file occupies on its file system
  ImageInfo image;
  std::vector<std::string> warnings;
  std::vector<LayerResult> layers;  // of the worker that looked
};

// A file that the image names. Nothing has opened it.
struct FoundReference {
  std::string_view kind;  // "backing-file", "data-file", "extent", "parent"
  std::string name;       // bytes as they stand in the image
  std::string format;     // as declared; empty: not declared
};
std::vector<FoundReference> References(const ImageInfo& image);

// Whether `info` says of such images if they were closed: acting as qemu-img, of those of which
// that program says it.
bool HasDirtyFlag(std::string_view format);

// The path of a backing file as QEMU would open it: absolute names and names with a protocol as
// they are, others relative to the image's directory. Text only; nothing is looked up.
std::string FullBackingName(std::string_view image, std::string_view backing);

// The path of a file of a format's details as qemu-img prints it: the image's own, or as of a
// backing file.
std::string FileName(std::string_view image, const Detail::File& file);

// What there is to print of a bitmap.
std::vector<Detail> BitmapDetails(const Bitmap& bitmap);

// Of several lambdas, the one for a value's type.
template <typename... Lambdas>
struct Overloaded : Lambdas... {
  using Lambdas::operator()...;
};
template <typename... Lambdas>
Overloaded(Lambdas...) -> Overloaded<Lambdas...>;

// "2026-11-20 23:42:10" in the local time zone, as the snapshot table has it.
std::string FormatDate(uint32_t seconds);
// "00:01:02.003".
std::string FormatClock(uint64_t nanoseconds);

// The table of an image's internal snapshots, each line ended; empty where there are none.
std::string SnapshotListText(const ImageInfo& image);

// Lines, each ended; names are escaped.
std::string InfoText(const InfoReport& report);
// qemu-img's keys in its order, then "hotcell": {"encrypted", "references", "warnings",
// "confinement"}. It refers to the report, since the lists there may be long.
Json InfoJson(const InfoReport& report);
// An array of such objects (--backing-chain).
Json InfoChainJson(std::span<const InfoReport> reports);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_REPORT_INFO_REPORT_H_
