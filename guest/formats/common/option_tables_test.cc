// Each format's table of options against its writer and what measures it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/text.h"
#include "guest/formats/common/format.h"
#include "guest/formats/common/measure.h"
#include "guest/formats/common/writer.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr uint64_t kDiskSize = 1 << 20;

class EmptyDisk : public MeasuredDisk {
 public:
  uint64_t size() const override { return kDiskSize; }
  const ImageDescription* source() const override { return nullptr; }
  Result<uint64_t> DataBytes(uint64_t /*cluster_size*/) override { return uint64_t{0}; }
};

// What the writer says of the options; empty: it takes them.
std::string WriterSays(const FormatDriver& driver, const FormatOption& option,
                       bool has_backing = false) {
  NativeFiles files;
  const FileHandle target = files.Add(std::make_unique<MemoryFile>(std::vector<std::byte>()));
  NativeChannel io(files);
  CreateOptions options = {
      .slot = target.slot, .name = "target", .virtual_size = kDiskSize, .options = {&option, 1}};
  if (has_backing) options.backing = {.name = "base", .format = "raw", .size = kDiskSize};
  return driver.create(io, options).status().message();
}

std::string MeasureSays(const FormatDriver& driver, const FormatOption& option) {
  EmptyDisk disk;
  return driver.measure(disk, {.options = {&option, 1}}).status().message();
}

// OptionParser::Done() complains of the first option of the table that nobody took, and of one that
// was taken and is not in the table, before it does so of what was given.
TEST(OptionTablesTest, WritersTakeEachOptionOfTheTable) {
  size_t writers = 0;
  for (const FormatDriver* const driver : Formats()) {
    if (driver->create == nullptr) continue;
    ++writers;
    const std::string expected =
        StrCat("unknown option 'no-such-option' for format ", driver->name, "; it ");
    const FormatOption option = {"no-such-option", "1"};
    EXPECT_THAT(WriterSays(*driver, option), StartsWith(expected));
    EXPECT_THAT(WriterSays(*driver, option, /*has_backing=*/true), StartsWith(expected));
  }
  EXPECT_EQ(writers, 9u);
}

TEST(OptionTablesTest, MeasureTakesWhatTheWriterTakes) {
  size_t measured = 0;
  for (const FormatDriver* const driver : Formats()) {
    if (driver->measure == nullptr) continue;
    ++measured;
    for (const char* value : {"off", "metadata", "falloc", "full", "nosuch"}) {
      const FormatOption option = {"preallocation", value};
      EXPECT_EQ(MeasureSays(*driver, option), WriterSays(*driver, option)) << driver->name;
    }
    for (const FormatOption& option :
         {FormatOption{"no-such-option", "1"}, FormatOption{"preallocation", "nosuch"}}) {
      EXPECT_THAT(MeasureSays(*driver, option), Not(IsEmpty())) << driver->name;
      EXPECT_EQ(MeasureSays(*driver, option), WriterSays(*driver, option)) << driver->name;
    }
  }
  EXPECT_EQ(measured, 2u);
}

}  // namespace
}  // namespace hotcell::guest
