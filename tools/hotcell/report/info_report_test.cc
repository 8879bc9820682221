#include "tools/hotcell/report/info_report.h"

#include <cstdlib>
#include <ctime>

#include "gtest/gtest.h"

namespace hotcell::cli {
namespace {

InfoReport Qcow2Report() {
  InfoReport report;
  report.filename = "sub/top.qcow2";
  report.actual_size = 200704;
  report.image.format = "qcow2";
  report.image.virtual_size = 64 << 20;
  report.image.cluster_size = 65536;
  Qcow2Info* qcow2 = &report.image.qcow2.emplace();
  qcow2->compat = "1.1";
  qcow2->compression_type = "zlib";
  qcow2->refcount_bits = 16;
  return report;
}

// What the file of `name` is for, as the guest reports it.
void AddReference(InfoReport& report, ReferenceRole role, const std::string& name,
                  const std::string& format) {
  report.image.references.push_back({.role = role, .name = name, .format = format});
}

// A disk in two files, and one in its own.
InfoReport VmdkReport(bool own) {
  InfoReport report;
  report.filename = "sub/disk.vmdk";
  report.actual_size = 12288;
  report.image.format = "vmdk";
  report.image.virtual_size = 3ull << 30;
  VmdkInfo* vmdk = &report.image.vmdk.emplace();
  vmdk->cid = 2450465877;
  vmdk->parent_cid = 4294967295;
  vmdk->create_type = own ? "streamOptimized" : "twoGbMaxExtentFlat";
  VmdkExtentFile* first = &vmdk->extents.emplace_back();
  if (own) {
    first->virtual_size = 3ull << 30;
    first->cluster_size = 65536;
    first->compressed = true;
    return report;
  }
  first->filename = "disk-f001.vmdk";
  first->format = "FLAT";
  first->virtual_size = 2ull << 30;
  VmdkExtentFile second = *first;
  second.filename = "disk-f002.vmdk";
  second.virtual_size = 1ull << 30;
  vmdk->extents.push_back(second);
  return report;
}

TEST(FullBackingNameTest, IsRelativeToTheImage) {
  EXPECT_EQ(FullBackingName("sub/top.qcow2", "../base.qcow2"), "sub/../base.qcow2");
  EXPECT_EQ(FullBackingName("top.qcow2", "base.qcow2"), "base.qcow2");
  EXPECT_EQ(FullBackingName("/a/b/top.qcow2", "c/base.qcow2"), "/a/b/c/base.qcow2");
}

TEST(FullBackingNameTest, LeavesAbsoluteNamesAndProtocols) {
  EXPECT_EQ(FullBackingName("sub/top.qcow2", "/base.qcow2"), "/base.qcow2");
  EXPECT_EQ(FullBackingName("sub/top.qcow2", "nbd://host/x"), "nbd://host/x");
  EXPECT_EQ(FullBackingName("sub/top.qcow2", "json:{}"), "json:{}");
  EXPECT_EQ(FullBackingName("sub/top.qcow2", "dir/a:b"), "sub/dir/a:b");
}

TEST(FormatClockTest, PrintsHoursToMilliseconds) {
  EXPECT_EQ(FormatClock(0), "00:00:00.000");
  EXPECT_EQ(FormatClock(3'723'004'999'999), "01:02:03.004");
}

// From `qemu-img info sub/top.qcow2`.
TEST(InfoTextTest, PrintsAsQemuImg) {
  InfoReport report = Qcow2Report();
  report.image.backing_file = "../base.qcow2";
  report.image.backing_format = "qcow2";
  EXPECT_EQ(InfoText(report),
            "image: sub/top.qcow2\n"
            "file format: qcow2\n"
            "virtual size: 64 MiB (67108864 bytes)\n"
            "disk size: 196 KiB\n"
            "cluster_size: 65536\n"
            "backing file: ../base.qcow2 (actual path: sub/../base.qcow2)\n"
            "backing file format: qcow2\n"
            "Format specific information:\n"
            "    compat: 1.1\n"
            "    compression type: zlib\n"
            "    lazy refcounts: false\n"
            "    refcount bits: 16\n"
            "    corrupt: false\n"
            "    extended l2: false\n");
}

TEST(InfoTextTest, PrintsSnapshotsInColumns) {
  InfoReport report = Qcow2Report();
  Snapshot& snapshot = report.image.snapshots.emplace_back();
  snapshot.id = "1";
  snapshot.name = "snap one";
  snapshot.icount = 0;
  setenv("TZ", "UTC", 1);
  tzset();
  const std::string text = InfoText(report);
  EXPECT_NE(
      text.find(
          "Snapshot list:\n"
          "ID        TAG               VM SIZE                DATE     VM CLOCK     ICOUNT\n"
          "1         snap one              0 B 1970-01-01 00:00:00 00:00:00.000          0\n"),
      std::string::npos)
      << text;
}

TEST(InfoTextTest, EscapesNamesFromTheImage) {
  InfoReport report = Qcow2Report();
  report.image.backing_file = "/x\nbacking file format: raw\x1b[2J";
  const std::string text = InfoText(report);
  EXPECT_NE(text.find("backing file: /x\\nbacking file format: raw\\x1b[2J\n"), std::string::npos)
      << text;
}

// From `qemu-img info sub/disk.vmdk`.
TEST(InfoTextTest, PrintsTheExtentsOfAVmdk) {
  EXPECT_EQ(InfoText(VmdkReport(false)),
            "image: sub/disk.vmdk\n"
            "file format: vmdk\n"
            "virtual size: 3 GiB (3221225472 bytes)\n"
            "disk size: 12 KiB\n"
            "Format specific information:\n"
            "    cid: 2450465877\n"
            "    parent cid: 4294967295\n"
            "    create type: twoGbMaxExtentFlat\n"
            "    extents:\n"
            "        [0]:\n"
            "            virtual size: 2147483648\n"
            "            filename: sub/disk-f001.vmdk\n"
            "            format: FLAT\n"
            "        [1]:\n"
            "            virtual size: 1073741824\n"
            "            filename: sub/disk-f002.vmdk\n"
            "            format: FLAT\n");
}

TEST(InfoTextTest, PrintsTheOwnExtentOfAVmdk) {
  const std::string text = InfoText(VmdkReport(true));
  EXPECT_NE(text.find("        [0]:\n"
                      "            compressed: true\n"
                      "            virtual size: 3221225472\n"
                      "            filename: sub/disk.vmdk\n"
                      "            cluster size: 65536\n"
                      "            format: \n"),
            std::string::npos)
      << text;
}

TEST(InfoTextTest, PrintsARawFile) {
  InfoReport report;
  report.filename = "r.raw";
  report.image.format = "raw";
  report.image.virtual_size = 1024;
  EXPECT_EQ(InfoText(report),
            "image: r.raw\nfile format: raw\nvirtual size: 1 KiB (1024 bytes)\ndisk size: 0 B\n");
}

TEST(InfoJsonTest, HasTheExtentsOfAVmdk) {
  const InfoReport vmdk = VmdkReport(true);
  const std::string json = InfoJson(vmdk).Dump();
  EXPECT_NE(json.find(R"("format-specific": {
        "type": "vmdk",
        "data": {
            "cid": 2450465877,
            "parent-cid": 4294967295,
            "create-type": "streamOptimized",
            "extents": [
                {
                    "compressed": true,
                    "virtual-size": 3221225472,
                    "filename": "sub/disk.vmdk",
                    "cluster-size": 65536,
                    "format": ""
                }
            ]
        }
    })"),
            std::string::npos)
      << json;
}

TEST(InfoJsonTest, HasQemuImgsKeysInItsOrderThenOurs) {
  InfoReport report = Qcow2Report();
  report.image.backing_file = "base.qcow2";
  report.image.backing_format = "qcow2";
  report.image.encrypted = true;
  report.image.qcow2->encryption = "aes";
  report.image.qcow2->data_file = "d\xff.raw";
  AddReference(report, ReferenceRole::kBackingFile, "base.qcow2", "qcow2");
  AddReference(report, ReferenceRole::kDataFile, "d\xff.raw", "");
  report.warnings = {"odd"};
  EXPECT_EQ(InfoJson(report).Dump(), R"({
    "backing-filename-format": "qcow2",
    "virtual-size": 67108864,
    "filename": "sub/top.qcow2",
    "cluster-size": 65536,
    "format": "qcow2",
    "actual-size": 200704,
    "format-specific": {
        "type": "qcow2",
        "data": {
            "compat": "1.1",
            "compression-type": "zlib",
            "lazy-refcounts": false,
            "refcount-bits": 16,
            "data-file": "d\ufffd.raw",
            "data-file-raw": false,
            "encrypt": {
                "format": "aes"
            },
            "corrupt": false,
            "extended-l2": false
        }
    },
    "full-backing-filename": "sub/base.qcow2",
    "encrypted": true,
    "backing-filename": "base.qcow2",
    "dirty-flag": false,
    "hotcell": {
        "encrypted": true,
        "references": [
            {
                "kind": "backing-file",
                "name": "base.qcow2",
                "format": "qcow2"
            },
            {
                "kind": "data-file",
                "name": "d\ufffd.raw"
            }
        ],
        "contents": [],
        "warnings": [
            "odd"
        ],
        "confinement": {
            "achieved": [],
            "unavailable": [],
            "failed": []
        }
    }
})");
}

TEST(InfoJsonTest, LeavesOutWhatVersion2DoesNotHave) {
  InfoReport report = Qcow2Report();
  report.image.qcow2->compat = "0.10";
  const std::string json = InfoJson(report).Dump();
  for (const char* key : {"lazy-refcounts", "corrupt", "extended-l2", "backing-filename"}) {
    EXPECT_EQ(json.find(key), std::string::npos) << key;
  }
}

}  // namespace
}  // namespace hotcell::cli
