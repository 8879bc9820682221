#include <memory>
#include <utility>

#include "guest/formats/raw/raw.h"
#include "guest/formats/vpc/footer.h"
#include "guest/formats/vpc/layout.h"
#include "guest/formats/vpc/reader.h"
#include "guest/formats/vpc/vpc.h"
#include "guest/formats/vpc/vpc_writer.h"

namespace hotcell::guest {
namespace {

int Probe(std::span<const std::byte> head, uint64_t /*file_size*/) {
  return vpc::HasCookie(LoadStruct<vpc::Footer>(head)) ? 100 : 0;
}

// qemu-img takes a fixed disk for a raw one unless it is told the format. A right checksum is more
// than chance; a disk of another size than what is before the footer is no fixed disk's.
int ProbeTail(std::span<const std::byte> tail, uint64_t file_size) {
  const auto footer = LoadStruct<vpc::Footer>(tail);
  const bool is_footer = vpc::HasCookie(footer) && footer.disk_type == vpc::kTypeFixed &&
                         footer.current_size == file_size - sizeof(footer) &&
                         vpc::HasRightChecksum(footer);
  return is_footer ? 90 : 0;
}

}  // namespace

Result<std::unique_ptr<ImageReader>> OpenVpc(IoChannel& io, const FileHandle& file,
                                             const OpenOptions& options) {
  const auto footers = vpc::ReadFooters(io, file);
  if (!footers.ok()) return footers.status();
  auto layout = vpc::ReadLayout(io, file, *footers);
  if (!layout.ok()) return layout.status();
  HOTCELL_RETURN_IF_ERROR(CheckVirtualSize("vpc", layout->virtual_size, options));
  if (layout->disk_type != vpc::kTypeFixed) {
    return std::unique_ptr<ImageReader>(std::make_unique<vpc::Reader>(std::move(*layout)));
  }
  auto raw = OpenRaw(io, {.slot = file.slot, .size = layout->virtual_size}, {});
  if (!raw.ok()) return raw.status();
  return std::unique_ptr<ImageReader>(
      std::make_unique<vpc::FixedReader>(std::move(*layout), std::move(*raw)));
}

constinit const FormatDriver kVpcFormat = {.name = "vpc",
                                           .probe = Probe,
                                           .open = OpenVpc,
                                           .create = CreateVpc,
                                           .check = CheckVpc,
                                           .probe_tail = ProbeTail,
                                           .survey = SurveyVpc};

}  // namespace hotcell::guest
