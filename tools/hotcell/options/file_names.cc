#include "tools/hotcell/options/file_names.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/common/text.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kRemedy =
    "images are kept in files and block devices; for a file of that name begin with './'";
constexpr std::string_view kZeroes = "zeroinit";  // Proxmox's

// The protocols of QEMU, and of its versions that others distribute; a transport may follow, as in
// "nbd+unix".
constexpr std::string_view kProtocols[] = {
    "blkdebug", "blkverify", "fat", "ftp",  "ftps",     "gluster", "http",  "https",
    "iscsi",    "iser",      "nbd", "nbds", "nfs",      "null-co", "nvme",  "rbd",
    "sftp",     "sheepdog",  "smb", "ssh",  "vitastor", "vxhs",    kZeroes, "null-aio",
};

bool HasProtocol(std::string_view name) {
  const size_t found = name.find_first_of(":/");
  return found != std::string_view::npos && name[found] == ':';
}

bool IsKnown(std::string_view protocol) {
  const std::string_view name = protocol.substr(0, protocol.find('+'));
  return std::find(std::begin(kProtocols), std::end(kProtocols), name) != std::end(kProtocols);
}

bool Exists(std::string_view name) { return access(std::string(name).c_str(), F_OK) == 0; }

absl::Status Refused(std::string_view name, std::string_view protocol) {
  return WithRemedy(CannotOpen(absl::StatusCode::kUnimplemented, Escape(name),
                               Cat("the protocol '", Escape(protocol), "' is not done")),
                    kRemedy);
}

absl::Status Unknown(std::string_view where, std::string_view protocol) {
  return WithRemedy(
      absl::InvalidArgumentError(Cat(where, "Unknown protocol '", Escape(protocol), "'")), kRemedy);
}

bool LeadsToFile(std::string_view protocol) {
  return protocol == "file" || protocol == "host_device";
}

}  // namespace

std::string_view ProtocolOf(std::string_view name) {
  return HasProtocol(name) ? name.substr(0, name.find(':')) : "";
}

absl::Status CheckIsNoFile(std::string_view name) {
  if (!Exists(name)) return absl::OkStatus();
  return WithRemedy(
      absl::InvalidArgumentError(
          Cat("'", Escape(name), "' describes an image, and is the name of a file as well")),
      "begin the name with './' to have the file itself");
}

absl::StatusOr<std::string> ParseInputName(std::string_view name) {
  const std::string_view protocol = ProtocolOf(name);
  if (!ActsAsQemuImg()) {
    if (IsKnown(protocol) && !Exists(name)) return Refused(name, protocol);
    return std::string(name);
  }
  if (!HasProtocol(name)) return std::string(name);
  if (!LeadsToFile(protocol)) {
    return Unknown(Cat("Could not open '", Escape(name), "': "), protocol);
  }
  if (absl::Status status = CheckIsNoFile(name); !status.ok()) return status;
  return std::string(name.substr(protocol.size() + 1));
}

absl::StatusOr<TargetName> ParseTargetName(std::string_view name) {
  TargetName target;
  std::string_view rest = name;
  while (true) {
    if (!HasProtocol(rest)) break;
    const std::string_view protocol = ProtocolOf(rest);
    if (!ActsAsQemuImg()) {
      if (IsKnown(protocol)) return Refused(name, protocol);
      break;
    }
    if (protocol != kZeroes && !LeadsToFile(protocol)) return Unknown("", protocol);
    if (absl::Status status = CheckIsNoFile(rest); !status.ok()) return status;
    target.is_zero = target.is_zero || protocol == kZeroes;
    rest.remove_prefix(protocol.size() + 1);
  }
  target.path = std::string(rest);
  return target;
}

}  // namespace hotcell::cli
