#include "tools/hotcell/options/convert_options.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/command_line.h"
#include "tools/hotcell/options/file_names.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/image_opts.h"
#include "tools/hotcell/options/shared_options.h"
#include "tools/hotcell/options/snapshot_option.h"

namespace hotcell::cli {
namespace {

constexpr uint64_t kMaxCoroutines = 16;  // qemu-img's

constexpr RefusedOption kRefused[] = {
    {"bitmaps", "bitmaps are not copied"},
    {"object", "secrets and throttles are not done"},
    {"salvage", "a sector that cannot be read is an error"},
    {"skip-broken-bitmaps", "bitmaps are not copied"},
};

absl::Status SetSparseSize(std::string_view text, uint64_t& sparse_size) {
  constexpr uint64_t kSector = 512;
  constexpr uint64_t kMost = 16 << 20;
  const absl::StatusOr<uint64_t> size = ParseSize(text, "buffer size for sparse output");
  if (!size.ok()) return size.status();
  if (*size % kSector != 0 || *size > kMost) {
    if (ActsAsQemuImg()) {
      return absl::InvalidArgumentError(Cat(
          "Invalid buffer size for sparse output specified. Valid sizes are multiples of ", kSector,
          " up to ", kMost, ". Select 0 to disable sparse detection (fully allocates output)."));
    }
    return absl::InvalidArgumentError(Cat("-S ", Escape(text), ": a multiple of ", kSector,
                                          " up to ", kMost, ", or 0 to leave no zeroes out"));
  }
  sparse_size = *size;
  return absl::OkStatus();
}

// QEMU 11 calls -B so as well; the two are told apart by the '='.
absl::Status SetBackingOrMapping(std::string_view value, ConvertOptions& options) {
  if (value.find('=') != std::string_view::npos) {
    return AddBacking(value, options.common.references);
  }
  options.backing.name = std::string(value);
  return absl::OkStatus();
}

absl::Status CheckCoroutines(std::string_view text) {
  absl::Status status = ParseCount(text, "coroutines", 1, kMaxCoroutines).status();
  if (status.ok() || !ActsAsQemuImg()) return status;
  return absl::InvalidArgumentError(
      Cat("Invalid number of coroutines. Allowed number of coroutines is between 1 and ",
          kMaxCoroutines));
}

// Sets a flag of the request: InRequest<&ConvertRequest::compress>.
template <auto kFlag>
constexpr auto InRequest = [](std::string_view, ConvertOptions& options) {
  options.request.*kFlag = true;
  return absl::OkStatus();
};

constexpr auto kSetBackingName = [](std::string_view value, ConvertOptions& options) {
  options.backing.name = std::string(value);
  return absl::OkStatus();
};

// What qemu-img has as well.
constexpr Option<ConvertOptions> kOptions[] = {
    {{.letter = 'f',
      .names = {"source-format"},
      .value = "FORMAT",
      .help = "format of INPUT, see 'hotcell --help' (default: found out in the guest)",
      .completion = Completion::kFormat},
     [](std::string_view value, ConvertOptions& options) {
       options.has_source_format = true;
       return SetSourceFormat(value, options.request.source.format);
     }},
    {{.letter = 'O',
      .names = {"target-format"},
      .value = "FORMAT",
      .help = "format of OUTPUT (default: raw)",
      .completion = Completion::kTargetFormat},
     [](std::string_view value, ConvertOptions& options) {
       options.has_target_format = true;
       return SetTargetFormat(value, options.request.target_format);
     }},
    {{.letter = 'o',
      .names = {"target-format-options"},
      .value = "NAME=VALUE,...",
      .help = "options of the output format; '-o help' lists them",
      .completion = Completion::kTargetOptions},
     [](std::string_view value, ConvertOptions& options) {
       return AddTargetOptions(value, options.request.target_options, options.list_target_options);
     }},
    {{.letter = 'B', .value = "FILE", .completion = Completion::kFile, .joined = true},
     kSetBackingName},
    {{.letter = 'b', .value = "FILE", .completion = Completion::kFile, .joined = true},
     kSetBackingName},
    {{.letter = 'F',
      .names = {"backing-format"},
      .value = "FORMAT",
      .help = "OUTPUT stands on FILE, of that format, and has only what INPUT\n"
              "itself holds; INPUT may refer to FILE by the same name. --backing FILE\n"
              "says so too, where there is no '=' in it",
      .completion = Completion::kFormat},
     [](std::string_view value, ConvertOptions& options) {
       options.backing.format = std::string(value);
       return absl::OkStatus();
     }},
    // This takes the place of the --backing that all commands have.
    {{.names = {"backing"}, .value = "NAME=FILE"},
     [](std::string_view value, ConvertOptions& options) {
       return SetBackingOrMapping(value, options);
     }},
    {{.letter = 'c',
      .names = {"compress"},
      .help = "compress (qcow2, qcow, vmdk with subformat=streamOptimized)"},
     InRequest<&ConvertRequest::compress>},
    {{.letter = 'C',
      .names = {"copy-range-offloading"},
      .help = "copy data from file to file, where the kernel can without moving it;\n"
              "zeroes in it are not looked for (not with -c or -S)"},
     InRequest<&ConvertRequest::copy_offload>},
    {{.letter = 'l',
      .names = {"snapshot"},
      .value = "SNAPSHOT",
      .help = "convert an internal snapshot, by id or else name (snapshot.id=ID,\n"
              "snapshot.name=NAME or both with a comma: by nothing else)"},
     [](std::string_view value, ConvertOptions& options) {
       return SetSnapshot(value, options.request);
     }},
    {{.letter = 'n',
      .names = {"no-create"},
      .help = "write into an OUTPUT that exists, in place; a qcow2 image is made anew\n"
              "with its options, and its disk must have the size of INPUT's"},
     InRequest<&ConvertRequest::target_exists>},
    {{.names = {"target-is-zero"}, .help = "with -n: OUTPUT is known to read as zeroes"},
     InRequest<&ConvertRequest::target_is_zero>},
    {With(kImageOptsRow, "INPUT is driver=FORMAT,file.filename=FILE"),
     On<&ConvertOptions::image_opts>},
    {{.names = {"target-image-opts"}, .help = "with -n: so is OUTPUT"},
     On<&ConvertOptions::target_image_opts>},
    {kProgressRow, On<&ConvertOptions::progress>},
    {With(kQuietRow, "no progress, no warnings"), On<&ConvertOptions::quiet>},
    {{.letter = 'r',
      .names = {"rate-limit", "rate"},
      .value = "RATE",
      .help = "write at most so many bytes a second"},
     [](std::string_view value, ConvertOptions& options) {
       return Assign(ParseSize(value, "rate limit"), options.common.limits.output_rate);
     }},
    {{.letter = 'S',
      .names = {"sparse-size"},
      .value = "SIZE",
      .help = "shortest run of zeroes to leave out (default 4k; 0: write everything)"},
     [](std::string_view value, ConvertOptions& options) {
       options.has_sparse_size = true;
       return SetSparseSize(value, options.request.sparse_size);
     }},
    {Joined(CacheRow('t', "target-cache")),
     [](std::string_view value, ConvertOptions& options) {
       return Assign(ParseCacheMode(value, "cache"), options.request.target_cache);
     }},
    {With(CacheRow('T', "source-cache"),
          "cache mode of OUTPUT, INPUT: none, writeback, unsafe, directsync,\n"
          "writethrough; all but unsafe sync OUTPUT before it appears, none and\n"
          "directsync use O_DIRECT (default: unsafe, writeback)"),
     kSetSourceCache},
    {With(kForceShareRow, "copy INPUT also while another program has it open for writing"),
     On<&ConvertOptions::force_share>},
    {{.letter = 'm', .names = {"parallel"}, .value = "COUNT", .joined = true},
     [](std::string_view value, ConvertOptions&) { return CheckCoroutines(value); }},
    // Lanes write as they please wherever the format allows it.
    {{.letter = 'W', .names = {"oob-writes"}, .help = "accepted, without effect"}, kIgnore},
};

constexpr Option<ConvertOptions> kInspectOption[] = {
    {{.names = {"inspect"},
      .help = "judge INPUT first, as 'hotcell inspect' does, and convert it only if it is\n"
              "safe: both read the same open file, and nothing is written before. An\n"
              "image that names other files is not safe, allowed or not"},
     On<&ConvertOptions::inspect>},
};

constexpr Option<ConvertOptions> kLanesOption[] = {
    {With(kLanesRow,
          "vCPUs that work, 1 to 16 (default: one per CPU; one for an image\n"
          "of at most 1 MiB that refers to no other)"),
     kSetLanes},
};

constexpr Option<ConvertOptions> kOtherOptions[] = {
    {{.names = {"stats"},
      .help = "print VM exits, doorbells, bytes, time and the job's steps, peak memory,\n"
              "confinement"},
     On<&ConvertOptions::stats>},
    {With(kOutputRow,
          "human or json: result and errors as one JSON document on standard\n"
          "output; progress goes to standard error then, a line\n"
          "{\"progress\": PERCENT} each time"),
     kSetOutputFormat},
};

constexpr std::string_view kUsage =
    R"(usage: hotcell convert [OPTION]... INPUT... OUTPUT

Converts the disk image INPUT, which is read and decoded in a KVM guest, to OUTPUT.
Several INPUTs come one after the other on one disk.
OUTPUT appears when it is complete; until then, and on any error, the old file stays.
Only -n, devices, /dev/fd/N and files that cannot be replaced are written in place. Into a
pipe, such as /dev/stdout, it goes when it is complete.

As with qemu-img, whose long names for these (--source-format, --target-format-options,
--sparse-size, --no-create, ...) are taken as well:
)";

const CommandLine<ConvertOptions>& Line() {
  static const auto* const line = [] {
    constexpr size_t kReferenceColumn = 29;
    auto* const made = new CommandLine<ConvertOptions>();
    made->Text(kUsage);
    made->Add(kOptions);
    made->Text("\nFiles that an image refers to are not opened unless you say so:\n");
    made->Add(ReferenceOptions(), &ConvertOptions::common, kReferenceColumn);
    made->Text("\nNot without a verdict:\n");
    made->Add(kInspectOption);
    made->Take(PolicyOptions(), &ConvertOptions::verdict);
    made->Tell(
        {"allow-format", "max-virtual-size", "max-reader-memory", "max-expansion", "no-check"},
        "\nwhat is safe, as in 'hotcell help inspect'");
    made->Text("\nLimits and confinement:\n");
    made->Add(kLanesOption);
    made->Add(LimitOptions(), &ConvertOptions::common);
    made->Text("\nOther:\n");
    made->Add(kOtherOptions);
    made->Add(ProgramOptions(), &ConvertOptions::common);
    made->Add(HelpOption(), &ConvertOptions::common);
    made->Text(R"(
Exit status: 0 done, 1 error, 2 not safe (--inspect), 130 and 143 cancelled by SIGINT and
SIGTERM.
)");
    made->Refuse(kRefused);
    return made;
  }();
  return *line;
}

// Sets the target from --target-image-opts, or from a name with what may stand before it.
absl::Status SetTarget(std::string_view operand, ConvertOptions& options) {
  ConvertRequest& request = options.request;
  if (options.target_image_opts) {
    const absl::StatusOr<ImageOpts> image = ParseImageOpts(operand);
    if (!image.ok()) return image.status();
    options.target_path = image->path;
    // qemu-img would probe it; nothing but raw is written into, and nothing else is made here.
    const std::string format = image->format.empty() ? "raw" : image->format;
    if (absl::Status status = SetTargetFormat(format, request.target_format); !status.ok()) {
      return status;
    }
  } else {
    absl::StatusOr<TargetName> name = ParseTargetName(operand);
    if (!name.ok()) return name.status();
    options.target_path = std::move(name->path);
    request.target_is_zero |= name->is_zero && request.target_exists;
  }
  request.target_name = options.target_path;
  if (!options.target_path.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(Cat("'", Escape(operand), "' names no file"));
}

// The inputs and, last, the output.
absl::Status SetOperands(const std::vector<std::string>& operands, ConvertOptions& options) {
  constexpr std::string_view kOperands[] = {"INPUT", "OUTPUT"};
  if (operands.size() < 2) return CheckOperands(operands, kOperands);
  for (const std::string& operand : operands) {
    if (operand.empty()) return absl::InvalidArgumentError("an operand is empty");
  }
  ConvertRequest& request = options.request;
  const std::string format = request.source.format;
  for (size_t i = 0; i + 1 < operands.size(); ++i) {
    absl::StatusOr<ImageOpts> image = ParseImageOperand(operands[i], options.image_opts);
    if (!image.ok()) return image.status();
    if (image->format.empty()) image->format = format;
    options.source_paths.push_back(image->path);
    SourceImage source = {.name = image->path, .format = image->format};
    if (i == 0) {
      request.source = std::move(source);
    } else {
      request.more_sources.push_back(std::move(source));
    }
  }
  return SetTarget(operands.back(), options);
}

// Options that do not go together.
absl::Status CheckCombination(const ConvertOptions& options) {
  const ConvertRequest& request = options.request;
  const bool in_place = request.target_exists;
  if (options.image_opts && options.has_source_format) {
    return absl::InvalidArgumentError("--image-opts and --format are mutually exclusive");
  }
  if (options.target_image_opts && !in_place) {
    return absl::InvalidArgumentError("--target-image-opts requires use of -n flag");
  }
  if (options.target_image_opts && options.has_target_format) {
    return absl::InvalidArgumentError("--target-image-opts and -O both say what the format is");
  }
  if (in_place && (!request.target_options.empty() || options.backing.name)) {
    return absl::InvalidArgumentError(
        "-o and -B have no effect with -n: the target exists already");
  }
  if (request.target_is_zero && !in_place) {
    return absl::InvalidArgumentError("--target-is-zero requires use of -n flag");
  }
  if (options.backing.name && !request.more_sources.empty()) {
    return absl::InvalidArgumentError(
        "Having a backing file for the target makes no sense when concatenating multiple input "
        "images");
  }
  if (request.copy_offload && request.compress) {
    return absl::InvalidArgumentError("-C copies data as it is, and -c compresses it");
  }
  if (request.copy_offload && options.has_sparse_size) {
    return absl::InvalidArgumentError("-C does not look for the zeroes that -S is about");
  }
  if (options.verdict.given && !options.inspect) {
    return absl::InvalidArgumentError(
        "--allow-format, --max-virtual-size, --max-reader-memory, --max-expansion and --no-check "
        "are "
        "for the verdict of --inspect");
  }
  if (options.inspect && !request.more_sources.empty()) {
    return absl::InvalidArgumentError("--inspect takes one input");
  }
  return absl::OkStatus();
}

}  // namespace

const OptionTable& ConvertLine() { return Line(); }

absl::Status ParseConvertOptions(int argc, char** argv, ConvertOptions& options) {
  const absl::StatusOr<std::vector<std::string>> operands = Line().Parse(argc, argv, options);
  if (!operands.ok()) return operands.status();
  if (options.common.help || options.list_target_options) return absl::OkStatus();
  ConvertRequest& request = options.request;
  absl::Status status = SetOperands(*operands, options);
  if (status.ok()) {
    status = TakeBackingOptions(request.target_format, request.target_options, options.backing);
  }
  // qemu-img converts all of the disk, whatever -o size= says.
  (void)TakeOption(request.target_options, "size");
  if (status.ok()) status = CheckCombination(options);
  request.references = options.common.references;
  return status;
}

}  // namespace hotcell::cli
