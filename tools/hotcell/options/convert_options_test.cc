#include "tools/hotcell/options/convert_options.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tools/hotcell/common/error.h"

namespace hotcell::cli {
namespace {

struct Parsed {
  ConvertOptions options;
  absl::Status status;
  std::string error;
};

Parsed Parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "convert");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  Parsed parsed;
  parsed.status =
      ParseConvertOptions(static_cast<int>(arguments.size()), argv.data(), parsed.options);
  if (!parsed.status.ok()) parsed.error = ErrorLine("convert", parsed.status);
  return parsed;
}

TEST(ConvertOptionsTest, DefaultsAreQemuImgs) {
  const Parsed parsed = Parse({"in", "out"});
  ASSERT_TRUE(parsed.status.ok()) << parsed.status;
  const ConvertRequest& request = parsed.options.request;
  EXPECT_EQ(request.source.format, "");
  EXPECT_EQ(request.target_format, "raw");
  EXPECT_EQ(request.sparse_size, 4096u);
  EXPECT_EQ(request.target_cache, CacheMode::kUnsafe);
  EXPECT_EQ(request.source_cache, CacheMode::kWriteback);
  EXPECT_EQ(request.lanes, 0u);
  EXPECT_FALSE(request.compress);
}

TEST(ConvertOptionsTest, TakesQemuImgsOptions) {
  const Parsed parsed = Parse({"-p",    "-f",
                               "qcow2", "-O",
                               "qcow2", "-c",
                               "-o",    "cluster_size=64k,compression_type=zstd",
                               "-o",    "preallocation=off",
                               "-S",    "0",
                               "-q",    "-W",
                               "-m",    "16",
                               "-t",    "none",
                               "-T",    "directsync",
                               "-l",    "snap",
                               "-U",    "in",
                               "out"});
  ASSERT_TRUE(parsed.status.ok()) << parsed.status;
  const ConvertOptions& options = parsed.options;
  EXPECT_TRUE(options.progress);
  EXPECT_TRUE(options.quiet);
  EXPECT_TRUE(options.request.compress);
  EXPECT_EQ(options.request.source.format, "qcow2");
  EXPECT_EQ(options.request.target_format, "qcow2");
  EXPECT_EQ(options.request.sparse_size, 0u);
  EXPECT_EQ(options.request.snapshot, "snap");
  EXPECT_EQ(options.request.target_cache, CacheMode::kNone);
  EXPECT_EQ(options.request.source_cache, CacheMode::kDirectSync);
  ASSERT_EQ(options.request.target_options.size(), 3u);
  EXPECT_EQ(options.request.target_options[2].first, "preallocation");
  EXPECT_EQ(options.source_paths, std::vector<std::string>{"in"});
  EXPECT_EQ(options.target_path, "out");
}

TEST(ConvertOptionsTest, OffloadsCopyingOfWhatIsNotLookedAt) {
  const Parsed parsed = Parse({"-C", "i", "o"});
  ASSERT_TRUE(parsed.status.ok()) << parsed.status;
  EXPECT_TRUE(parsed.options.request.copy_offload);
  EXPECT_EQ(Parse({"-C", "-c", "-O", "qcow2", "i", "o"}).error,
            "hotcell: convert: -C copies data as it is, and -c compresses it\n");
  EXPECT_EQ(Parse({"-S", "4k", "-C", "i", "o"}).error,
            "hotcell: convert: -C does not look for the zeroes that -S is about\n");
}

TEST(ConvertOptionsTest, TakesQemuImgsFormsOfSnapshots) {
  const ConvertRequest by_name = Parse({"-l", "snapshot.name=a,,b", "i", "o"}).options.request;
  EXPECT_EQ(by_name.snapshot, "");
  EXPECT_EQ(by_name.snapshot_id, std::nullopt);
  EXPECT_EQ(by_name.snapshot_name, "a,b");
  const ConvertRequest by_both =
      Parse({"-l", "snapshot.id=1,snapshot.name=", "i", "o"}).options.request;
  EXPECT_EQ(by_both.snapshot, "");
  EXPECT_EQ(by_both.snapshot_id, "1");
  EXPECT_EQ(by_both.snapshot_name, "");
  EXPECT_FALSE(Parse({"-l", "snapshot.date=1", "i", "o"}).status.ok());
}

