#include <algorithm>
#include <variant>

#include "absl/strings/str_format.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/report/info_report.h"

namespace hotcell::cli {
namespace {

std::string_view TrueOrFalse(bool value) { return value ? "true" : "false"; }

void AppendBacking(std::string& out, const InfoReport& report) {
  const std::string& backing = report.image.backing_file;
  if (backing.empty()) return;
  Append(out, "backing file: ", Escape(backing));
  const std::string full = FullBackingName(report.filename, backing);
  if (full != backing) Append(out, " (actual path: ", Escape(full), ")");
  Append(out, "\n");
  if (!report.image.backing_format.empty()) {
    Append(out, "backing file format: ", Escape(report.image.backing_format), "\n");
  }
}

// Details as QEMU lays out what a format says: a line for each value, what lists and dictionaries
// hold four columns further in.
class DetailText {
 public:
  DetailText(const InfoReport& report, std::string& out) : report_(report), out_(out) {}

  void PrintDictionary(const std::vector<Detail>& details) {
    for (const Detail& detail : details) {
      std::string name = Escape(detail.key);
      std::ranges::replace(name, '-', ' ');
      PrintName(name);
      PrintValue(detail);
    }
  }

 private:
  void PrintList(const std::vector<Detail>& details) {
    for (size_t i = 0; i < details.size(); ++i) {
      PrintName(Cat("[", i, "]"));
      PrintValue(details[i]);
    }
  }

  void PrintBitmaps() {
    for (size_t i = 0; i < report_.image.bitmaps.size(); ++i) {
      PrintName(Cat("[", i, "]"));
      Inside([&] { PrintDictionary(BitmapDetails(report_.image.bitmaps[i])); });
    }
  }

  void PrintValue(const Detail& detail) {
    std::visit(Overloaded{
                   [&](bool value) { EndLine(TrueOrFalse(value)); },
                   [&](uint64_t value) { EndLine(std::to_string(value)); },
                   [&](const std::string& value) { EndLine(value); },
                   [&](const Detail::Name& name) { EndLine(name.bytes); },
                   [&](const Detail::File& file) { EndLine(FileName(report_.filename, file)); },
                   [&](Detail::List) { Inside([&] { PrintList(detail.children); }); },
                   [&](Detail::Dictionary) { Inside([&] { PrintDictionary(detail.children); }); },
                   [&](Detail::Bitmaps) { Inside([&] { PrintBitmaps(); }); },
               },
               detail.value);
  }

  void PrintName(std::string_view name) { Append(out_, std::string(indent_, ' '), name, ":"); }
  void EndLine(std::string_view value) { Append(out_, " ", Escape(value), "\n"); }
  void Inside(const auto& print) {
    out_ += "\n";
    indent_ += kIndent;
    print();
    indent_ -= kIndent;
  }

  static constexpr size_t kIndent = 4;
  const InfoReport& report_;
  std::string& out_;
  size_t indent_ = kIndent;
};

}  // namespace

std::string SnapshotListText(const ImageInfo& image) {
  if (image.snapshots.empty()) return "";
  std::string out = "Snapshot list:\n";
  out += absl::StrFormat("%-10s%-17s%8s%20s%13s%11s\n", "ID", "TAG", "VM SIZE", "DATE", "VM CLOCK",
                         "ICOUNT");
  for (const Snapshot& snapshot : image.snapshots) {
    // A signed number to QEMU.
    const std::string icount =
        snapshot.icount ? std::to_string(static_cast<int64_t>(*snapshot.icount)) : std::string();
    out +=
        absl::StrFormat("%-9s %-16s %8s%20s%13s%11s\n", Escape(snapshot.id), Escape(snapshot.name),
                        FormatSize(snapshot.vm_state_size), FormatDate(snapshot.date_sec),
                        FormatClock(snapshot.vm_clock_nsec), icount);
  }
  return out;
}

std::string InfoText(const InfoReport& report) {
  const ImageInfo& image = report.image;
  std::string out;
  Append(out, "image: ", Escape(report.filename), "\n");
  Append(out, "file format: ", Escape(image.format), "\n");
  Append(out, "virtual size: ", FormatSize(image.virtual_size), " (", image.virtual_size,
         " bytes)\n");
  Append(out, "disk size: ", FormatSize(report.actual_size), "\n");
  if (image.encrypted) out += "encrypted: yes\n";
  if (image.cluster_size != 0) Append(out, "cluster_size: ", image.cluster_size, "\n");
  if (image.dirty && HasDirtyFlag(image.format)) out += "cleanly shut down: no\n";
  AppendBacking(out, report);
  out += SnapshotListText(image);
  if (!image.details.empty()) {
    out += "Format specific information:\n";
    DetailText(report, out).PrintDictionary(image.details);
  }
  return out;
}

}  // namespace hotcell::cli
