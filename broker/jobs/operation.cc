#include "broker/jobs/operation.h"

#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "broker/files/file_state.h"
#include "broker/lanes/report_codec.h"
#include "hotcell/failure.h"

namespace hotcell::broker {

std::string ChangedText(const ChangedFile& file) {
  const std::string known = ChangeText(file.name, file.attributes_only, "read");
  return file.attributes_only ? known : absl::StrCat(known, "; the result may be of both contents");
}

std::vector<std::string> Warnings(const v1::Report& report, const WorkerReport& worker) {
  std::vector<std::string> warnings = ReportedWarnings(report);
  for (const ChangedFile& file : worker.changed_files) warnings.push_back(ChangedText(file));
  return warnings;
}

absl::Status NoResult() {
  return WithFailureKind(absl::InternalError("the guest reports success and no result"),
                         FailureKind::kGuestContract);
}

uint64_t AllocatedBytes(int fd) {
  constexpr uint64_t kStatBlock = 512;
  struct stat status = {};
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return UINT64_MAX;
  return static_cast<uint64_t>(status.st_blocks) * kStatBlock;
}

uint64_t AllocatedBytes(std::span<const int> fds) {
  uint64_t sum = 0;
  for (const int fd : fds) {
    const uint64_t bytes = AllocatedBytes(fd);
    sum = sum > UINT64_MAX - bytes ? UINT64_MAX : sum + bytes;
  }
  return sum;
}

}  // namespace hotcell::broker
