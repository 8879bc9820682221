#include "tests/load/usage.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>

namespace hotcell::load {
namespace {

namespace fs = std::filesystem;

size_t CountEntries(const fs::path& directory) {
  size_t count = 0;
  std::error_code error;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(directory, error)) ++count;
  return count;
}

size_t CountLines(const fs::path& file) {
  size_t count = 0;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) ++count;
  return count;
}

size_t CountChildren() {
  size_t count = 0;
  std::error_code error;
  for (const auto& task : fs::directory_iterator("/proc/self/task", error)) {
    std::ifstream children(task.path() / "children");
    for (pid_t child = 0; children >> child;) ++count;
  }
  return count;
}

// Directories of /proc of those that execute `program`.
std::vector<fs::path> ProcessesOf(const std::string& program) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    if (fs::read_symlink(entry.path() / "exe", error) == program && !error) {
      found.push_back(entry.path());
    }
  }
  return found;
}

size_t CountNamespaces(const std::vector<fs::path>& processes) {
  std::set<std::string> found;
  std::error_code error;
  for (const fs::path& process : processes) {
    for (const auto& own : fs::directory_iterator("/proc/self/ns", error)) {
      const fs::path theirs = fs::read_symlink(process / "ns" / own.path().filename(), error);
      if (!error && theirs != fs::read_symlink(own.path(), error)) found.insert(theirs.string());
    }
  }
  return found.size();
}

size_t CountUnnamedFiles() {
  size_t count = 0;
  std::error_code error;
  for (const auto& fd : fs::directory_iterator("/proc/self/fd", error)) {
    const std::string target = fs::read_symlink(fd.path(), error).string();
    count += target.ends_with(" (deleted)");
  }
  return count;
}

}  // namespace

ResourceCounts ResourceCounts::Count(const std::string& worker, const std::string& directory) {
  const std::vector<fs::path> workers = ProcessesOf(worker);
  return {.fds = CountEntries("/proc/self/fd"),
          .threads = CountEntries("/proc/self/task"),
          .children = CountChildren(),
          .workers = workers.size(),
          .namespaces = CountNamespaces(workers),
          .files = CountEntries(directory),
          .unnamed_files = CountUnnamedFiles(),
          .mounts = CountLines("/proc/self/mounts")};
}

std::ostream& operator<<(std::ostream& out, const ResourceCounts& counts) {
  return out << counts.fds << " descriptors, " << counts.threads << " threads, " << counts.children
             << " children, " << counts.workers << " workers, " << counts.namespaces
             << " namespaces, " << counts.files << " files, " << counts.unnamed_files
             << " unnamed files, " << counts.mounts << " mounts";
}

Memory Memory::Now() {
  Memory memory;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string name;
    uint64_t kib = 0;
    words >> name >> kib;
    if (name == "RssAnon:") memory.anonymous = kib << 10;
    if (name == "RssShmem:") memory.shared = kib << 10;
  }
  memory.heap = mallinfo2().uordblks;
  return memory;
}

Watch::Watch(size_t total) : total_(total), anonymous_peaks_(kParts), thread_([this] { Run(); }) {}

Watch::~Watch() { Stop(); }

void Watch::Stop() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

void Watch::Run() {
  while (!stop_) {
    const Memory memory = Memory::Now();
    uint64_t& peak = anonymous_peaks_[std::min(done_ * kParts / total_, kParts - 1)];
    peak = std::max(peak, memory.anonymous);
    shared_peak_ = std::max(shared_peak_, memory.shared);
    children_peak_ = std::max(children_peak_, CountChildren());
    fds_peak_ = std::max(fds_peak_, CountEntries("/proc/self/fd"));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace hotcell::load
