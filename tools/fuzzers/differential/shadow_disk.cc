#include "tools/fuzzers/differential/shadow_disk.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>

namespace hotcell::fuzz {
namespace {

constexpr uint64_t kSector = 512;

bool ChangeFile(int fd, const DiskOperation& operation, const std::vector<char>& bytes) {
  const auto offset = static_cast<off_t>(operation.offset);
  const auto length = static_cast<off_t>(operation.length);
  if (operation.kind == DiskOperation::Kind::kHole) {
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) == 0;
  }
  return pwrite(fd, bytes.data() + operation.offset, operation.length, offset) == length;
}

}  // namespace

DiskOperation ChooseOperation(Random& random, uint64_t size) {
  using Kind = DiskOperation::Kind;
  DiskOperation operation;
  operation.kind = random.Pick({Kind::kPattern, Kind::kPattern, Kind::kText, Kind::kText,
                                Kind::kNoise, Kind::kZeroes, Kind::kHole});
  const uint64_t unit =
      std::min(size, random.Pick<uint64_t>({kSector, kSector, 4096, 65536, 1 << 20}));
  operation.offset = random.Below(size) / unit * unit;
  const uint64_t most = random.Pick<uint64_t>({4096, 65536, 262144, 2 << 20});
  operation.length =
      std::min(size - operation.offset, (1 + random.Below(most / kSector)) * kSector);
  operation.pattern = static_cast<uint8_t>(1 + random.Below(255));
  return operation;
}

void ShadowDisk::Apply(const DiskOperation& operation, Random& random) {
  const auto begin = bytes_.begin() + static_cast<ptrdiff_t>(operation.offset);
  const auto end = begin + static_cast<ptrdiff_t>(operation.length);
  switch (operation.kind) {
    case DiskOperation::Kind::kPattern:
      std::fill(begin, end, static_cast<char>(operation.pattern));
      return;
    case DiskOperation::Kind::kText: {
      std::string text;
      while (text.size() < operation.length) {
        text += "line " + std::to_string(random.Below(1000)) + " of it\n";
      }
      std::copy_n(text.begin(), operation.length, begin);
      return;
    }
    case DiskOperation::Kind::kNoise:
      std::generate(begin, end, [&] { return static_cast<char>(random.Next()); });
      return;
    case DiskOperation::Kind::kZeroes:
    case DiskOperation::Kind::kHole:
      std::fill(begin, end, '\0');
      return;
  }
}

// What is zero in the end is written or punched in the order in which it came about, so that the
// file has zeroes that are stored and zeroes that are not.
bool ShadowDisk::WriteTo(const std::string& path,
                         const std::vector<DiskOperation>& operations) const {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return false;
  bool written = ftruncate(fd, static_cast<off_t>(size())) == 0;
  for (const DiskOperation& operation : operations) {
    written = written && ChangeFile(fd, operation, bytes_);
  }
  // A hole may have been punched into what was written later.
  for (const DiskOperation& operation : operations) {
    if (operation.kind != DiskOperation::Kind::kHole &&
        operation.kind != DiskOperation::Kind::kZeroes) {
      written = written && ChangeFile(fd, operation, bytes_);
    }
  }
  close(fd);
  return written;
}

std::string ShadowDisk::CompareWith(const std::string& path) const {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> found{std::istreambuf_iterator<char>(file),
                                std::istreambuf_iterator<char>()};
  if (found.size() < size()) {
    return path + " has " + std::to_string(found.size()) + " bytes, not " + std::to_string(size());
  }
  const auto [wanted, got] = std::mismatch(bytes_.begin(), bytes_.end(), found.begin());
  if (wanted != bytes_.end()) {
    return path + " differs at byte " + std::to_string(wanted - bytes_.begin());
  }
  if (std::any_of(got, found.end(), [](char byte) { return byte != 0; })) {
    return path + " holds something behind the disk's end";
  }
  return {};
}

}  // namespace hotcell::fuzz
