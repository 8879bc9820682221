#include "tools/hotcell/commands/doctor_guests.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/remedies.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/report/run_report.h"

namespace hotcell::cli {
namespace {

// mov dx, 0x3f8; mov al, 'O'; out dx, al; mov al, 'K'; out dx, al; hlt
constexpr unsigned char kSayOk[] = {0xba, 0xf8, 0x03, 0xb0, 'O', 0xee, 0xb0, 'K', 0xee, 0xf4};
constexpr uint64_t kSayOkAddress = 0x1000;
constexpr uint64_t kSmallMemory = 4 << 20;  // bytes

// The image of the checks: two clusters of data around a hole.
constexpr size_t kImageSize = 1 << 20;
constexpr size_t kDataSize = 64 << 10;

Check Problem(std::string name, const absl::Status& status) {
  std::string remedy = Escape(OwnRemedy(status));
  if (remedy.empty() && absl::IsResourceExhausted(status)) {
    remedy = "start it with a higher limit: prlimit(1), ulimit, Limit...= of a systemd unit";
  }
  return {std::move(name), CheckState::kProblem, MessageWithRemedy(status), remedy};
}

std::string Milliseconds(absl::Time start) {
  return absl::StrFormat("%.1f ms", absl::ToDoubleMilliseconds(absl::Now() - start));
}

Check RunToHalt(const Engine& engine, const JobOptions& job, std::vector<LayerResult>& layers) {
  constexpr std::string_view kName = "guest";
  RunRequest request;
  request.program.assign(std::begin(kSayOk), std::end(kSayOk));
  request.mode = GuestMode::kReal;
  request.load_address = kSayOkAddress;
  request.entry = kSayOkAddress;
  request.memory_size = kSmallMemory;
  request.options = job;
  std::string said;
  request.serial_output = [&said](std::string_view bytes) { said += bytes; };
  const absl::Time start = absl::Now();
  const absl::StatusOr<RunReply> reply = engine.Run(request);
  if (!reply.ok()) return Problem(std::string(kName), reply.status());
  layers = reply->worker.layers;
  const GuestEnd& end = reply->worker.end;
  if (end.reason != EndReason::kHalted || said != "OK") {
    return {std::string(kName), CheckState::kProblem,
            Cat(DescribeEnd(end), "; it said '", Escape(said), "', not 'OK'"),
            "KVM runs code wrongly here: try another kernel"};
  }
  return {std::string(kName), CheckState::kOk, Cat("ran to HLT in ", Milliseconds(start)), ""};
}

absl::Status WriteAt(const File& file, const std::string& bytes, off_t offset) {
  const ssize_t wrote = pwrite(file.fd(), bytes.data(), bytes.size(), offset);
  if (wrote == static_cast<ssize_t>(bytes.size())) return absl::OkStatus();
  return absl::ErrnoToStatus(wrote < 0 ? errno : ENOSPC, "cannot write to a memfd");
}

absl::StatusOr<std::string> ReadAll(const File& file) {
  std::string bytes(kImageSize, '\0');
  const ssize_t got = pread(file.fd(), bytes.data(), bytes.size(), 0);
  if (got < 0) return absl::ErrnoToStatus(errno, "cannot read a memfd");
  bytes.resize(static_cast<size_t>(got));
  return bytes;
}

absl::Status ConvertAndCompare(const Engine& engine, const JobOptions& job,
                               std::vector<LayerResult>& layers) {
  const File source(memfd_create("hotcell-doctor-in", MFD_CLOEXEC), {});
  const File target(memfd_create("hotcell-doctor-out", MFD_CLOEXEC), {});
  if (source.fd() < 0 || target.fd() < 0 || ftruncate(source.fd(), kImageSize) != 0) {
    return absl::ErrnoToStatus(errno, "cannot make a memfd");
  }
  const std::string data(kDataSize, 'h');
  for (const size_t offset : {size_t{0}, kImageSize - kDataSize}) {
    if (absl::Status status = WriteAt(source, data, static_cast<off_t>(offset)); !status.ok()) {
      return status;
    }
  }
  ConvertRequest request;
  request.source.fd = source.fd();
  request.source.name = "doctor's image";
  request.source.format = "raw";
  request.target_fd = target.fd();
  request.options = job;
  const absl::StatusOr<ConvertReply> reply = engine.Convert(request);
  if (!reply.ok()) return reply.status();
  layers = reply->worker.layers;
  const absl::StatusOr<std::string> expected = ReadAll(source);
  const absl::StatusOr<std::string> written = ReadAll(target);
  if (!expected.ok()) return expected.status();
  if (!written.ok()) return written.status();
  if (*written != *expected) return absl::DataLossError("the converted image differs");
  return absl::OkStatus();
}

}  // namespace

std::vector<Check> CheckGuests(const EngineOptions& engine_options, const JobOptions& job,
                               std::vector<LayerResult>& layers) {
  std::vector<Check> checks;
  const absl::StatusOr<Engine> engine = Engine::Create(engine_options);
  if (!engine.ok()) {
    checks.push_back(Problem("engine", engine.status()));
    return checks;
  }
  checks.push_back({"worker", CheckState::kOk, "program found", ""});
  checks.push_back(RunToHalt(*engine, job, layers));
  if (checks.back().state == CheckState::kProblem) return checks;
  const absl::Time start = absl::Now();
  const absl::Status converted = ConvertAndCompare(*engine, job, layers);
  checks.push_back(converted.ok()
                       ? Check{"conversion", CheckState::kOk,
                               Cat("1 MiB converted and compared in ", Milliseconds(start)), ""}
                       : Problem("conversion", converted));
  return checks;
}

}  // namespace hotcell::cli
