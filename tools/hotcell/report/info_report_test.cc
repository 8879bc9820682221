#include "tools/hotcell/report/info_report.h"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <utility>

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
  report.image.details = {
      {.key = "compat", .value = "1.1"},         {.key = "compression-type", .value = "zlib"},
      {.key = "lazy-refcounts", .value = false}, {.key = "refcount-bits", .value = uint64_t{16}},
      {.key = "corrupt", .value = false},        {.key = "extended-l2", .value = false}};
  return report;
}

// Puts `details` before the one with `key`.
void InsertBefore(const std::string& key, const std::vector<Detail>& details, InfoReport& report) {
  std::vector<Detail>& all = report.image.details;
  all.insert(std::ranges::find(all, key, &Detail::key), details.begin(), details.end());
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
  Detail extents = {.key = "extents", .value = Detail::List()};
  const auto add = [&](std::vector<Detail> extent) {
    extents.children.push_back({.value = Detail::Dictionary(), .children = std::move(extent)});
  };
  if (own) {
    add({{.key = "compressed", .value = true},
         {.key = "virtual-size", .value = uint64_t{3} << 30},
         {.key = "filename", .value = Detail::File()},
         {.key = "cluster-size", .value = uint64_t{65536}},
         {.key = "format", .value = ""}});
  } else {
    for (const uint64_t number : {1, 2}) {
      const std::string name = "disk-f00" + std::to_string(number) + ".vmdk";
      add({{.key = "virtual-size", .value = (3 - number) << 30},
           {.key = "filename", .value = Detail::File{name}},
           {.key = "format", .value = "FLAT"}});
    }
  }
  report.image.details = {
      {.key = "cid", .value = uint64_t{2450465877}},
      {.key = "parent-cid", .value = uint64_t{4294967295}},
      {.key = "create-type", .value = own ? "streamOptimized" : "twoGbMaxExtentFlat"},
      std::move(extents)};
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

// The text is that of `qemu-img info sub/top.qcow2`.
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

TEST(InfoTextTest, CountsInstructionsWithASign) {
  InfoReport report = Qcow2Report();
  report.image.snapshots.emplace_back().icount = static_cast<uint64_t>(-2);
  EXPECT_NE(InfoText(report).find("         -2\n"), std::string::npos) << InfoText(report);
  EXPECT_NE(InfoJson(report).Dump().find("\"icount\": -2"), std::string::npos);
}

TEST(InfoTextTest, EscapesNamesFromTheImage) {
  InfoReport report = Qcow2Report();
  report.image.backing_file = "/x\nbacking file format: raw\x1b[2J";
  const std::string text = InfoText(report);
  EXPECT_NE(text.find("backing file: /x\\nbacking file format: raw\\x1b[2J\n"), std::string::npos)
      << text;
}

// The text is that of `qemu-img info sub/disk.vmdk`.
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

// A value of each kind at every place that details have, and bitmaps.
InfoReport ReportOfAll(const std::string& text) {
  InfoReport report;
  report.filename = "x";
  report.image.bitmaps = {{.name = text, .granularity = 512, .flags = {text, "auto"}}, {}};
  const std::vector<Detail> values = {{.key = "name", .value = Detail::Name{text}},
                                      {.key = "file", .value = Detail::File{text}},
                                      {.key = "text", .value = text}};
  Detail list = {.key = "list", .value = Detail::List(), .children = values};
  for (Detail& item : list.children) item.key.clear();
  list.children.push_back({.value = Detail::List(), .children = {{.value = true}}});
  report.image.details = values;
  report.image.details.push_back(
      {.key = "nested-values", .value = Detail::Dictionary(), .children = values});
  report.image.details.push_back(list);
  report.image.details.push_back({.key = "bitmaps", .value = Detail::Bitmaps()});
  return report;
}

TEST(InfoTextTest, LaysOutDetailsAsQemuDoes) {
  const std::string text = InfoText(ReportOfAll("v"));
  EXPECT_EQ(text.substr(text.find("Format")),
            "Format specific information:\n"
            "    name: v\n"
            "    file: v\n"
            "    text: v\n"
            "    nested values:\n"
            "        name: v\n"
            "        file: v\n"
            "        text: v\n"
            "    list:\n"
            "        [0]: v\n"
            "        [1]: v\n"
            "        [2]: v\n"
            "        [3]:\n"
            "            [0]: true\n"
            "    bitmaps:\n"
            "        [0]:\n"
            "            flags:\n"
            "                [0]: v\n"
            "                [1]: auto\n"
            "            name: v\n"
            "            granularity: 512\n"
            "        [1]:\n"
            "            flags:\n"
            "            name: \n"
            "            granularity: 0\n");
}

TEST(InfoTextTest, EscapesEveryTextAndKeyOfTheDetails) {
  constexpr std::string_view kHostile = "a\n\x1b[2J\xff\u202e";
  InfoReport report = ReportOfAll(std::string(kHostile));
  report.image.details.front().key = kHostile;
  const std::string text = InfoText(report);
  EXPECT_EQ(text.find_first_of("\x1b\xff\xe2"), std::string::npos) << text;
  EXPECT_EQ(std::ranges::count(text, '\n'), std::ranges::count(InfoText(ReportOfAll("a")), '\n'));
  const std::string json = InfoJson(report).Dump();
  EXPECT_TRUE(std::ranges::all_of(json, [](char c) { return c == '\n' || (c >= ' ' && c < 127); }))
      << json;
}

TEST(InfoJsonTest, HasDetailsOfEachKindAndBitmaps) {
  const InfoReport report = ReportOfAll("v");
  const std::string json = InfoJson(report).Dump();
  EXPECT_NE(json.find(R"("nested-values": {
                "name": "v",
                "file": "v",
                "text": "v"
            },
            "list": [
                "v",
                "v",
                "v",
                [
                    true
                ]
            ],
            "bitmaps": [
                {
                    "flags": [
                        "v",
                        "auto"
                    ],
                    "name": "v",
                    "granularity": 512
                },
                {
                    "flags": [],
                    "name": "",
                    "granularity": 0
                }
            ])"),
            std::string::npos)
      << json;
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
  InsertBefore("corrupt",
               {{.key = "data-file", .value = Detail::Name{"d\xff.raw"}},
                {.key = "data-file-raw", .value = false},
                {.key = "encrypt",
                 .value = Detail::Dictionary(),
                 .children = {{.key = "format", .value = "aes"}}}},
               report);
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

TEST(InfoJsonTest, LeavesOutWhatTheImageDoesNotSay) {
  InfoReport report = Qcow2Report();
  report.image.details.clear();
  const std::string json = InfoJson(report).Dump();
  for (const char* key : {"format-specific", "lazy-refcounts", "backing-filename"}) {
    EXPECT_EQ(json.find(key), std::string::npos) << key;
  }
  EXPECT_EQ(InfoText(report).find("specific"), std::string::npos);
}

}  // namespace
}  // namespace hotcell::cli
