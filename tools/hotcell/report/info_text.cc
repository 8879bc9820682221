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

void AppendBitmaps(std::string& out, const Qcow2Info& qcow2) {
  if (qcow2.bitmaps.empty()) return;
  out += "    bitmaps:\n";
  for (size_t i = 0; i < qcow2.bitmaps.size(); ++i) {
    const Bitmap& bitmap = qcow2.bitmaps[i];
    Append(out, "        [", i, "]:\n            flags:\n");
    for (size_t flag = 0; flag < bitmap.flags.size(); ++flag) {
      Append(out, "                [", flag, "]: ", Escape(bitmap.flags[flag]), "\n");
    }
    Append(out, "            name: ", Escape(bitmap.name), "\n");
    Append(out, "            granularity: ", bitmap.granularity, "\n");
  }
}

void AppendQcow2(std::string& out, const Qcow2Info& qcow2) {
  const bool version3 = qcow2.compat != "0.10";
  out += "Format specific information:\n";
  Append(out, "    compat: ", Escape(qcow2.compat), "\n");
  Append(out, "    compression type: ", Escape(qcow2.compression_type), "\n");
  if (version3) Append(out, "    lazy refcounts: ", TrueOrFalse(qcow2.lazy_refcounts), "\n");
  AppendBitmaps(out, qcow2);
  Append(out, "    refcount bits: ", qcow2.refcount_bits, "\n");
  if (qcow2.data_file) {
    Append(out, "    data file: ", Escape(*qcow2.data_file), "\n");
    Append(out, "    data file raw: ", TrueOrFalse(qcow2.data_file_raw), "\n");
  }
  if (!qcow2.encryption.empty()) {
    Append(out, "    encrypt:\n        format: ", Escape(qcow2.encryption), "\n");
  }
  if (version3) {
    Append(out, "    corrupt: ", TrueOrFalse(qcow2.corrupt), "\n");
    Append(out, "    extended l2: ", TrueOrFalse(qcow2.extended_l2), "\n");
  }
}

void AppendVmdk(std::string& out, const VmdkInfo& vmdk, std::string_view image) {
  out += "Format specific information:\n";
  Append(out, "    cid: ", vmdk.cid, "\n");
  Append(out, "    parent cid: ", vmdk.parent_cid, "\n");
  Append(out, "    create type: ", Escape(vmdk.create_type), "\n");
  out += "    extents:\n";
  for (size_t i = 0; i < vmdk.extents.size(); ++i) {
    const VmdkExtentFile& extent = vmdk.extents[i];
    Append(out, "        [", i, "]:\n");
    if (extent.compressed) out += "            compressed: true\n";
    Append(out, "            virtual size: ", extent.virtual_size, "\n");
    Append(out, "            filename: ", Escape(ExtentName(image, extent)), "\n");
    if (extent.cluster_size != 0) {
      Append(out, "            cluster size: ", extent.cluster_size, "\n");
    }
    Append(out, "            format: ", Escape(extent.format), "\n");
  }
}

}  // namespace

std::string SnapshotListText(const ImageInfo& image) {
  if (image.snapshots.empty()) return "";
  std::string out = "Snapshot list:\n";
  out += absl::StrFormat("%-10s%-17s%8s%20s%13s%11s\n", "ID", "TAG", "VM SIZE", "DATE", "VM CLOCK",
                         "ICOUNT");
  for (const Snapshot& snapshot : image.snapshots) {
    const std::string icount = snapshot.icount ? std::to_string(*snapshot.icount) : std::string();
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
  if (image.qcow2) AppendQcow2(out, *image.qcow2);
  if (image.vmdk) AppendVmdk(out, *image.vmdk, report.filename);
  return out;
}

}  // namespace hotcell::cli
