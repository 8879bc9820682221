#include "tools/hotcell/testing/program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "gtest/gtest.h"

namespace hotcell::cli {
namespace {

struct Pipe {
  Pipe() {
    if (pipe2(ends, O_CLOEXEC) != 0) ADD_FAILURE() << std::strerror(errno);
  }
  void Close(int end) {
    if (ends[end] >= 0) (void)close(ends[end]);
    ends[end] = -1;
  }
  ~Pipe() {
    Close(0);
    Close(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int ends[2] = {-1, -1};
};

std::string Drain(int fd) {
  std::string bytes;
  char buffer[16384];
  while (true) {
    const ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return bytes;
    bytes.append(buffer, static_cast<size_t>(got));
  }
}

}  // namespace

Outcome RunProgram(const std::vector<std::string>& command, const std::string& input, int signal,
                   int signal_after_ms) {
  Pipe in;
  Pipe out;
  Pipe err;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.ends[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.ends[1], STDERR_FILENO);
  std::vector<char*> argv;
  for (const std::string& argument : command) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t child = -1;
  Outcome outcome;
  const int error =
      posix_spawnp(&child, command[0].c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    ADD_FAILURE() << command[0] << ": " << std::strerror(error);
    return outcome;
  }
  in.Close(0);
  out.Close(1);
  err.Close(1);
  (void)!write(in.ends[1], input.data(), input.size());
  in.Close(1);

  std::thread signaller([&] {
    if (signal == 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(signal_after_ms));
    (void)kill(child, signal);
  });
  std::thread err_reader([&] { outcome.err = Drain(err.ends[0]); });
  outcome.out = Drain(out.ends[0]);
  err_reader.join();
  signaller.join();  // before the process is reaped: its id is still its own
  int status = 0;
  (void)waitpid(child, &status, 0);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

std::string HotcellPath() { return HOTCELL_PROGRAM; }

Outcome Hotcell(std::vector<std::string> arguments, const std::string& input) {
  arguments.insert(arguments.begin(), HotcellPath());
  return RunProgram(arguments, input);
}

std::string Demo(const std::string& file) { return std::string(HOTCELL_DEMO_DIR) + "/" + file; }

std::string WhyNoKvm() {
  const int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (fd < 0) return std::string("/dev/kvm is unusable: ") + std::strerror(errno);
  (void)close(fd);
  return "";
}

ScratchDirectory::ScratchDirectory() : path_(testing::TempDir() + "hotcell_cli_XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << path_ << ": " << std::strerror(errno);
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  if (!file.flush()) ADD_FAILURE() << "cannot write " << path;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace hotcell::cli
