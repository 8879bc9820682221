#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "hotcell/engine.h"
#include "hotcell/failure.h"
#include "nlohmann/json.hpp"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/commands/job.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/signals.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/command_line.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/image_opts.h"
#include "tools/hotcell/options/shared_options.h"
#include "tools/hotcell/report/json.h"
#include "tools/hotcell/report/progress.h"
#include "tools/hotcell/target/child.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "digest";

struct DigestOptions {
  std::vector<std::string> paths;
  DigestRequest request;  // all but the file descriptor and JobOptions
  bool progress = false;
  CommonOptions common;
};

constexpr Option<DigestOptions> kOptions[] = {
    {With(kFormatRow, "format of the images (default: found out in the guest)"),
     [](std::string_view value, DigestOptions& options) {
       return SetSourceFormat(value, options.request.source.format);
     }},
    {With(kProgressRow, "show progress, on standard error; SIGUSR1 shows it once at any time"),
     On<&DigestOptions::progress>},
    {CacheRow('T'), kSetSourceCache},
    {With(kForceShareRow, ""), kIgnore},  // images that are only looked at are not locked
};

constexpr Option<DigestOptions> kMoreOptions[] = {
    {kLanesRow, kSetLanes},
    {kOutputRow, kSetOutputFormat},
};

const CommandLine<DigestOptions>& Line() {
  static const auto* const line = [] {
    auto* const made = new CommandLine<DigestOptions>();
    made->Text(R"(usage: hotcell digest [OPTION]... IMAGE...

Prints the SHA-256 of the disk in each IMAGE, computed in a KVM guest, in the form that
sha256sum has. It is the same for the same contents in any two formats, and that of the raw
disk, whose size is a multiple of 512 bytes.

)");
    made->Add(kOptions);
    AddReferences(*made, "\nas in 'hotcell help convert'");
    made->Add(kMoreOptions);
    AddJobOptions(*made);
    made->Text(R"(
Exit status: 0 done, 1 an error with at least one image, 130 and 143 cancelled.
)");
    return made;
  }();
  return *line;
}

absl::Status Parse(int argc, char** argv, DigestOptions& options) {
  absl::StatusOr<std::vector<std::string>> operands = Line().Parse(argc, argv, options);
  if (!operands.ok()) return operands.status();
  if (options.common.help) return absl::OkStatus();
  if (operands->empty())
    return WithErrorId(absl::InvalidArgumentError("missing operand IMAGE"), ErrorId::kUsage);
  options.paths = *std::move(operands);
  return absl::OkStatus();
}

absl::StatusOr<DigestReply> Digest(const DigestOptions& options, const std::string& path,
                                   Job& job) {
  absl::StatusOr<ImageOpts> image = ParseImageOperand(path, /*image_opts=*/false);
  if (!image.ok()) return image.status();
  const absl::StatusOr<File> file = OpenForReading(image->path);
  if (!file.ok()) return file.status();
  // Standard output is for other programs to read.
  ProgressPrinter progress(options.progress, stderr, stderr);
  DigestRequest request = options.request;
  request.source.fd = file->fd();
  request.source.name = path;
  if (!image->format.empty()) request.source.format = image->format;
  request.references = options.common.references;
  job.ShowProgress(progress);
  progress.Begin();
  absl::StatusOr<DigestReply> reply = job.Perform(&Engine::Digest, request);
  if (reply.ok()) {
    progress.Finish();
  } else {
    progress.Abandon();
  }
  return reply;
}

// A line as sha256sum prints it: names with a backslash or a line break are escaped, which a
// backslash before the line says. A terminal gets no control characters at all.
std::string Line(const std::string& digest, const std::string& path) {
  if (isatty(STDOUT_FILENO) != 0) return Cat(digest, "  ", Escape(path), "\n");
  std::string name;
  for (const char c : path) {
    if (c == '\\') {
      name += "\\\\";
    } else if (c == '\n') {
      name += "\\n";
    } else if (c == '\r') {
      name += "\\r";
    } else {
      name += c;
    }
  }
  return Cat(name == path ? "" : "\\", digest, "  ", name, "\n");
}

// What a process that hashed one image tells the command.
struct ImageDigest {
  std::string sha256;  // hexadecimal
  std::string format;
  uint64_t virtual_size = 0;  // bytes
  std::vector<std::string> warnings;
};

