#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotcell/engine.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/commands/job.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/command_line.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/file_names.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/image_opts.h"
#include "tools/hotcell/options/shared_options.h"
#include "tools/hotcell/target/target.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "dd";
constexpr uint64_t kMaxBlockSize = INT32_MAX;

constexpr RefusedOption kRefused[] = {
    {"object", "secrets are not done"},
};

struct Options {
  std::string source_path;
  std::string target_path;
  uint64_t block_size = 512;  // bytes
  std::optional<uint64_t> count;
  uint64_t skip = 0;
  bool image_opts = false;
  ConvertRequest request;
  CommonOptions common;
};

constexpr Option<Options> kOptions[] = {
    {Joined(kFormatRow),
     [](std::string_view value, Options& options) {
       return SetSourceFormat(value, options.request.source.format);
     }},
    {{.letter = 'O',
      .names = {"output-format"},
      .value = "FORMAT",
      .help = "format of INPUT (default: found out) and of OUTPUT (default: raw);\n"
              "also --format, --output-format",
      .completion = Completion::kTargetFormat},
     [](std::string_view value, Options& options) {
       return SetTargetFormat(value, options.request.target_format);
     }},
    {{.letter = 'n', .help = "write into an OUTPUT that exists, in place"},
     [](std::string_view, Options& options) {
       options.request.target_exists = true;
       return absl::OkStatus();
     }},
    {With(kImageOptsRow, "INPUT is driver=FORMAT,file.filename=FILE"), On<&Options::image_opts>},
    {kForceShareRow, kIgnore},  // inputs are not locked
};

const CommandLine<Options>& Line() {
  static const auto* const line = [] {
    auto* const made = new CommandLine<Options>();
    made->Text(R"(usage: hotcell dd [OPTION]... if=INPUT of=OUTPUT [bs=SIZE] [count=N] [skip=N]

Copies blocks of the disk in the image INPUT to OUTPUT, as 'qemu-img dd' does: 'skip'
blocks are left out, and the copy ends after 'count' blocks, the skipped ones included, or
at the end of the disk. OUTPUT appears when it is complete.

  bs=SIZE           bytes of a block (default: 512)
)");
    made->Add(kOptions);
    AddReferences(*made, "");
    AddJobOptions(*made);
    made->Text("\nExit status: 0 done, 1 error.\n");
    made->Refuse(kRefused);
    return made;
  }();
  return *line;
}

absl::Status SetNumber(std::string_view name, std::string_view value, Options& options) {
  const absl::StatusOr<uint64_t> number = ParseSize(value, name);
  if (!number.ok()) return number.status();
  if (name == "count") options.count = *number;
  if (name == "skip") options.skip = *number;
  if (name != "bs") return absl::OkStatus();
  if (*number == 0 || *number > kMaxBlockSize) {
    return absl::InvalidArgumentError(
        Cat("Invalid bs specified. Must be between 1 and ", kMaxBlockSize, "."));
  }
  options.block_size = *number;
  return absl::OkStatus();
}

// "if=FILE" and the like.
absl::Status SetOperand(std::string_view operand, Options& options) {
  const size_t equals = operand.find('=');
  const std::string_view name = operand.substr(0, equals);
  const std::string_view value =
      equals == std::string_view::npos ? std::string_view() : operand.substr(equals + 1);
  if (equals != std::string_view::npos) {
    if (name == "if") options.source_path = std::string(value);
    if (name == "of") options.target_path = std::string(value);
    if (name == "if" || name == "of") return absl::OkStatus();
    if (name == "bs" || name == "count" || name == "skip") {
      return SetNumber(name, value, options);
    }
  }
  return absl::InvalidArgumentError(
      Cat("unrecognized operand ", Escape(name), ": if=, of=, bs=, count= and skip= are"));
}

uint64_t Multiply(uint64_t blocks, uint64_t block_size) {
  uint64_t bytes = 0;
  return __builtin_mul_overflow(blocks, block_size, &bytes) ? UINT64_MAX : bytes;
}

absl::Status Parse(int argc, char** argv, Options& options) {
  const absl::StatusOr<std::vector<std::string>> operands = Line().Parse(argc, argv, options);
  if (!operands.ok()) return operands.status();
  if (options.common.help) return absl::OkStatus();
  for (const std::string& operand : *operands) {
    if (absl::Status status = SetOperand(operand, options); !status.ok()) return status;
  }
  if (options.source_path.empty() || options.target_path.empty()) {
    return absl::InvalidArgumentError("Must specify both input and output files");
  }
  ConvertRequest& request = options.request;
  absl::Status status =
      SetImage(options.source_path, options.image_opts, options.source_path, request.source.format);
  if (!status.ok()) return status;
  request.source.name = options.source_path;
  absl::StatusOr<TargetName> target = ParseTargetName(options.target_path);
  if (!target.ok()) return target.status();
  options.target_path = request.target_name = std::move(target->path);
  request.target_is_zero = target->is_zero && request.target_exists;
  request.references = options.common.references;
  // Blocks are counted from the start of the disk, the skipped ones included, as in qemu-img.
  request.window = {.begin = Multiply(options.skip, options.block_size),
                    .end = Multiply(options.count.value_or(UINT64_MAX), options.block_size)};
  return absl::OkStatus();
}

absl::StatusOr<int> Copy(Options& options, Job& job) {
  const absl::StatusOr<File> source = OpenForReading(options.source_path);
  if (!source.ok()) return source.status();
  absl::Status status = CheckTargetIsNoSource(options.target_path, options.source_path, *source);
  if (status.ok()) {
    status = CheckTargetIsNoReference(options.target_path, options.common.references);
  }
  if (!status.ok()) return status;
  absl::StatusOr<Target> target =
      Target::Open(options.target_path, {.format = options.request.target_format,
                                         .existing = options.request.target_exists,
                                         .making = "error while creating output image"});
  if (!target.ok()) return target.status();
  ConvertRequest& request = options.request;
  request.source.fd = source->fd();
  request.target_fd = target->fd();
  request.target_exists = target->is_existing();
  request.target_replaces = target->replaces();
  const absl::StatusOr<ConvertReply> reply = job.Perform(&Engine::Convert, request);
  if (!reply.ok()) return target->Explain(reply.status());
  status = target->Commit(/*sync=*/false);
  if (!status.ok()) return status;
  if (reply->result.virtual_size == 0 && request.window->begin != 0) {
    PrintWarning(kName, Cat(options.source_path, ": cannot skip to specified offset"));
  }
  PrintWarnings(kName, reply->warnings);
  return kExitOk;
}

}  // namespace

const OptionTable& DdLine() { return Line(); }

int DdMain(int argc, char** argv) { return RunJob(kName, argc, argv, Parse, Copy); }

}  // namespace hotcell::cli
