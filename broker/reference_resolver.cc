#include "broker/reference_resolver.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "broker/posix_error.h"
#include "hotcell/text.h"

namespace hotcell::broker {
namespace {

// Beyond what a path may be there is nothing to open.
constexpr size_t kMaxNameSize = 4095;

absl::string_view KindName(abi::ReferenceKind kind) {
  switch (kind) {
    case abi::ReferenceKind::kBackingFile:
      return "backing file";
    case abi::ReferenceKind::kDataFile:
      return "data file";
    case abi::ReferenceKind::kExtent:
      return "extent";
    case abi::ReferenceKind::kParent:
      return "parent";
  }
  return "reference";
}

int OpenBeneath(int directory, const char* name, int flags, uint64_t resolve = RESOLVE_NO_XDEV) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC | O_NOFOLLOW);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | resolve;
  // EAGAIN: a rename elsewhere made the kernel unsure about "..".
  for (int attempt = 0; attempt < 16; ++attempt) {
    const int64_t fd = syscall(SYS_openat2, directory, name, &how, sizeof(how));
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) return static_cast<int>(fd);
  }
  return -1;
}

// Of a name with which OpenBeneath() failed with EXDEV, which stands for two things.
bool LiesInAnotherMount(int directory, const char* name) {
  return UniqueFd(OpenBeneath(directory, name, O_PATH, /*resolve=*/0)).valid();
}

// Whether the system lets nobody give a file another name who could not write to it anyway. Where
// it does not, a file with several names may be one that somebody put below the directory without
// a right to it.
bool LinksAreProtected(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char value = '0';
  return fd.valid() && read(fd.get(), &value, 1) == 1 && value != '0';
}

// The option as a shell and then `hotcell convert` read it: between single quotes, and with escapes
// for what would end the name early.
std::string MappingOption(absl::string_view name) {
  constexpr size_t kMaxPasted = 1023;  // the longest backing file name of qcow2
  if (name.size() > kMaxPasted) return "--backing";
  const std::string quoted = Quote({name.data(), name.size()}, kMaxPasted);
  std::string option = "--backing '";
  for (size_t i = 1; i + 1 < quoted.size(); ++i) {
    if (quoted[i] == '=') {
      option += "\\x3d";
    } else if (quoted[i] == '\\' && quoted[i + 1] == '\'') {
      option += "\\x27";
      ++i;
    } else if (quoted[i] == '\\') {
      option += quoted[i];
      option += quoted[++i];
    } else {
      option += quoted[i];
    }
  }
  return option + "=FILE'";
}

// As the kernel names it; empty when it does not.
std::string PathOf(int fd) {
  char path[PATH_MAX];
  const ssize_t size = readlink(absl::StrCat("/proc/self/fd/", fd).c_str(), path, sizeof(path));
  if (size <= 0 || size == sizeof(path) || path[0] != '/') return "";
  return {path, static_cast<size_t>(size)};
}

// What of `path` remains below `directory`, as far as text can tell; the kernel has the last word.
std::optional<std::string> Below(absl::string_view directory, absl::string_view path) {
  while (absl::EndsWith(directory, "/")) directory.remove_suffix(1);
  if (!absl::StartsWith(directory, "/") || !absl::ConsumePrefix(&path, directory) ||
      !absl::ConsumePrefix(&path, "/")) {
    return std::nullopt;
  }
  return std::string(path);
}

}  // namespace