TEST(ConvertOptionsTest, MapsBackingNamesAsErrorsPrintThem) {
  const Parsed parsed = Parse({"--backing", "base.qcow2=/images/a=b", "--backing",
                               "x\\x3d\\n=other", "--follow-references=/images", "in", "out"});
  ASSERT_TRUE(parsed.status.ok()) << parsed.status;
  const ReferencePolicy& references = parsed.options.request.references;
  EXPECT_EQ(references.mappings().at("base.qcow2"), "/images/a=b");
  EXPECT_EQ(references.mappings().at("x=\n"), "other");
  EXPECT_EQ(references.directories(), std::vector<std::string>{"/images"});
  for (const char* text : {"base", "=file", "base="}) {
    EXPECT_FALSE(Parse({"--backing", text, "in", "out"}).status.ok()) << text;
  }
}

TEST(ConvertOptionsTest, TakesLimitsAndLayers) {
  const Parsed parsed =
      Parse({"--memory=128M", "--timeout=1.5", "--limit=virtual_size=1T", "--limit",
             "chain-depth=3", "--limit=bytes-written=3G", "--require=user-namespace", "--lanes=2",
             "--kvm=/k", "--worker=/w", "--output=json", "--stats", "in", "out"});
  ASSERT_TRUE(parsed.status.ok()) << parsed.status;
  const CommonOptions& common = parsed.options.common;
  EXPECT_EQ(common.limits.guest_memory, 128u << 20);
  EXPECT_EQ(common.limits.wall_time, absl::Milliseconds(1500));
  EXPECT_EQ(common.limits.virtual_size, uint64_t{1} << 40);
  EXPECT_EQ(common.limits.chain_depth, 3u);
  EXPECT_EQ(common.limits.bytes_written, uint64_t{3} << 30);
  EXPECT_EQ(common.required_layers, std::vector<Layer>{Layer::kUserNamespace});
  EXPECT_EQ(common.engine.kvm_path, "/k");
  EXPECT_EQ(common.engine.worker_path, "/w");
  EXPECT_EQ(common.format, OutputFormat::kJson);
  EXPECT_EQ(parsed.options.request.lanes, 2u);
  EXPECT_TRUE(parsed.options.stats);
}

TEST(ConvertOptionsTest, SuggestsFormatsAndLimits) {
  EXPECT_EQ(Parse({"-O", "qcwo2", "i", "o"}).error,
            "hotcell: convert: unknown file format 'qcwo2'; did you mean 'qcow2'?\n");
  const std::string unknown = Parse({"-f", "tiff", "i", "o"}).error;
  EXPECT_TRUE(unknown.starts_with(
      "hotcell: convert: unknown file format 'tiff'; formats that can be read: qcow2, "))
      << unknown;
  EXPECT_TRUE(unknown.ends_with(", raw\n")) << unknown;
  EXPECT_EQ(Parse({"--limit", "virtual-sise=1", "i", "o"}).error,
            "hotcell: convert: unknown limit 'virtual-sise'; did you mean 'virtual-size'?\n");
}

TEST(ConvertOptionsTest, RefusesByName) {
  EXPECT_EQ(Parse({"a"}).error, "hotcell: convert: missing operand OUTPUT\n");
  EXPECT_EQ(Parse({"-m", "17", "i", "o"}).error,
            "hotcell: convert: invalid number of coroutines '17': 1 to 16\n");
  EXPECT_EQ(Parse({"--lanes", "0", "i", "o"}).error,
            "hotcell: convert: invalid number of lanes '0': 1 to 16\n");
  EXPECT_EQ(Parse({"--salvage", "i", "o"}).error,
            "hotcell: convert: option '--salvage' is not supported: a sector that cannot be read "
            "is an error\n");
  EXPECT_EQ(Parse({"-n", "-o", "cluster_size=4k", "i", "o"}).error,
            "hotcell: convert: -o and -B have no effect with -n: the target exists already\n");
  EXPECT_EQ(Parse({"--target-is-zero", "i", "o"}).error,
            "hotcell: convert: --target-is-zero requires use of -n flag\n");
  EXPECT_FALSE(Parse({"-t", "fast", "i", "o"}).status.ok());
  EXPECT_FALSE(Parse({"-S", "lots", "i", "o"}).status.ok());
  EXPECT_EQ(Parse({"-S", "3", "i", "o"}).error,
            "hotcell: convert: -S 3: a multiple of 512 up to 16777216, or 0 to leave no zeroes "
            "out\n");
  EXPECT_FALSE(Parse({"-S", "17M", "i", "o"}).status.ok());
  EXPECT_FALSE(Parse({"--timeout", "0", "i", "o"}).status.ok());
}

TEST(ConvertOptionsTest, TakesSeveralInputs) {
  const Parsed parsed = Parse({"-f", "raw", "a", "b", "c", "out"});
  ASSERT_TRUE(parsed.status.ok()) << parsed.status;
  EXPECT_EQ(parsed.options.source_paths, (std::vector<std::string>{"a", "b", "c"}));
  ASSERT_EQ(parsed.options.request.more_sources.size(), 2u);
  EXPECT_EQ(parsed.options.request.more_sources[1].name, "c");
  EXPECT_EQ(parsed.options.request.more_sources[1].format, "raw");
  EXPECT_EQ(parsed.options.target_path, "out");
}

