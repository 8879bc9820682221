#include "tools/hotcell/options/run_options.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tools/hotcell/options/limit_options.h"

namespace hotcell::cli {
namespace {

struct Parsed {
  RunOptions options;
  absl::Status status;
};

Parsed Parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "run");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  Parsed parsed;
  parsed.status = ParseRunOptions(static_cast<int>(arguments.size()), argv.data(), parsed.options);
  return parsed;
}

TEST(RunOptionsTest, HasDefaultsForEachMode) {
  const Parsed parsed = Parse({"p.bin"});
  ASSERT_TRUE(parsed.status.ok()) << parsed.status;
  EXPECT_EQ(parsed.options.request.mode, GuestMode::kLong);
  EXPECT_EQ(parsed.options.request.load_address, 0x10000u);
  EXPECT_EQ(parsed.options.request.vcpus, 1u);
  EXPECT_EQ(parsed.options.common.limits.wall_time, absl::Seconds(60));
  EXPECT_EQ(Parse({"--mode", "real", "p"}).options.request.load_address, 0x1000u);
}

TEST(RunOptionsTest, TakesAllOptions) {
  const Parsed parsed = Parse({"--mode=real", "--load=0", "--entry=0x10", "--mem=8M", "--vcpus=1",
                               "--timeout=2", "--serial-input", "-", "--dirty-pages", "--verbose",
                               "--registers", "--vga", "--stats", "p.bin"});
  ASSERT_TRUE(parsed.status.ok()) << parsed.status;
  const RunOptions& options = parsed.options;
  EXPECT_EQ(options.request.mode, GuestMode::kReal);
  EXPECT_EQ(options.request.load_address, 0u);
  EXPECT_EQ(options.request.entry, 0x10u);
  EXPECT_TRUE(options.has_entry);
  EXPECT_EQ(options.common.limits.guest_memory, 8u << 20);
  EXPECT_EQ(options.common.limits.wall_time, absl::Seconds(2));
  EXPECT_EQ(options.serial_input_path, "-");
  EXPECT_TRUE(options.request.log_dirty_pages && options.request.verbose);
  EXPECT_TRUE(options.show_registers && options.show_vga && options.show_stats);
}

TEST(RunOptionsTest, TellsAFormFromAFile) {
  EXPECT_EQ(Parse({"--output=json", "p"}).options.common.format, OutputFormat::kJson);
  EXPECT_EQ(Parse({"--output=json", "p"}).options.output_path, "");
  EXPECT_EQ(Parse({"--output=./json", "p"}).options.output_path, "./json");
  const Parsed both = Parse({"--output=json", "--output=o", "--input=i", "p"});
  ASSERT_TRUE(both.status.ok()) << both.status;
  EXPECT_EQ(both.options.common.format, OutputFormat::kJson);
  EXPECT_EQ(both.options.output_path, "o");
}

TEST(RunOptionsTest, GivesTheOutputRoom) {
  const Parsed parsed = Parse({"--input=i", "--output=o", "p"});
  ASSERT_TRUE(parsed.status.ok()) << parsed.status;
  EXPECT_EQ(parsed.options.request.output_capacity, 16u << 20);
  EXPECT_EQ(Parse({"--output=o", "--output-capacity=1M", "p"}).options.request.output_capacity,
            1u << 20);
  EXPECT_EQ(Parse({"p"}).options.request.output_capacity, 0u);
}

TEST(RunOptionsTest, LimitsHoldForMemoryAndOutput) {
  LimitBounds bounds{.limits = {}, .places = {{"memory", "hotcell.conf:1"}}};
  bounds.limits.guest_memory = 32 << 20;
  SetLimitBounds(bounds);
  EXPECT_TRUE(Parse({"--mem=32M", "p"}).status.ok());
  const absl::Status more = Parse({"--mem=33M", "p"}).status;
  SetLimitBounds({});
  EXPECT_EQ(more.message(),
            "the limit memory of 33M is more than hotcell.conf:1 allows on this machine");
  const Parsed parsed = Parse({"--limit=output-bytes=1M", "--output=o", "p"});
  EXPECT_EQ(parsed.options.request.output_capacity, 1u << 20);
  EXPECT_FALSE(
      Parse({"--limit=output-bytes=1M", "--output=o", "--output-capacity=2M", "p"}).status.ok());
}

TEST(RunOptionsTest, RefusesWhatMakesNoSense) {
  EXPECT_EQ(Parse({}).status.message(), "missing operand PROGRAM");
  EXPECT_EQ(Parse({"--mode", "protected", "p"}).status.message(),
            "unknown mode 'protected': real, long or payload");
  EXPECT_FALSE(Parse({"--mode=real", "--input=i", "p"}).status.ok());
  EXPECT_FALSE(Parse({"--mode=payload", "--load=0", "p"}).status.ok());
  EXPECT_FALSE(Parse({"--mode=payload", "--serial-input=i", "p"}).status.ok());
  EXPECT_FALSE(Parse({"--output-capacity=1M", "p"}).status.ok());
  EXPECT_FALSE(Parse({"--vcpus=17", "p"}).status.ok());
  EXPECT_FALSE(Parse({"--load=here", "p"}).status.ok());
}

}  // namespace
}  // namespace hotcell::cli
