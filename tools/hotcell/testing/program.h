// Runs the built `hotcell` as a user does.
#ifndef HOTCELL_TOOLS_HOTCELL_TESTING_PROGRAM_H_
#define HOTCELL_TOOLS_HOTCELL_TESTING_PROGRAM_H_

#include <string>
#include <vector>

namespace hotcell::cli {

struct Outcome {
  int status = -1;  // exit status; 128 plus the signal's number when killed
  std::string out;
  std::string err;
};

// Runs a program, looked up in PATH unless it has a slash, to its end. `input` is its standard
// input, at most what a pipe holds. When `signal` is not 0, it is sent after `signal_after_ms`.
Outcome RunProgram(const std::vector<std::string>& command, const std::string& input = "",
                   int signal = 0, int signal_after_ms = 0);

// `hotcell` of this build with these arguments.
Outcome Hotcell(std::vector<std::string> arguments, const std::string& input = "");
std::string HotcellPath();
// A program of guest/programs/demos.
std::string Demo(const std::string& file);

// Empty when /dev/kvm can be opened; else why not, for GTEST_SKIP().
std::string WhyNoKvm();

// A directory of its own below the temporary one, removed with what is in it.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  std::string Path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

void WriteFile(const std::string& path, const std::string& bytes);
std::string ReadFile(const std::string& path);  // empty when it is not there

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_TESTING_PROGRAM_H_
