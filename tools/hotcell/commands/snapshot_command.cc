#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hotcell/engine.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/common/signals.h"
#include "tools/hotcell/common/watch.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/image_opts.h"
#include "tools/hotcell/report/info_report.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "snapshot";

enum SnapshotOption : int { kImageOpts = kFirstLongOption };

constexpr OptionSpec kOptions[] = {
    {'f', "format", true},
    {'l', "list", false},
    {'q', "quiet", false},
    {'U', "force-share", false},
    {kImageOpts, "image-opts", false},
};

constexpr RefusedOption kRefused[] = {
    {"a", "snapshots are listed, not applied; 'hotcell convert -l SNAPSHOT' makes an image of one"},
    {"apply",
     "snapshots are listed, not applied; 'hotcell convert -l SNAPSHOT' makes an image of one"},
    {"c", "snapshots are listed, not made"},
    {"create", "snapshots are listed, not made"},
    {"d", "snapshots are listed, not deleted; 'hotcell convert' makes an image without them"},
    {"delete", "snapshots are listed, not deleted; 'hotcell convert' makes an image without them"},
    {"object", "secrets are not done"},
};

struct Options {
  std::string path;
  std::string format;  // empty: probe
  bool list = false;
  bool image_opts = false;
  CommonOptions common = {.limits = {.wall_time = kLookTime}};
};

absl::Status ApplyOption(int id, std::string_view value, Options& options) {
  switch (id) {
    case 'f':
      return SetSourceFormat(value, options.format);
    case 'l':
      options.list = true;
      return absl::OkStatus();
    case 'q':  // qemu-img prints the list all the same
    case 'U':  // images that are only looked at are not locked
      return absl::OkStatus();
    case kImageOpts:
      options.image_opts = true;
      return absl::OkStatus();
    default:
      return ApplyCommonOption(id, value, options.common);
  }
}

absl::Status Parse(int argc, char** argv, Options& options) {
  constexpr std::string_view kOperands[] = {"FILE"};
  const absl::StatusOr<std::vector<std::string>> operands = ParseArguments(
      argc, argv, WithImageOptions(kOptions), kRefused,
      [&](int id, std::string_view value) { return ApplyOption(id, value, options); });
  if (!operands.ok()) return operands.status();
  if (options.common.help) return absl::OkStatus();
  if (absl::Status status = CheckOperands(*operands, kOperands); !status.ok()) return status;
  absl::StatusOr<ImageOpts> image = ParseImageOperand(operands->front(), options.image_opts);
  if (!image.ok()) return image.status();
  options.path = std::move(image->path);
  if (!image->format.empty()) options.format = std::move(image->format);
  return absl::OkStatus();
}

absl::Status List(const Options& options, const Cancellation& cancellation) {
  std::optional<JobTime> time(std::in_place, options.common.limits.wall_time);
  const absl::StatusOr<File> file = OpenForReading(options.path);
  if (!file.ok()) return file.status();
  const absl::StatusOr<const Engine*> engine = options.common.StartEngine();
  if (!engine.ok()) return engine.status();
  InfoRequest request;
  request.source = {.fd = file->fd(), .name = options.path, .format = options.format};
  request.options = options.common.Job();
  request.options.cancellation = &cancellation;
  time->Restart();
  const absl::StatusOr<InfoReply> reply = (*engine)->Info(request);
  time.reset();
  if (!reply.ok()) return reply.status();
  // qemu-img 7.2 opens the image and says nothing when it is not told what to do.
  if (options.list || !ActsAsQemuImg()) Print(SnapshotListText(reply->info));
  PrintWarnings(kName, reply->warnings);
  return absl::OkStatus();
}

}  // namespace

int SnapshotMain(int argc, char** argv) {
  Options options;
  const absl::Status status = Parse(argc, argv, options);
  if (!status.ok()) return ReportError(kName, status, options.common.format);
  if (options.common.help) {
    PrintHelp(*FindCommand(kName));
    return kExitOk;
  }
  Cancellation cancellation;
  const JobSignals signals(cancellation, {kName, options.common.format});
  const absl::Status listed = List(options, cancellation);
  if (listed.ok()) return kExitOk;
  return signals.Fail(listed);
}

}  // namespace hotcell::cli
