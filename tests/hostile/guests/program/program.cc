#include "tests/hostile/guests/program/program.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>

#include "guest/runtime/guest/ports.h"
#include "tests/hostile/guests/program/lane.h"
#include "tests/hostile/guests/script.h"

namespace hotcell::guest {
// The transcoder's PayloadMain(), under the name that this program's build gives it.
uint32_t TranscoderMain();
}  // namespace hotcell::guest

namespace hotcell::hostile {

constinit const Attack* Attack::first_ = nullptr;
alignas(abi::kPageSize) std::byte writable_page[abi::kPageSize] = {};

const Attack* Attack::Find(std::string_view name) {
  const Attack* attack = first_;
  while (attack != nullptr && attack->name_ != name) attack = attack->next_;
  return attack;
}

void Tell(std::string_view text) {
  abi::GuestStatus& status = *guest::SharedStatus();
  const size_t size = std::min(text.size(), sizeof(status.panic_text));
  std::memcpy(status.panic_text, text.data(), size);
  status.panic_size = static_cast<uint32_t>(size);
  guest::ExitVcpu(abi::kExitPanic);
}

namespace {

std::string_view AwaitJob() {
  const abi::ArenaHeader& arena = *guest::Arena();
  uint64_t size = 0;
  while ((size = __atomic_load_n(&arena.job_size, __ATOMIC_ACQUIRE)) == 0) guest::Port().Wait(0);
  return {reinterpret_cast<const char*>(guest::ArenaBytes().data() + arena.job_offset), size};
}

std::string_view NextWord(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(std::min(text.size(), word.size() + 1));
  return word;
}

uint64_t NextNumber(std::string_view& text) {
  const std::string_view word = NextWord(text);
  uint64_t number = 0;
  std::from_chars(word.data(), word.data() + word.size(), number, 16);
  return number;
}

// Whether the job's limit on the disk is kScriptedSize.
bool IsScripted(std::string_view job) {
  std::string varint;
  uint64_t left = kScriptedSize;
  for (; left >= 0x80; left >>= 7) varint += static_cast<char>(left | 0x80);
  varint += static_cast<char>(left);
  return job.find(varint) != job.npos;
}

uint32_t RunAttack(std::string_view text) {
  text.remove_prefix(std::string_view(kAttackMark).size());
  const std::string_view name = NextWord(text);
  Parameters parameters;
  parameters.first = NextNumber(text);
  parameters.second = NextNumber(text);
  const Attack* const attack = Attack::Find(name);
  if (attack == nullptr) Tell("no such attack");
  attack->Run(parameters);
  return kExitWentOn;
}

}  // namespace
}  // namespace hotcell::hostile

uint32_t hotcell::guest::PayloadMain() {
  using namespace hotcell::hostile;
  const std::string_view job = AwaitJob();
  if (IsScripted(job)) {
    Lane lane(0);
    return RunAttack(std::string(reinterpret_cast<const char*>(ReadScript(lane)), kMaxSelector));
  }
  const size_t mark = job.find(kAttackMark);
  if (mark == job.npos) return TranscoderMain();
  // A text of protobuf is preceded by its length.
  return RunAttack(job.substr(mark, static_cast<uint8_t>(job[mark - 1])));
}
