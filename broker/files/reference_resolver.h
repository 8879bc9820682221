// Opening of the files that images name (backing files, data files, extent files), as the user's
// policy allows. Names come from hostile images.
#ifndef HOTCELL_BROKER_FILES_REFERENCE_RESOLVER_H_
#define HOTCELL_BROKER_FILES_REFERENCE_RESOLVER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "guest/abi/abi.h"
#include "hotcell/references.h"

namespace hotcell::broker {

struct ResolvedReference {
  UniqueFd fd;          // read-only
  std::string path;     // for messages
  bool mapped = false;  // the policy has this path for the name
};

// Decides which of the names found in images become open files (DESIGN: references). Opens only
// what the policy maps or what lies below its directory; a name is never interpreted as a protocol,
// a description or a device. Thread-safe.
class ReferenceResolver {
 public:
  // Opens the policy's directories. `protected_hardlinks` tells whether the
  // system protects hard links: where it does not, files that have several are refused.
  static absl::StatusOr<ReferenceResolver> Create(
      const ReferencePolicy& policy,
      const std::string& protected_hardlinks = "/proc/sys/fs/protected_hardlinks");

  // `name` is as it stands in the image that `referrer_fd` is open on: any bytes. Errors, each with
  // the escaped name: kPermissionDenied with the options that would allow it, kNotFound, others as
  // the kernel says.
  absl::StatusOr<ResolvedReference> Open(absl::string_view name, abi::ReferenceKind kind,
                                         int referrer_fd) const;

 private:
  // A directory below which references may be followed.
  struct Directory {
    UniqueFd fd;
    std::string given;  // as the policy names it
    std::string path;   // as the kernel names it; empty: it does not say
  };

  // A path as a name below one of the directories.
  struct Candidate {
    const Directory* directory;
    std::string name;
  };

  explicit ReferenceResolver(const ReferencePolicy& policy) : policy_(policy) {}
  absl::StatusOr<ResolvedReference> OpenMapped(const std::string& path,
                                               absl::string_view what) const;
  absl::StatusOr<ResolvedReference> OpenFollowed(const std::string& name, int referrer_fd,
                                                 absl::string_view what) const;
  absl::StatusOr<ResolvedReference> OpenRelative(const std::string& name, int referrer_fd,
                                                 absl::string_view what) const;
  // All the ways to reach the absolute `path`.
  std::vector<Candidate> CandidatesFor(absl::string_view path) const;
  // The first of the ways to one path that is allowed; there is at least one. kNotFound: nothing
  // is there.
  absl::StatusOr<ResolvedReference> OpenFirst(const std::vector<Candidate>& candidates,
                                              const std::string& name,
                                              absl::string_view what) const;
  // kFailedPrecondition: it lies in another mount, where another directory may allow it.
  absl::StatusOr<ResolvedReference> OpenBelow(const Directory& directory, const std::string& name,
                                              absl::string_view shown,
                                              absl::string_view what) const;

  ReferencePolicy policy_;
  std::string
      links_unprotected_;  // why files with several hard links are refused; empty: they are not
  std::vector<Directory> directories_;
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_FILES_REFERENCE_RESOLVER_H_
