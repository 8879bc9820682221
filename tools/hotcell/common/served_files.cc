#include "tools/hotcell/common/served_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace hotcell::cli {
namespace {

namespace fs = std::filesystem;

// Closing asks nobody. An overlay may have layers of any kind; but it is the root of most
// containers, and there seldom has.
constexpr std::string_view kOwnTypes[] = {
    "bcachefs", "btrfs", "devpts",  "devtmpfs", "erofs", "exfat",   "ext2", "ext3",
    "ext4",     "f2fs",  "iso9660", "mqueue",   "ntfs3", "overlay", "proc", "ramfs",
    "squashfs", "sysfs", "tmpfs",   "vfat",     "xfs",   "zfs"};

// Which mounts have an own type, by their numbers and by their devices.
struct OwnMounts {
  std::map<int, bool> by_number;
  std::map<std::pair<unsigned, unsigned>, bool> by_device;
};

// Reads the mounts from lines such as
//   36 35 98:0 / /mnt rw,noatime master:1 - ext4 /dev/sda1 rw
OwnMounts ReadMounts() {
  OwnMounts own;
  std::ifstream list("/proc/self/mountinfo");
  for (std::string line; std::getline(list, line);) {
    constexpr std::string_view kSeparator = " - ";
    const size_t separator = line.find(kSeparator);
    int number = 0;
    unsigned major = 0;
    unsigned minor = 0;
    if (separator == std::string::npos ||
        std::sscanf(line.c_str(), "%d %*d %u:%u", &number, &major, &minor) != 3) {
      continue;
    }
    const size_t begin = separator + kSeparator.size();
    const std::string type = line.substr(begin, line.find(' ', begin) - begin);
    const bool is_own =
        std::find(std::begin(kOwnTypes), std::end(kOwnTypes), type) != std::end(kOwnTypes);
    own.by_number[number] = is_own;
    own.by_device[{major, minor}] = is_own;
  }
  return own;
}

int MountOf(const std::string& descriptor) {
  std::ifstream information("/proc/self/fdinfo/" + descriptor);
  constexpr std::string_view kName = "mnt_id:";
  for (std::string line; std::getline(information, line);) {
    if (line.starts_with(kName)) return std::atoi(line.c_str() + kName.size());
  }
  return -1;
}

bool IsOwn(const std::string& descriptor, const OwnMounts& own) {
  const auto mount = own.by_number.find(MountOf(descriptor));
  if (mount != own.by_number.end()) return mount->second;
  // It was opened in another mount namespace; its device may be mounted here as well.
  struct statx info = {};
  if (statx(std::atoi(descriptor.c_str()), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &info) != 0) {
    return false;
  }
  const auto device = own.by_device.find({info.stx_dev_major, info.stx_dev_minor});
  return device != own.by_device.end() && device->second;
}

// Pipes, sockets and the like have no path; shared memory only seems to.
bool HasPath(const std::string& target) {
  return target.starts_with('/') && !target.starts_with("/memfd:");
}

}  // namespace

bool HasServedFiles() {
  const OwnMounts own = ReadMounts();
  std::error_code error;
  fs::directory_iterator descriptors("/proc/self/fd", error);
  for (; descriptors != fs::directory_iterator(); descriptors.increment(error)) {
    std::error_code closed;  // meanwhile
    const std::string target = fs::read_symlink(descriptors->path(), closed).string();
    if (closed || !HasPath(target)) continue;
    if (!IsOwn(descriptors->path().filename().string(), own)) return true;
  }
  return static_cast<bool>(error);
}

}  // namespace hotcell::cli
