// Names as they may stand in an image, against the policy that decides which of them become open
// files, over a tree with everything that may lie in a directory. What may be opened is known from
// how the tree was made.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "broker/files/reference_resolver.h"
#include "hotcell/references.h"
#include "hotcell/text.h"
#include "tools/fuzzers/boundary/byte_source.h"
#include "tools/fuzzers/boundary/clean_text.h"
#include "tools/fuzzers/check.h"
#include "tools/hotcell/common/escape.h"

namespace hotcell::fuzz {
namespace {

using broker::ReferenceResolver;
using FileId = std::pair<dev_t, ino_t>;

// A name is at most 4 KiB, and each of its bytes may become four in a text, twice.
constexpr size_t kMaxErrorText = 8 << 10;

FileId IdOf(int fd) {
  struct stat info {};
  Check(fstat(fd, &info) == 0 && S_ISREG(info.st_mode), "what is opened is a regular file");
  return {info.st_dev, info.st_ino};
}

// allowed/ and other/ may be followed, outside/ may not.
class Tree {
 public:
  Tree() {
    const char* const parent = getenv("TMPDIR");
    root_ = std::string(parent == nullptr ? "/tmp" : parent) + "/hotcell-fuzz-XXXXXX";
    Check(mkdtemp(root_.data()) != nullptr, "a temporary directory can be made");
    for (const char* name : {"allowed/a", "allowed/sub/b", "allowed/sub/deep/c",
                             "allowed/with space", "allowed/json:{}", "allowed/\xff\x1b[1m",
                             "other/a", "other/d", "outside/secret", "mapped"}) {
      std::filesystem::create_directories(std::filesystem::path(Path(name)).parent_path());
      std::ofstream(Path(name)) << name;
    }
    std::filesystem::create_symlink("a", Path("allowed/link"));
    std::filesystem::create_symlink("../outside/secret", Path("allowed/escape"));
    std::filesystem::create_symlink("sub", Path("allowed/dirlink"));
    std::filesystem::create_symlink("/", Path("allowed/root"));
    std::filesystem::create_symlink("loop", Path("allowed/loop"));
    mkfifo(Path("allowed/fifo").c_str(), 0600);
    // Only root can make one.
    [[maybe_unused]] const int made =
        mknod(Path("allowed/null").c_str(), S_IFCHR | 0600, makedev(1, 3));
    for (const char* directory : {"allowed", "other"}) Collect(directory);
    image_in_ = Open("allowed/sub/b");
    image_out_ = Open("outside/secret");
  }
  ~Tree() { std::filesystem::remove_all(root_); }

  std::string Path(std::string_view name) const { return root_ + "/" + std::string(name); }
  const std::string& root() const { return root_; }
  // The identities of the files below `directory`, by their names there.
  const std::map<std::string, FileId>& Below(const std::string& directory) const {
    return files_.at(directory);
  }
  FileId Mapped() const { return IdOf(Open("mapped").get()); }
  // The images that names stand in, one inside the directory and one outside.
  int image_in() const { return image_in_.get(); }
  int image_out() const { return image_out_.get(); }

 private:
  UniqueFd Open(std::string_view name) const {
    return UniqueFd(open(Path(name).c_str(), O_RDONLY | O_CLOEXEC));
  }
  void Collect(const std::string& directory) {
    const std::filesystem::path base = Path(directory);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(base)) {
      if (entry.is_symlink() || !entry.is_regular_file()) continue;
      const UniqueFd fd(open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
      files_[directory][entry.path().lexically_relative(base)] = IdOf(fd.get());
    }
  }

