#include "broker/files/reference_resolver.h"

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
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "broker/host/posix_error.h"
#include "hotcell/remedy.h"
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
    case abi::ReferenceKind::kExtentFile:
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

// The errno of OpenBeneath() for a name when mounts are no hindrance; 0: it leads to something.
int ErrorWithMounts(int directory, const char* name) {
  return UniqueFd(OpenBeneath(directory, name, O_PATH, /*resolve=*/0)).valid() ? 0 : errno;
}

// Why a file with several names may be one that somebody put below the directory without a right to
// it. Empty: the system lets nobody give a file another name who could not write to it anyway.
std::string WhyLinksAreUnprotected(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char value = '0';
  if (!fd.valid() || read(fd.get(), &value, 1) != 1) {
    return "whether fs.protected_hardlinks is on cannot be read in /proc";
  }
  return value == '0' ? "fs.protected_hardlinks is off on this system" : "";
}

// An error whose remedy is a policy that allows `name`, the reference as the image has it.
absl::Status WithNameToAllow(absl::Status status, Remedy remedy, absl::string_view name) {
  const size_t end = status.message().size();
  return WithRemedy(std::move(status),
                    {.remedy = remedy, .subject = std::string(name), .place = end});
}

// The same refusal where the last `replaced` bytes of the message say what the remedy says too.
absl::Status RefusedUnlessAllowed(absl::string_view fact, absl::string_view replaced, Remedy remedy,
                                  absl::string_view name) {
  return WithRemedy(absl::PermissionDeniedError(absl::StrCat(fact, replaced)),
                    {.remedy = remedy,
                     .subject = std::string(name),
                     .place = fact.size(),
                     .replaced = replaced.size()});
}

absl::Status RefusedUnlessMapped(absl::string_view fact, absl::string_view name) {
  return RefusedUnlessAllowed(fact, "", Remedy::kMapReference, name);
}

// The path by which the kernel names the open file; empty: it names none.
std::string PathOf(int fd) {
  char path[PATH_MAX];
  const ssize_t size = readlink(absl::StrCat("/proc/self/fd/", fd).c_str(), path, sizeof(path));
  if (size <= 0 || size == sizeof(path) || path[0] != '/') return "";
  return {path, static_cast<size_t>(size)};
}

// To the kernel a row of slashes is one.
std::string WithSingleSlashes(absl::string_view path) {
  std::string single;
  for (const char c : path) {
    if (c != '/' || !absl::EndsWith(single, "/")) single += c;
  }
  return single;
}

// What of `path` remains below `directory`, as text. The kernel has the last word on where that is.
std::optional<std::string> Below(absl::string_view directory, absl::string_view path) {
  if (!absl::StartsWith(directory, "/")) return std::nullopt;
  while (absl::EndsWith(directory, "/")) directory.remove_suffix(1);
  if (!absl::ConsumePrefix(&path, directory) || !absl::ConsumePrefix(&path, "/")) {
    return std::nullopt;
  }
  return std::string(path);
}

// What of `path` remains below the directory, where it comes to that with `..` in it. `canonical`
// is the directory as the kernel names it, whose parts are no links. Where `..` leads to from any
// other part nobody knows, and there is nothing then.
std::optional<std::string> BelowCanonical(absl::string_view canonical, absl::string_view path) {
  if (!absl::StartsWith(canonical, "/") || !absl::StartsWith(path, "/")) return std::nullopt;
  const std::vector<absl::string_view> parts = absl::StrSplit(canonical, '/', absl::SkipEmpty());
  size_t reached = 0;  // how many of them `path` has come along
  while (absl::ConsumePrefix(&path, "/")) {
    const absl::string_view part = path.substr(0, path.find('/'));
    if (part == "..") {
      reached -= reached == 0 ? 0 : 1;
    } else if (reached == parts.size() && part != ".") {
      return std::string(path);
    } else if (part != "." && part != parts[reached++]) {
      return std::nullopt;
    }
    path.remove_prefix(part.size());
  }
  return std::nullopt;
}

