#include <string>
#include <utility>
#include <vector>

#include "hotcell/engine.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/commands/job.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/command_line.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/options/image_opts.h"
#include "tools/hotcell/options/shared_options.h"
#include "tools/hotcell/report/info_report.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "snapshot";

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

constexpr Option<Options> kOptions[] = {
    {{.letter = 'l', .names = {"list"}, .help = "list them (default)", .shows_name = true},
     On<&Options::list>},
    {kFormatRow, [](std::string_view value,
                    Options& options) { return SetSourceFormat(value, options.format); }},
    {kImageOptsRow, On<&Options::image_opts>},
    // qemu-img prints the list all the same; and images that are only looked at are not locked.
    {Joined(kQuietRow), kIgnore},
    {kForceShareRow, kIgnore},
};

const CommandLine<Options>& Line() {
  static const auto* const line = [] {
    auto* const made = new CommandLine<Options>();
    made->Text(R"(usage: hotcell snapshot [OPTION]... [-l] FILE

Lists the internal snapshots of the disk image FILE, as 'qemu-img snapshot -l' does: nothing
where there are none. Files that it refers to are not opened.

)");
    made->Add(kOptions);
    made->Take(ReferenceOptions(), &Options::common);  // as all commands; nothing is opened
    AddJobOptions(*made);
    made->Text(R"(Snapshots are not made, applied or deleted: -c, -a and -d are refused.

Exit status: 0 done, 1 error.
)");
    made->Refuse(kRefused);
    return made;
  }();
  return *line;
}

absl::Status Parse(int argc, char** argv, Options& options) {
  constexpr std::string_view kOperands[] = {"FILE"};
  const absl::StatusOr<std::vector<std::string>> operands = Line().Parse(argc, argv, options);
  if (!operands.ok()) return operands.status();
  if (options.common.help) return absl::OkStatus();
  if (absl::Status status = CheckOperands(*operands, kOperands); !status.ok()) return status;
  return SetImage(operands->front(), options.image_opts, options.path, options.format);
}

absl::StatusOr<int> List(Options& options, Job& job) {
  const absl::StatusOr<File> file = OpenForReading(options.path);
  if (!file.ok()) return file.status();
  InfoRequest request;
  request.source = {.fd = file->fd(), .name = options.path, .format = options.format};
  const absl::StatusOr<InfoReply> reply = job.Perform(&Engine::Info, request);
  if (!reply.ok()) return reply.status();
  // qemu-img 7.2 opens the image and says nothing when it is not told what to do.
  if (options.list || !ActsAsQemuImg()) Print(SnapshotListText(reply->info));
  PrintWarnings(kName, reply->warnings);
  return kExitOk;
}

}  // namespace

const OptionTable& SnapshotLine() { return Line(); }

int SnapshotMain(int argc, char** argv) { return RunJob(kName, argc, argv, Parse, List); }

}  // namespace hotcell::cli