std::string Packed(const DigestReply& reply) {
  std::string packed;
  nlohmann::json::to_cbor({absl::BytesToHexString(reply.result.sha256), reply.result.source_format,
                           reply.result.virtual_size, reply.warnings},
                          packed);
  return packed;
}

// Nothing: the process did not get to the end of it.
std::optional<ImageDigest> Unpacked(const std::string& packed) {
  const nlohmann::json fields =
      nlohmann::json::from_cbor(packed, /*strict=*/true, /*allow_exceptions=*/false);
  if (!fields.is_array() || fields.size() != 4) return std::nullopt;
  return ImageDigest{.sha256 = fields[0].get<std::string>(),
                     .format = fields[1].get<std::string>(),
                     .virtual_size = fields[2].get<uint64_t>(),
                     .warnings = fields[3].get<std::vector<std::string>>()};
}

Json DigestJson(const ImageDigest& digest, const std::string& path) {
  Json warnings = Json::Array();
  for (const std::string& warning : digest.warnings) warnings.AppendString(warning);
  Json json = Json::Object();
  json.SetString("filename", path)
      .SetString("format", digest.format)
      .SetNumber("virtual-size", digest.virtual_size)
      .SetString("sha256", digest.sha256)
      .Set("warnings", std::move(warnings));
  return json;
}

// Returns the exit status. `result` is Packed() then, if it is kExitOk.
int DigestImage(const DigestOptions& options, const std::string& path, std::string& result) {
  Job job(options.common, {kName, OutputFormat::kHuman});
  const absl::StatusOr<DigestReply> reply = Digest(options, path, job);
  if (!reply.ok()) {
    const absl::Status& why = reply.status();
    const bool named = options.paths.size() == 1;
    return job.signals().Fail(
        named ? why : Reworded(why, Cat("'", Escape(path), "': ", View(why.message()))));
  }
  PrintWarnings(kName, reply->warnings);
  result = Packed(*reply);
  return kExitOk;
}

// DigestImage() in a process of its own, so that an image which does not answer holds up no other.
absl::StatusOr<ChildEnd> DigestInChild(const DigestOptions& options, const std::string& path) {
  absl::StatusOr<ChildEnd> end =
      RunInChild([&](std::string& result) { return DigestImage(options, path, result); });
  if (!end.ok() || end->status < kExitSignalBase) return end;
  const int signal = end->status - kExitSignalBase;
  if (JobSignals::Cancels(signal)) return end;
  const char* const name = sigabbrev_np(signal);
  return absl::AbortedError(Cat("'", Escape(path), "': the process that hashed it was killed by ",
                                name == nullptr ? "a signal" : Cat("SIG", name)));
}

// Returns the exit status. An image that cannot be read does not keep the others from being read.
int Digests(DigestOptions& options) {
  FailWritesToBrokenPipes();  // what is lost is told
  const bool as_json = options.common.format == OutputFormat::kJson;
  Json digests = Json::Array();
  int exit_status = kExitOk;
  for (const std::string& path : options.paths) {
    absl::StatusOr<ChildEnd> end = DigestInChild(options, path);
    if (!end.ok()) end = ChildEnd{.status = ReportError(kName, end.status(), OutputFormat::kHuman)};
    if (end->status >= kExitSignalBase) return end->status;
    const std::optional<ImageDigest> digest = Unpacked(end->result);
    if (end->status != kExitOk || !digest) {
      // What says most of them all: that of a worker or guest that misbehaved.
      if (exit_status == kExitOk || exit_status == kExitFailure) {
        exit_status = end->status == kExitOk ? kExitFailure : end->status;
      }
    } else if (as_json) {
      digests.Append(DigestJson(*digest, path));
    } else {
      Print(Line(digest->sha256, path));
      Flush();
    }
    if (end->signal != 0) return kExitSignalBase + end->signal;
  }
  if (as_json) {
    Json document = Json::Object();
    document.Set("digests", std::move(digests));
    Print(document.Dump() + "\n");
  }
  return exit_status;
}

}  // namespace

const OptionTable& DigestLine() { return Line(); }

int DigestMain(int argc, char** argv) { return RunWithoutJob(kName, argc, argv, Parse, Digests); }

}  // namespace hotcell::cli