// `name` in the directory that the kernel names `canonical`: each part of that is a directory and
// no link, so `..` at the beginning of the name leads to the part before.
std::string Beside(absl::string_view canonical, absl::string_view name) {
  while (true) {
    while (absl::ConsumePrefix(&name, "/")) continue;
    if (absl::ConsumePrefix(&name, "./")) continue;
    if (!absl::ConsumePrefix(&name, "../")) break;
    canonical = canonical.substr(0, canonical.rfind('/'));
  }
  return absl::StrCat(canonical, "/", name);
}

// Whether `fd` is open on a file that lies in a directory, whatever that is called.
bool IsRegularFile(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

// Whether `path` leads to a file, and to another one than `fd`.
bool IsAnotherFile(const std::string& path, int fd) {
  struct stat named {};
  struct stat opened {};
  return fstatat(AT_FDCWD, path.c_str(), &named, AT_NO_AUTOMOUNT) == 0 &&
         (fstat(fd, &opened) != 0 || named.st_dev != opened.st_dev ||
          named.st_ino != opened.st_ino);
}

}  // namespace

absl::StatusOr<ReferenceResolver> ReferenceResolver::Create(
    const ReferencePolicy& policy, const std::string& protected_hardlinks) {
  ReferenceResolver resolver(policy);
  if (!policy.directories().empty()) {
    resolver.links_unprotected_ = WhyLinksAreUnprotected(protected_hardlinks);
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
    return RefusedUnlessAllowed(absl::StrCat(what, " that the image names was not opened"),
                                ": files named by images are opened only when they are allowed",
                                Remedy::kAllowReference, name);
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
  const std::string refused = absl::StrCat(what, " that the image names was not opened: ");
  if (name.front() != '/') return OpenRelative(name, referrer_fd, what);
  const std::vector<Candidate> candidates = CandidatesFor(name);
  if (!candidates.empty()) return OpenFirst(candidates, name, what);
  return RefusedUnlessAllowed(
      absl::StrCat(refused, "its name is absolute and leads nowhere below a directory"),
      " that may be followed", Remedy::kMapReferenceElsewhere, name);
}

absl::StatusOr<ResolvedReference> ReferenceResolver::OpenRelative(const std::string& name,
                                                                  int referrer_fd,
                                                                  absl::string_view what) const {
  const std::string refused = absl::StrCat(what, " that the image names was not opened: ");
  const std::string referrer = PathOf(referrer_fd);
  if (referrer.empty() && IsRegularFile(referrer_fd)) {
    return RefusedUnlessMapped(
        absl::StrCat(refused, "its name is relative, and /proc does not tell where the image lies"),
        name);
  }
  const std::string beside =
      referrer.empty() ? "" : Beside(referrer.substr(0, referrer.rfind('/')), name);
  // Each place is one path. Only where nothing is at one is the next looked at: another file of
  // the same name would be another disk.
  std::vector<std::vector<Candidate>> places = {CandidatesFor(beside)};
  for (const Directory& directory : directories_) {
    places.push_back({{&directory, name}});
    for (Candidate& other : CandidatesFor(Beside(directory.path, name))) {
      if (other.directory != &directory) places.back().push_back(std::move(other));
    }
  }
  absl::Status first;
  for (const std::vector<Candidate>& place : places) {
    if (place.empty()) continue;
    absl::StatusOr<ResolvedReference> opened = OpenFirst(place, name, what);
    if (opened.ok() && IsAnotherFile(beside, opened->fd.get())) {
      const std::string fact = absl::StrCat(
          refused, "beside the image its name leads to a file that may not be followed, and to ",
          "another one in ", Quote(place.front().directory->given));
      return WithNameToAllow(absl::PermissionDeniedError(fact), Remedy::kChooseReference, name);
    }
    if (!absl::IsNotFound(opened.status())) return opened;
    first.Update(opened.status());
  }
  return first;
}

std::vector<ReferenceResolver::Candidate> ReferenceResolver::CandidatesFor(
    absl::string_view path) const {
  const std::string single = WithSingleSlashes(path);
  std::vector<Candidate> candidates;
  const auto add = [&](const Directory& directory, std::optional<std::string> name) {
    if (name.has_value()) candidates.push_back({&directory, *std::move(name)});
    return name.has_value();
  };
  for (const Directory& directory : directories_) {
    if (add(directory, BelowCanonical(directory.path, single))) continue;
    if (Below(directory.path, single).has_value()) continue;
    add(directory, Below(WithSingleSlashes(directory.given), single));
  }
  if (!candidates.empty()) return candidates;
  // What leads into a directory and out of it again is refused as that.
  for (const Directory& directory : directories_) add(directory, Below(directory.path, single));
  return candidates;
}

absl::StatusOr<ResolvedReference> ReferenceResolver::OpenFirst(
    const std::vector<Candidate>& candidates, const std::string& name,
    absl::string_view what) const {
  absl::Status first;
  bool is_elsewhere = false;
  for (const Candidate& candidate : candidates) {
    absl::StatusOr<ResolvedReference> opened =
        OpenBelow(*candidate.directory, candidate.name, name, what);
    if (opened.ok()) return opened;
    // Another mount may be allowed by itself; what is refused stays refused.
    const bool in_another_mount = absl::IsFailedPrecondition(opened.status());
    if (!absl::IsNotFound(opened.status()) && !in_another_mount) return opened;
    if (in_another_mount && !is_elsewhere) {
      first = WithRemedy(absl::PermissionDeniedError(opened.status().message()),
                         RemedyOf(opened.status()).value_or(RemedyNote()));
    }
    is_elsewhere = is_elsewhere || in_another_mount;
    first.Update(opened.status());
  }
  return first;
}

absl::StatusOr<ResolvedReference> ReferenceResolver::OpenMapped(const std::string& path,
                                                                absl::string_view what) const {
  // O_NONBLOCK: a FIFO must not hang the job before the file table refuses it.
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd.valid()) {
    const int error = errno;
    const std::string file = absl::StrCat(Quote(path), " for ", what);
    return WithNotOpened(PosixError(error, absl::StrCat("open ", file)), file);
  }
  return ResolvedReference{.fd = std::move(fd), .path = path, .mapped = true};
}

