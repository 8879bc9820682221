#include "broker/files/file_attributes.h"

#include <endian.h>
#include <linux/posix_acl_xattr.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace hotcell::broker {
namespace {

constexpr char kAccessAcl[] = "system.posix_acl_access";

constexpr mode_t kAllRights = 07;
constexpr mode_t OwnersRights(mode_t mode) { return mode >> 6 & kAllRights; }
constexpr mode_t GroupsRights(mode_t mode) { return mode >> 3 & kAllRights; }
constexpr mode_t OthersRights(mode_t mode) { return mode & kAllRights; }
constexpr mode_t MakeMode(mode_t owner, mode_t group, mode_t others) {
  return owner << 6 | group << 3 | others;
}

// The kernel has no calls for extended attributes of an O_PATH descriptor.
std::string PathOf(int fd) { return absl::StrCat("/proc/self/fd/", fd); }

// nullopt: there is none, or it cannot be read; errno tells.
std::optional<std::string> ReadAttribute(const std::string& path, const char* name) {
  std::string value;
  while (true) {
    const ssize_t size = getxattr(path.c_str(), name, nullptr, 0);
    if (size < 0) return std::nullopt;
    value.resize(static_cast<size_t>(size));
    const ssize_t got = getxattr(path.c_str(), name, value.data(), value.size());
    if (got < 0 && errno == ERANGE) continue;  // it has grown
    if (got < 0) return std::nullopt;
    value.resize(static_cast<size_t>(got));
    return value;
  }
}

std::vector<std::string> AttributeNames(const std::string& path) {
  std::vector<std::string> names;
  std::string list;
  while (true) {
    const ssize_t size = listxattr(path.c_str(), nullptr, 0);
    if (size <= 0) return names;
    list.resize(static_cast<size_t>(size));
    const ssize_t got = listxattr(path.c_str(), list.data(), list.size());
    if (got < 0 && errno == ERANGE) continue;
    if (got < 0) return names;
    list.resize(static_cast<size_t>(got));
    break;
  }
  for (size_t begin = 0; begin < list.size();) {
    names.emplace_back(list.c_str() + begin);
    begin += names.back().size() + 1;
  }
  return names;
}

// What the owning group itself may do. With an ACL, the group's bits of the mode are a mask for
// everybody whom the ACL names, and may be more.
mode_t OwningGroupsRights(const std::string& acl, mode_t mode) {
  for (size_t at = sizeof(posix_acl_xattr_header); at + sizeof(posix_acl_xattr_entry) <= acl.size();
       at += sizeof(posix_acl_xattr_entry)) {
    posix_acl_xattr_entry entry;
    std::memcpy(&entry, acl.data() + at, sizeof(entry));
    constexpr uint16_t kGroupObject = 0x04;  // ACL_GROUP_OBJ
    if (le16toh(entry.e_tag) == kGroupObject) return le16toh(entry.e_perm) & GroupsRights(mode);
  }
  return 0;
}

int GiveRights(const std::string& from, const struct stat& info, bool same_group, int to) {
  const mode_t mode = info.st_mode & 0777;
  const std::optional<std::string> acl = ReadAttribute(from, kAccessAcl);
  const bool acl_is_known = acl.has_value() || errno == ENODATA || errno == EOPNOTSUPP;
  if (same_group && acl_is_known && !acl) return fchmod(to, mode) == 0 ? 0 : errno;
  if (same_group && acl) {
    // Nobody gains by the order: without the ACL the mode is that of the owning group.
    const mode_t plain =
        MakeMode(OwnersRights(mode), OwningGroupsRights(*acl, mode), OthersRights(mode));
    if (fchmod(to, plain) != 0) return errno;
    (void)fsetxattr(to, kAccessAcl, acl->data(), acl->size(), 0);
    return 0;
  }
  // Members of the new file's group had the others' rights before, and the old one's are others
  // now.
  const mode_t others = OthersRights(mode);
  const mode_t least = others & (acl ? OwningGroupsRights(*acl, mode) : GroupsRights(mode));
  return fchmod(to, MakeMode(OwnersRights(mode), least, least)) == 0 ? 0 : errno;
}

bool IsKept(absl::string_view name) {
  return absl::StartsWith(name, "user.") || absl::StartsWith(name, "trusted.") ||
         name == "security.selinux" || name == "security.SMACK64";
}

int GiveExtendedAttributes(const std::string& from, int to) {
  for (const std::string& name : AttributeNames(from)) {
    if (!IsKept(name)) continue;
    const std::optional<std::string> value = ReadAttribute(from, name.c_str());
    if (!value) continue;  // gone, or not for the caller to see
    if (fsetxattr(to, name.c_str(), value->data(), value->size(), 0) == 0) continue;
    if (errno == ENOSPC || errno == EDQUOT) return errno;
  }
  return 0;
}

}  // namespace

int GiveAttributes(int from, const struct stat& info, int to) {
  // Ownership first: changes of it clear bits of the mode.
  constexpr uid_t kSameUser = -1;
  constexpr gid_t kSameGroup = -1;
  struct stat made {};
  [[maybe_unused]] const bool given = fchown(to, info.st_uid, info.st_gid) == 0 ||
                                      fchown(to, kSameUser, info.st_gid) == 0 ||
                                      fchown(to, info.st_uid, kSameGroup) == 0;
  if (fstat(to, &made) != 0) return errno;
  const std::string path = PathOf(from);
  const int error = GiveRights(path, info, made.st_gid == info.st_gid, to);
  return error != 0 ? error : GiveExtendedAttributes(path, to);
}

}  // namespace hotcell::broker
