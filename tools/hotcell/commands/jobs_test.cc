// convert, info and doctor, through the built command, where tests/ does not look: the numbers of
// --stats, JSON against qemu-img's, signals.
#include <csignal>
#include <regex>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tools/hotcell/testing/program.h"

namespace hotcell::cli {
namespace {

using nlohmann::ordered_json;
using testing::AllOf;
using testing::HasSubstr;

constexpr size_t kMebibyte = 1 << 20;

class Jobs : public testing::Test {
 protected:
  void SetUp() override {
    const std::string why = WhyNoKvm();
    if (!why.empty()) GTEST_SKIP() << why;
  }
  std::string Path(const std::string& name) const { return scratch_.Path(name); }
  void QemuImg(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "qemu-img");
    const Outcome outcome = RunProgram(arguments);
    ASSERT_EQ(outcome.status, 0) << outcome.err;
  }

  ScratchDirectory scratch_;
};

// From 8.0 on qemu-img tells of the file below an image as well, by its own name and size.
std::string WithoutChildren(const std::string& text) {
  const std::regex child("(^|\n)Child node '[^\n]*':\n(    [^\n]*\n)*");
  return std::regex_replace(text, child, "$1");
}

// From 9.2 on the columns of its snapshots have other widths and names, and hours four digits.
std::string WithoutColumns(std::string text) {
  text = std::regex_replace(text, std::regex("VM_(SIZE|CLOCK)"), "VM $1");
  text = std::regex_replace(text, std::regex(" 00(\\d\\d:\\d\\d:)"), " $1");
  return std::regex_replace(text, std::regex(" +"), " ");
}

// qemu-img's keys and values, all of them and in its order, and then ours.
void CheckInfoIsQemuImgs(const std::string& path) {
  const Outcome theirs = RunProgram({"qemu-img", "info", "--output=json", path});
  const Outcome ours = Hotcell({"info", "--output=json", path});
  ASSERT_EQ(ours.status, 0) << ours.err;
  ordered_json expected = ordered_json::parse(theirs.out);
  expected.erase("children");
  ordered_json document = ordered_json::parse(ours.out);
  ASSERT_TRUE(document.contains("hotcell"));
  document.erase("hotcell");
  EXPECT_EQ(document.dump(1), expected.dump(1)) << path;

  const Outcome their_text = RunProgram({"qemu-img", "info", path});
  const Outcome our_text = Hotcell({"info", path});
  const std::string expected_text = WithoutChildren(their_text.out);
  if (expected_text.find("VM_SIZE") == std::string::npos) {
    EXPECT_EQ(our_text.out, expected_text) << path;
  } else {
    EXPECT_EQ(WithoutColumns(our_text.out), WithoutColumns(expected_text)) << path;
  }
}

TEST_F(Jobs, InfoIsQemuImgs) {
  const std::string base = Path("base.qcow2");
  QemuImg({"create", "-q", "-f", "qcow2", base, "64M"});
  const struct {
    const char* name;
    const char* options;
    const char* size;
  } variants[] = {
      {"plain", "compat=1.1", "1000M"},
      {"old", "compat=0.10", "1M"},
      {"small-clusters", "cluster_size=512", "3M"},
      {"large-clusters", "cluster_size=2M,extended_l2=on", "5G"},
      {"zstd", "compression_type=zstd", "1T"},
      {"lazy", "lazy_refcounts=on,refcount_bits=1", "512"},
      {"wide", "refcount_bits=64,preallocation=metadata", "10M"},
      {"empty", "compat=1.1", "0"},
  };
  for (const auto& variant : variants) {
    const std::string path = Path(variant.name);
    QemuImg({"create", "-q", "-f", "qcow2", "-o", variant.options, path, variant.size});
    CheckInfoIsQemuImgs(path);
  }
}

TEST_F(Jobs, InfoOfSnapshotsBitmapsAndReferencesIsQemuImgs) {
  const std::string image = Path("image.qcow2");
  QemuImg({"create", "-q", "-f", "qcow2", image, "64M"});
  QemuImg({"snapshot", "-c", "first", image});
  QemuImg({"snapshot", "-c", "a second snapshot with a long name", image});
  QemuImg({"bitmap", "--add", image, "b0"});
  QemuImg({"bitmap", "--add", "--disable", "-g", "32k", image, "b1"});
  CheckInfoIsQemuImgs(image);

  QemuImg({"create", "-q", "-f", "qcow2", "-b", "image.qcow2", "-F", "qcow2", Path("top.qcow2")});
  CheckInfoIsQemuImgs(Path("top.qcow2"));
  QemuImg({"create", "-q", "-f", "qcow2", "-o", "data_file=" + Path("data") + ",data_file_raw=on",
           Path("external.qcow2"), "1M"});
  CheckInfoIsQemuImgs(Path("external.qcow2"));
}

TEST_F(Jobs, InfoOfRawIsQemuImgs) {
  WriteFile(Path("odd.raw"), std::string(100'001, 'r'));
  CheckInfoIsQemuImgs(Path("odd.raw"));
  WriteFile(Path("empty.raw"), "");
  CheckInfoIsQemuImgs(Path("empty.raw"));
}

TEST_F(Jobs, InfoNamesReferencesWithoutOpeningThem) {
  QemuImg(
      {"create", "-q", "-u", "-f", "qcow2", "-b", "/etc/shadow", "-F", "raw", Path("thief"), "1M"});
  const Outcome outcome = Hotcell({"info", "--output=json", Path("thief")});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const ordered_json reference = ordered_json::parse(outcome.out)["hotcell"]["references"][0];
  EXPECT_EQ(reference["kind"], "backing-file");
  EXPECT_EQ(reference["name"], "/etc/shadow");
  EXPECT_EQ(reference["format"], "raw");
}

TEST_F(Jobs, ConvertTellsWhatItTook) {
  std::string image(8 * kMebibyte, '\0');
  for (size_t i = 0; i < 4 * kMebibyte; ++i) image[i] = static_cast<char>(i * 31 + i / 4096);
  WriteFile(Path("in"), image);
  const Outcome outcome =
      Hotcell({"convert", "--stats", "--output=json", "-f", "raw", Path("in"), Path("out")});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const ordered_json convert = ordered_json::parse(outcome.out)["convert"];
  EXPECT_EQ(convert["source-format"], "raw");
  EXPECT_EQ(convert["virtual-size"], image.size());
  const ordered_json& stats = convert["stats"];
  EXPECT_GE(stats["bytes-written"], 4 * kMebibyte);
  EXPECT_GT(stats["requests"], 0);
  EXPECT_GT(stats["seconds"], 0.0);
  EXPECT_GT(stats["worker-peak-memory"], kMebibyte);
  EXPECT_THAT(stats["confinement"]["achieved"], testing::Contains("seccomp"));
  EXPECT_EQ(ReadFile(Path("out")), image);

  const Outcome text = Hotcell({"convert", "--stats", "-f", "raw", Path("in"), Path("out")});
  EXPECT_THAT(text.out, AllOf(HasSubstr("VM exits: "), HasSubstr("doorbells: "),
                              HasSubstr("peak memory: "), HasSubstr("seccomp")));
}

TEST_F(Jobs, JsonKeepsStandardOutputToItself) {
  WriteFile(Path("in"), std::string(kMebibyte, 'x'));
  const Outcome outcome =
      Hotcell({"convert", "-p", "--output=json", "-f", "raw", Path("in"), Path("out")});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_TRUE(ordered_json::accept(outcome.out)) << outcome.out;
  EXPECT_THAT(outcome.err, testing::EndsWith("{\"progress\": 100.00}\n"));
}

TEST_F(Jobs, ErrorsAreAnObjectForPrograms) {
  WriteFile(Path("in"), std::string("QFI\xfb\0\0\0\x09", 8) + std::string(1000, '\0'));
  const Outcome outcome =
      Hotcell({"convert", "--output=json", "-f", "qcow2", Path("in"), Path("out")});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(ordered_json::parse(outcome.out)["error"]["code"], "unsupported") << outcome.out;
  EXPECT_EQ(ReadFile(Path("out")), "");
}

TEST_F(Jobs, SignalsCancelAndLeaveTheTarget) {
  WriteFile(Path("in"), std::string(kMebibyte, 'x'));
  WriteFile(Path("out"), "old");
  // Long enough to be met: a terabyte of zeroes that is written out.
  QemuImg({"create", "-q", "-f", "qcow2", Path("huge"), "1T"});
  for (const int signal : {SIGINT, SIGTERM}) {
    const Outcome outcome = RunProgram(
        {HotcellPath(), "convert", "-S", "0", Path("huge"), Path("out")}, "", signal, 400);
    EXPECT_EQ(outcome.status, 128 + signal) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("is as it was before"));
    EXPECT_EQ(ReadFile(Path("out")), "old");
  }
}

TEST_F(Jobs, RequiredLayersAreThereOrNothingRuns) {
  WriteFile(Path("in"), std::string(kMebibyte, 'x'));
  const Outcome outcome =
      Hotcell({"convert", "--require=seccomp,no-new-privs", "-f", "raw", Path("in"), Path("out")});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
}

TEST_F(Jobs, DoctorIsContentHere) {
  const Outcome text = Hotcell({"doctor"});
  EXPECT_EQ(text.status, 0) << text.out;
  EXPECT_THAT(text.out, AllOf(HasSubstr("ran to HLT"), HasSubstr("converted and compared"),
                              HasSubstr("hotcell convert works on this machine.")));
  const Outcome json = Hotcell({"doctor", "--output=json"});
  EXPECT_TRUE(ordered_json::parse(json.out)["works"]);
}

TEST_F(Jobs, DoctorNamesWhatIsBroken) {
  const Outcome no_kvm = Hotcell({"doctor", "--kvm", Path("no-kvm")});
  EXPECT_EQ(no_kvm.status, 1);
  EXPECT_THAT(no_kvm.out, AllOf(HasSubstr("no-kvm is not there"), HasSubstr("remedy: ")));
  const Outcome no_worker = Hotcell({"doctor", "--worker", Path("no-worker")});
  EXPECT_EQ(no_worker.status, 1);
  EXPECT_THAT(no_worker.out, AllOf(HasSubstr("KVM device"), HasSubstr("no-worker")));
}

}  // namespace
}  // namespace hotcell::cli