absl::StatusOr<ReferenceResolver> ReferenceResolver::Create(
    const ReferencePolicy& policy, const std::string& protected_hardlinks) {
  ReferenceResolver resolver(policy);
  if (!policy.directories().empty()) {
    resolver.links_are_protected_ = LinksAreProtected(protected_hardlinks);
  }
  for (const std::string& given : policy.directories()) {
    UniqueFd fd(open(given.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid()) {
      return PosixError(
          errno, absl::StrCat("open the directory ", Quote(given), " to follow references in"));
    }
    std::string path = PathOf(fd.get());
    resolver.directories_.push_back({.fd = std::move(fd), .given = given, .path = std::move(path)});
  }
  return resolver;
}

absl::StatusOr<ResolvedReference> ReferenceResolver::Open(absl::string_view name,
                                                          abi::ReferenceKind kind,
                                                          int referrer_fd) const {
  const std::string what =
      absl::StrCat("the ", KindName(kind), " ", Quote({name.data(), name.size()}));
  const auto mapping = policy_.mappings().find(std::string(name));
  if (mapping != policy_.mappings().end()) return OpenMapped(mapping->second, what);
  if (directories_.empty()) {
    return absl::PermissionDeniedError(absl::StrCat(
        what, " that the image names was not opened: files named by images are opened only with ",
        MappingOption(name), " or --follow-references=DIR"));
  }
  const std::string refused = absl::StrCat(what, " that the image names was not opened: ");
  if (name.size() > kMaxNameSize) {
    return absl::PermissionDeniedError(
        absl::StrCat(refused, "its name has ", name.size(), " bytes, more than a path may have"));
  }
  if (name.find('\0') != absl::string_view::npos) {
    return absl::PermissionDeniedError(absl::StrCat(refused, "its name has a NUL byte in it"));
  }
  if (name.empty()) {
    return absl::PermissionDeniedError(absl::StrCat(refused, "its name is empty"));
  }
  return OpenFollowed(std::string(name), referrer_fd, what);
}

absl::StatusOr<ResolvedReference> ReferenceResolver::OpenFollowed(const std::string& name,
                                                                  int referrer_fd,
                                                                  absl::string_view what) const {
  struct Candidate {
    const Directory* directory;
    std::string name;
  };
  std::vector<Candidate> candidates;
  const bool absolute = name.front() == '/';
  const std::string referrer = absolute ? "" : PathOf(referrer_fd);
  const std::string full =
      absolute ? name : absl::StrCat(referrer.substr(0, referrer.rfind('/') + 1), name);
  for (const Directory& directory : directories_) {
    for (const std::string& prefix : {directory.path, directory.given}) {
      const std::optional<std::string> rest = Below(prefix, full);
      if (!rest.has_value()) continue;
      candidates.push_back({&directory, *rest});
      break;
    }
  }
  if (!absolute) {
    for (const Directory& directory : directories_) candidates.push_back({&directory, name});
  }
  absl::Status first = absl::PermissionDeniedError(absl::StrCat(
      what, " that the image names was not opened: its name is absolute and leads ",
      "nowhere below a directory of --follow-references; ", MappingOption(name), " allows it"));
  bool tried = false;
  for (const Candidate& candidate : candidates) {
    absl::StatusOr<ResolvedReference> opened =
        OpenBelow(*candidate.directory, candidate.name, name, what);
    if (opened.ok()) return opened;
    // What is not there may be elsewhere, and another mount may be allowed by itself; what is
    // refused stays refused.
    const bool in_another_mount = absl::IsFailedPrecondition(opened.status());
    if (!absl::IsNotFound(opened.status()) && !in_another_mount) return opened;
    if (!tried) {
      first = in_another_mount ? absl::PermissionDeniedError(opened.status().message())
                               : opened.status();
    }
    tried = true;
  }
  return first;
}

absl::StatusOr<ResolvedReference> ReferenceResolver::OpenMapped(const std::string& path,
                                                                absl::string_view what) const {
  // O_NONBLOCK: a FIFO must not hang the job before the file table refuses it.
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd.valid()) return PosixError(errno, absl::StrCat("open ", Quote(path), " for ", what));
  return ResolvedReference{.fd = std::move(fd), .path = path, .mapped = true};
}

absl::StatusOr<ResolvedReference> ReferenceResolver::OpenBelow(const Directory& directory,
                                                               const std::string& name,
                                                               absl::string_view shown,
                                                               absl::string_view what) const {
  const std::string place = absl::StrCat(what, " below ", Quote(directory.given));
  const auto error = [&]() -> absl::Status {
    const int number = errno;
    if (number == EXDEV && LiesInAnotherMount(directory.fd.get(), name.c_str())) {
      return absl::FailedPreconditionError(absl::StrCat(
          what, " that the image names was not opened: its name leads into another mount below ",
          Quote(directory.given), "; ", MappingOption(shown),
          " or another --follow-references=DIR allows it"));
    }
    if (number == EXDEV || number == ELOOP) {
      return absl::PermissionDeniedError(
          absl::StrCat(what, " that the image names was not opened: its name leads ",
                       number == EXDEV ? "out of " : "over a symbolic link in ",
                       Quote(directory.given), "; ", MappingOption(shown), " allows it"));
    }
    if (number == ENOSYS) {
      return absl::UnimplementedError(absl::StrCat("cannot open ", place,
                                                   ": this kernel has no openat2 (Linux 5.6); ",
                                                   MappingOption(shown), " works without"));
    }
    return PosixError(number, absl::StrCat("open ", place));
  };
  // What is no regular file is not opened even for a moment: opening a device or a FIFO can have an
  // effect of its own.
  const UniqueFd probe(OpenBeneath(directory.fd.get(), name.c_str(), O_PATH));
  if (!probe.valid()) return error();
  struct stat found {};
  if (fstat(probe.get(), &found) != 0) return error();
  // With O_PATH a symbolic link at the end is opened itself, and is refused here.
  if (!S_ISREG(found.st_mode)) {
    return absl::PermissionDeniedError(absl::StrCat(place, " was not opened: no regular file; ",
                                                    MappingOption(shown), " allows it"));
  }
  if (found.st_nlink > 1 && !links_are_protected_) {
    return absl::PermissionDeniedError(
        absl::StrCat(place, " was not opened: it has ", found.st_nlink,
                     " names (hard links), and fs.protected_hardlinks is off on this system; ",
                     MappingOption(shown), " allows it"));
  }
  UniqueFd fd(OpenBeneath(directory.fd.get(), name.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) return error();
  struct stat opened {};
  if (fstat(fd.get(), &opened) != 0) return error();
  if (!S_ISREG(opened.st_mode) || opened.st_dev != found.st_dev || opened.st_ino != found.st_ino) {
    return absl::AbortedError(absl::StrCat(place, " was replaced while it was opened"));
  }
  return ResolvedReference{.fd = std::move(fd), .path = absl::StrCat(directory.given, "/", name)};
}

}  // namespace hotcell::broker
