#include "tests/load/jobs.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "hotcell/output_file.h"

namespace hotcell::load {
namespace {

constexpr size_t kDiskSize = 3 << 20;

// A descriptor that is closed.
class File {
 public:
  explicit File(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~File() { close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void WriteFile(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

// Noise, text and nothing in turn.
std::string MakeDisk() {
  std::string disk(kDiskSize, '\0');
  uint64_t state = 88172645463325252;
  for (size_t i = 0; i < disk.size(); ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    const size_t kind = (i >> 16) % 3;
    if (kind == 0) disk[i] = static_cast<char>(state);
    if (kind == 1) disk[i] = "the quick brown fox "[i % 20];
  }
  return disk;
}

// The digest of what is in the file, by another program: the guest's word does not count.
std::string Sha256(const std::string& path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(
      popen(("sha256sum '" + path + "'").c_str(), "re"), &pclose);
  std::array<char, 65> sum{};
  if (pipe == nullptr || std::fread(sum.data(), 1, 64, pipe.get()) != 64) return "no sha256sum";
  return sum.data();
}

std::string Hex(const std::string& bytes) {
  std::string hex;
  for (const char byte : bytes) absl::StrAppend(&hex, absl::Hex(byte & 0xff, absl::kZeroPad2));
  return hex;
}

std::string Outcome(const absl::Status& status) { return status.ToString(); }

std::string Digest(const Engine& engine, const std::string& path, const std::string& format) {
  const File image(path);
  DigestRequest request;
  request.source = {.fd = image.fd(), .name = path, .format = format};
  const absl::StatusOr<DigestReply> reply = engine.Digest(request);
  return reply.ok() ? Hex(reply->result.sha256) : Outcome(reply.status());
}

struct Conversion {
  std::string source;
  std::string format;
  std::string target_format;
  bool compress = false;
};

// Converts to a file that has a name only when all went well, and takes it away. Outcome: `what`
// there is in the file.
std::string Convert(const Engine& engine, const Conversion& conversion, const std::string& target,
                    const std::function<std::string()>& what) {
  const File image(conversion.source);
  absl::StatusOr<OutputFile> output = OutputFile::Create(target);
  if (!output.ok()) return Outcome(output.status());
  ConvertRequest request;
  request.source = {.fd = image.fd(), .name = conversion.source, .format = conversion.format};
  request.target_fd = output->fd();
  request.target_name = target;
  request.target_format = conversion.target_format;
  request.compress = conversion.compress;
  const absl::StatusOr<ConvertReply> reply = engine.Convert(request);
  if (!reply.ok()) return Outcome(reply.status());
  if (absl::Status status = output->Commit(/*sync=*/false); !status.ok()) return Outcome(status);
  std::string outcome = what();
  unlink(target.c_str());
  return outcome;
}

// To raw; the outcome is whether the target is `disk`.
LoadJob Unpacking(const std::string& source, const std::string& format, const std::string& disk) {
  return {.name = absl::StrCat("convert ", format, " to raw"),
          .run =
              [=](const Engine& engine, const std::string& target) {
                return Convert(
                    engine, {.source = source, .format = format, .target_format = "raw"}, target,
                    [&] { return ReadFile(target) == disk ? "the right bytes" : "WRONG BYTES"; });
              },
          .expected = "the right bytes"};
}

// A conversion from raw; its outcome is the sum of the disk that the target has.
LoadJob Packing(const std::string& source, const std::string& format, bool compress,
                const std::string& sum) {
  return {
      .name = absl::StrCat("convert raw to ", format),
      .run =
          [=](const Engine& engine, const std::string& target) {
            return Convert(
                engine,
                {.source = source, .format = "raw", .target_format = format, .compress = compress},
                target, [&] { return Digest(engine, target, format); });
          },
      .expected = sum};
}

LoadJob Refused(const std::string& name, const std::string& source, const std::string& format,
                const std::string& error) {
  return {.name = name,
          .run =
              [=](const Engine& engine, const std::string& target) {
                return Convert(engine, {.source = source, .format = format, .target_format = "raw"},
                               target, [] { return "no error"; });
              },
          .expected = error};
}

LoadJob Describing(const std::string& source, const std::string& format) {
  return {.name = "info " + format,
          .run =
              [=](const Engine& engine, const std::string&) {
                const File image(source);
                InfoRequest request;
                request.source = {.fd = image.fd(), .name = source};
                const absl::StatusOr<InfoReply> reply = engine.Info(request);
                if (!reply.ok()) return Outcome(reply.status());
                return absl::StrCat(reply->info.format, " of ", reply->info.virtual_size);
              },
          .expected = absl::StrCat(format, " of ", kDiskSize)};
}

LoadJob Checking(const std::string& name, const std::string& source, const std::string& expected) {
  return {.name = name,
          .run =
              [=](const Engine& engine, const std::string&) {
                const File image(source);
                CheckRequest request;
                request.source = {.fd = image.fd(), .name = source, .format = "qcow2"};
                const absl::StatusOr<CheckReply> reply = engine.Check(request);
                if (!reply.ok()) return Outcome(reply.status());
                return std::string(reply->report.corruptions == 0 ? "sound" : "corruptions");
              },
          .expected = expected};
}

LoadJob Digesting(const std::string& source, const std::string& format, const std::string& sum) {
  return {.name = "digest " + format,
          .run = [=](const Engine& engine,
                     const std::string&) { return Digest(engine, source, format); },
          .expected = sum};
}

// A guest program: hostile_payload.cc, which attacks as `kind` says.
LoadJob Attacking(const std::string& name, char kind, const std::string& expected) {
  return {.name = name,
          .run =
              [program = ReadFile(HOSTILE_PAYLOAD_PATH), kind](const Engine& engine,
                                                               const std::string&) {
                RunRequest request;
                request.program = program;
                request.program_is_elf = true;
                request.mode = GuestMode::kPayload;
                request.input = std::string(1, kind);
                const absl::StatusOr<RunReply> reply = engine.Run(request);
                if (!reply.ok()) return Outcome(reply.status());
                return absl::StrCat("vector ", reply->worker.end.fault.value_or(Fault{}).vector);
              },
          .expected = expected};
}

LoadJob Looping() {
  return {.name = "a guest without end",
          .run =
              [](const Engine& engine, const std::string&) {
                RunRequest request;
                request.program = "\xeb\xfe";  // jmp itself
                request.mode = GuestMode::kReal;
                request.load_address = request.entry = 0x1000;
                request.options.limits.wall_time = absl::Milliseconds(60);
                return Outcome(engine.Run(request).status());
              },
          .expected = "DEADLINE_EXCEEDED: the job took longer than its limit `wall-time` of 60ms"};
}

// Another file in which `bytes` stand at `offset`.
std::string Damage(const std::string& source, const std::string& name, size_t offset,
                   std::string_view bytes) {
  std::string content = ReadFile(source);
  content.replace(offset, bytes.size(), bytes);
  const std::string path = source + "." + name;
  WriteFile(path, content);
  return path;
}

std::string CutOff(const std::string& source, size_t size) {
  const std::string path = source + ".short";
  WriteFile(path, ReadFile(source).substr(0, size));
  return path;
}

}  // namespace

absl::StatusOr<JobMix> JobMix::Make(const Engine& engine, const std::string& directory) {
  const std::string disk = MakeDisk();
  const std::string raw = directory + "/disk.raw";
  WriteFile(raw, disk);
  const std::string sum = Sha256(raw);
  JobMix mix;
  for (const char* const format : {"qcow2", "vmdk", "vhdx"}) {
    const std::string image = absl::StrCat(directory, "/disk.", format);
    ConvertRequest request;
    const File source(raw);
    const int target = open(image.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    request.source = {.fd = source.fd(), .name = raw, .format = "raw"};
    request.target_fd = target;
    request.target_format = format;
    const absl::Status status = engine.Convert(request).status();
    close(target);
    if (!status.ok()) return status;
    mix.sound_.push_back(Unpacking(image, format, disk));
    mix.sound_.push_back(Packing(raw, format, /*compress=*/false, sum));
    mix.sound_.push_back(Describing(image, format));
    mix.sound_.push_back(Digesting(image, format, sum));
  }
  const std::string qcow2 = directory + "/disk.qcow2";
  const std::string vmdk = directory + "/disk.vmdk";
  const std::string vhdx = directory + "/disk.vhdx";
  mix.sound_.push_back(Checking("check qcow2", qcow2, "sound"));
  mix.sound_.push_back(Packing(raw, "qcow2", /*compress=*/true, sum));

  constexpr std::string_view kFar("\x7f\xff\xff\xff\xff\xff\x00\x00", 8);
  const std::string bad_table = Damage(qcow2, "table", 40, kFar);
  mix.hostile_ = {
      Refused("qcow2 with a far L1 table", bad_table, "qcow2", "L1 table"),
      Checking("check of a far L1 table", bad_table, "corruptions"),
      Refused("qcow2 of huge clusters",
              Damage(qcow2, "clusters", 20, std::string_view("\0\0\0\x3f", 4)), "qcow2", "cluster"),
      Refused("half a qcow2", CutOff(qcow2, kDiskSize / 2), "qcow2", "DATA_LOSS"),
      Refused("vmdk of huge capacity",
              Damage(vmdk, "capacity", 12, std::string_view("\xff\xff\xff\xff\xff\xff\xff\x0f", 8)),
              "vmdk", "capacity"),
      Refused("vhdx without headers",
              Damage(vhdx, "headers", 64 << 10, std::string(128 << 10, '\xa5')), "vhdx", "header"),
      Refused("qcow2 that is none", raw, "qcow2", "qcow2"),
      Attacking("an impossible ring", 'i', "1000 requests in a submission ring of 128"),
      Attacking("a file of nobody's", 's', "which is none of the job's files"),
      Attacking("a page fault", 'f', "vector 14"),
      Looping(),
  };
  for (const std::vector<LoadJob>* jobs : {&mix.sound_, &mix.hostile_}) {
    for (const LoadJob& job : *jobs) {
      const std::string outcome = job.run(engine, directory + "/target");
      if (outcome.find(job.expected) != std::string::npos) continue;
      return absl::InternalError(
          absl::StrCat(job.name, " alone: ", outcome, ", not ", job.expected));
    }
  }
  return mix;
}

const LoadJob& JobMix::job(size_t i) const {
  const size_t round = i / 3;
  return i % 3 == 2 ? hostile_[round % hostile_.size()]
                    : sound_[(2 * round + i % 3) % sound_.size()];
}

}  // namespace hotcell::load
