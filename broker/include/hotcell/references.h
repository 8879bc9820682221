// What a job may open besides the files that it is given. Nothing, unless the caller says so.
#ifndef HOTCELL_REFERENCES_H_
#define HOTCELL_REFERENCES_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace hotcell {

// Which of the files that an image names (backing files, data files, extent files) may be opened.
// The default refuses all. Names are compared as bytes; they are never interpreted as a protocol, a
// JSON description or a device.
//
//   ReferencePolicy policy;
//   policy.Map("base.qcow2", "/images/debian-12.qcow2").FollowBelow("/images");
class ReferencePolicy {
 public:
  // The name, exactly as it stands in the image, is served by this file, opened read-only.
  ReferencePolicy& Map(std::string name, std::string path) {
    mappings_.insert_or_assign(std::move(name), std::move(path));
    return *this;
  }
  // Names not mapped may be opened where they lie below `directory`, as openat2 with
  // RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS and RESOLVE_NO_XDEV finds them:
  // regular files only, and none in a file system that is mounted below the directory, which is to
  // be named by itself. Files with several hard links only where fs.protected_hardlinks is on, so
  // that nobody can have put one there that he may not write to.
  // Relative names are looked up beside the image that has them, if that is below `directory` too;
  // where nothing is there, in `directory` itself. A file beside the image that may not be opened
  // is an error: no other file of that name takes its place. May be called for several
  // directories, which are tried in turn.
  ReferencePolicy& FollowBelow(std::string directory) {
    directories_.push_back(std::move(directory));
    return *this;
  }

  const std::map<std::string, std::string>& mappings() const { return mappings_; }
  const std::vector<std::string>& directories() const { return directories_; }
  bool refuses_all() const { return mappings_.empty() && directories_.empty(); }

 private:
  std::map<std::string, std::string> mappings_;
  std::vector<std::string> directories_;
};

}  // namespace hotcell

#endif  // HOTCELL_REFERENCES_H_