TEST(ConvertOptionsTest, TakesABackingFileInAllOfQemuImgsWays) {
  for (const std::vector<std::string>& way :
       {std::vector<std::string>{"-B", "base", "-F", "raw"},
        {"-o", "backing_file=base,backing_fmt=raw"},
        {"-B", "base", "-o", "backing_fmt=raw,backing_file=other"}}) {
    std::vector<std::string> arguments = {"-O", "qcow2"};
    arguments.insert(arguments.end(), way.begin(), way.end());
    arguments.insert(arguments.end(), {"in", "out"});
    const Parsed parsed = Parse(arguments);
    ASSERT_TRUE(parsed.status.ok()) << parsed.status;
    EXPECT_EQ(parsed.options.backing.name, "base");
    EXPECT_EQ(parsed.options.backing.format, "raw");
    EXPECT_TRUE(parsed.options.request.target_options.empty());
  }
  const auto error = [](std::vector<std::string> arguments) { return Parse(arguments).error; };
  EXPECT_EQ(error({"-O", "qcow2", "-B", "b", "i", "o"}),
            "hotcell: convert: Backing file specified without backing format; name it with -F; "
            "what an image says of itself is not to be trusted\n");
  EXPECT_EQ(error({"-O", "qcow2", "-F", "raw", "i", "o"}),
            "hotcell: convert: Backing format cannot be used without backing file\n");
  EXPECT_EQ(error({"-B", "b", "-F", "raw", "i", "o"}),
            "hotcell: convert: Backing file not supported for file format 'raw'\n");
  EXPECT_EQ(error({"-O", "qcow2", "-B", "b", "-F", "raw", "i", "i", "o"}),
            "hotcell: convert: Having a backing file for the target makes no sense when "
            "concatenating multiple input images\n");
}

TEST(ConvertOptionsTest, TakesImageOpts) {
  const Parsed parsed = Parse({"--image-opts", "driver=qcow2,file.filename=in", "out"});
  ASSERT_TRUE(parsed.status.ok()) << parsed.status;
  EXPECT_EQ(parsed.options.source_paths, std::vector<std::string>{"in"});
  EXPECT_EQ(parsed.options.request.source.format, "qcow2");
  EXPECT_EQ(Parse({"--image-opts", "-f", "raw", "file.filename=in", "out"}).error,
            "hotcell: convert: --image-opts and --format are mutually exclusive\n");
}

TEST(ConvertOptionsTest, ListsTargetOptions) {
  EXPECT_TRUE(Parse({"-O", "qcow2", "-o", "help"}).options.list_target_options);
}

TEST(ConvertOptionsTest, TellsABackingFileFromAMapping) {
  const Parsed file = Parse({"--backing", "base.raw", "-F", "raw", "-O", "qcow2", "in", "out"});
  ASSERT_TRUE(file.status.ok()) << file.status;
  EXPECT_EQ(file.options.backing.name, "base.raw");
  EXPECT_TRUE(file.options.request.references.mappings().empty());
  const Parsed mapping = Parse({"--backing", "base.raw=b", "in", "out"});
  ASSERT_TRUE(mapping.status.ok()) << mapping.status;
  EXPECT_FALSE(mapping.options.backing.name.has_value());
  EXPECT_EQ(mapping.options.request.references.mappings().count("base.raw"), 1u);
  EXPECT_EQ(Parse({"-b", "a=b", "-F", "raw", "-O", "qcow2", "in", "out"}).options.backing.name,
            "a=b");
}

TEST(ConvertOptionsTest, DescribesTheTarget) {
  const Parsed parsed = Parse(
      {"-n", "--target-image-opts", "in", "driver=qcow2,discard-no-unref=on,file.filename=o"});
  ASSERT_TRUE(parsed.status.ok()) << parsed.status;
  EXPECT_EQ(parsed.options.target_path, "o");
  EXPECT_EQ(parsed.options.request.target_format, "qcow2");
  EXPECT_FALSE(Parse({"--target-image-opts", "in", "file.filename=o"}).status.ok());
  EXPECT_FALSE(
      Parse({"-n", "--target-image-opts", "-O", "raw", "in", "file.filename=o"}).status.ok());
  EXPECT_FALSE(
      Parse({"-n", "--target-image-opts", "in", "file.driver=nbd,file.filename=o"}).status.ok());
}

}  // namespace
}  // namespace hotcell::cli
