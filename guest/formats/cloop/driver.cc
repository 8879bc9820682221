#include <cstring>

#include "guest/formats/cloop/cloop.h"
#include "guest/formats/cloop/on_disk.h"

namespace hotcell::guest {
namespace {

// Barely surer than raw, as in QEMU: the file is a shell script as well.
int Probe(std::span<const std::byte> head, uint64_t /*file_size*/) {
  return std::memcmp(head.data(), cloop::kScript.data(), cloop::kScript.size()) == 0 ? 2 : 0;
}

}  // namespace

constinit const FormatDriver kCloopFormat = {
    .name = "cloop", .probe = Probe, .open = OpenCloop, .survey = SurveyCloop};

}  // namespace hotcell::guest