  std::string root_;
  std::map<std::string, std::map<std::string, FileId>> files_;
  UniqueFd image_in_;
  UniqueFd image_out_;
};

struct Policy {
  ReferencePolicy policy;
  std::map<std::string, FileId> mapped;
  std::vector<std::string> followed;
};

Policy TakePolicy(const Tree& tree, ByteSource& input) {
  Policy policy;
  const uint8_t flags = input.Take<uint8_t>();
  if ((flags & 1) != 0) policy.followed.push_back("allowed");
  if ((flags & 2) != 0) policy.followed.push_back("other");
  if ((flags & 4) != 0) std::reverse(policy.followed.begin(), policy.followed.end());
  for (const std::string& directory : policy.followed) {
    policy.policy.FollowBelow(tree.Path(directory) + ((flags & 8) != 0 ? "/" : ""));
  }
  for (const std::string& name : {std::string("base"), std::string("../x"), std::string("")}) {
    if ((flags & 16) == 0) break;
    policy.policy.Map(name, tree.Path("mapped"));
    policy.mapped[name] = tree.Mapped();
  }
  return policy;
}

// A name of any bytes, or of pieces that lead somewhere.
std::string TakeName(const Tree& tree, ByteSource& input) {
  static constexpr std::string_view kPieces[] = {"/",           "..",
                                                 ".",           "a",
                                                 "b",           "c",
                                                 "d",           "sub",
                                                 "deep",        "link",
                                                 "root",        "dirlink",
                                                 "loop",        "fifo",
                                                 "null",        "escape",
                                                 "allowed",     "other",
                                                 "base",        "x",
                                                 "outside",     "secret",
                                                 "json:{}",     "with space",
                                                 "\xff\x1b[1m", "/proc/self/fd/0",
                                                 "../",         "./",
                                                 "//",          "nbd:",
                                                 "file:",       "/dev/null"};
  if (input.Choose(2) == 0) return std::string(input.TakeRest());
  std::string name;
  while (!input.empty() && name.size() < 5000) {
    const uint8_t piece = input.Take<uint8_t>();
    if (piece == 0xff) {
      name += tree.root();
    } else if (piece == 0xfe) {
      name += std::string(input.Take<uint16_t>() % 5000, 'n');
    } else {
      name += kPieces[piece % std::size(kPieces)];
    }
  }
  return name;
}

std::string Unquoted(const std::string& quoted) { return quoted.substr(1, quoted.size() - 2); }

// What hotcell/text.h promises.
void CheckTexts(const std::string& name) {
  const std::string escaped = Escape(name);
  CheckClean(escaped, "an escaped name");
  CheckClean(Quote(name), "a quoted name");
  Check(escaped.size() <= 8 * kMaxShownName, "an escaped name is not long");
  Check(Escape(escaped, SIZE_MAX) == escaped, "escaping twice changes nothing");
  const absl::StatusOr<std::string> back = cli::Unescape(Unquoted(Quote(name, SIZE_MAX)));
  Check(back.ok() && *back == name, "a quoted name can be pasted back");
  std::string console = cli::EscapeConsole(name);
  std::erase_if(console, [](char c) { return c == '\r' || c == '\t'; });
  CheckClean(console, "a console's text", /*line_breaks=*/true);
}

void Resolve(const Tree& tree, ByteSource input) {
  const Policy policy = TakePolicy(tree, input);
  const auto kind = static_cast<abi::ReferenceKind>(1 + input.Choose(4));
  const bool image_is_below = input.Choose(2) == 0;
  const std::string name = TakeName(tree, input);
  CheckTexts(name);

  const absl::StatusOr<ReferenceResolver> resolver = ReferenceResolver::Create(policy.policy);
  Check(resolver.ok(), "a policy whose directories are there can be served");
  const absl::StatusOr<broker::ResolvedReference> opened =
      resolver->Open(name, kind, image_is_below ? tree.image_in() : tree.image_out());

  if (!opened.ok()) {
    CheckClean(std::string(opened.status().message()), "an error's text");
    Check(opened.status().message().size() <= kMaxErrorText, "an error's text is bounded", name);
    Check(!policy.mapped.contains(name), "a mapped name is opened");
    if (policy.followed.size() == 1 && !image_is_below) {
      Check(!tree.Below(policy.followed.front()).contains(name),
            "a file below the directory is opened", name);
    }
    return;
  }
  Check((fcntl(opened->fd.get(), F_GETFL) & O_ACCMODE) == O_RDONLY, "a file is opened read-only");
  Check((fcntl(opened->fd.get(), F_GETFD) & FD_CLOEXEC) != 0, "a file is not inherited");
  const FileId id = IdOf(opened->fd.get());
  std::set<FileId> allowed;
  if (const auto mapped = policy.mapped.find(name); mapped != policy.mapped.end()) {
    allowed.insert(mapped->second);
  } else {
    for (const std::string& directory : policy.followed) {
      for (const auto& [path, file] : tree.Below(directory)) allowed.insert(file);
    }
  }
  Check(allowed.contains(id), "only files that are allowed are opened", name);
}

}  // namespace
}  // namespace hotcell::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const hotcell::fuzz::Tree tree;
  hotcell::fuzz::Resolve(tree, hotcell::fuzz::ByteSource(data, size));
  return 0;
}