absl::StatusOr<ResolvedReference> ReferenceResolver::OpenBelow(const Directory& directory,
                                                               const std::string& name,
                                                               absl::string_view shown,
                                                               absl::string_view what) const {
  const std::string place = absl::StrCat(what, " below ", Quote(directory.given));
  const auto error = [&]() -> absl::Status {
    int number = errno;
    // EXDEV stands for another mount, even where nothing is in it, and for what lies outside.
    if (number == EXDEV) number = ErrorWithMounts(directory.fd.get(), name.c_str());
    if (number == 0) {
      const std::string fact = absl::StrCat(
          what, " that the image names was not opened: its name leads into another mount below ",
          Quote(directory.given));
      return WithNameToAllow(absl::FailedPreconditionError(fact), Remedy::kMapOrFollowReference,
                             shown);
    }
    if (number == EXDEV || number == ELOOP) {
      return RefusedUnlessMapped(
          absl::StrCat(what, " that the image names was not opened: its name leads ",
                       number == EXDEV ? "out of " : "over a symbolic link in ",
                       Quote(directory.given)),
          shown);
    }
    if (number == ENOSYS) {
      const std::string fact =
          absl::StrCat("cannot open ", place, ": this kernel has no openat2 (Linux 5.6)");
      return WithNameToAllow(absl::UnimplementedError(fact), Remedy::kMapReferenceInstead, shown);
    }
    // ENOTDIR: a part of the name is a file.
    return PosixError(number == ENOTDIR ? ENOENT : number, absl::StrCat("open ", place));
  };
  // What is no regular file is not opened even for a moment: opening a device or a FIFO can have an
  // effect of its own.
  const UniqueFd probe(OpenBeneath(directory.fd.get(), name.c_str(), O_PATH));
  if (!probe.valid()) return error();
  struct stat found {};
  if (fstat(probe.get(), &found) != 0) return error();
  // With O_PATH a symbolic link at the end is opened itself, and is refused here.
  if (!S_ISREG(found.st_mode)) {
    return RefusedUnlessMapped(absl::StrCat(place, " was not opened: no regular file"), shown);
  }
  if (found.st_nlink > 1 && !links_unprotected_.empty()) {
    return RefusedUnlessMapped(absl::StrCat(place, " was not opened: it has ", found.st_nlink,
                                            " names (hard links), and ", links_unprotected_),
                               shown);
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
