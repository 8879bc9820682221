#include <memory>
#include <utility>

#include "guest/formats/vhdx/layout.h"
#include "guest/formats/vhdx/reader.h"
#include "guest/formats/vhdx/vhdx.h"
#include "guest/formats/vhdx/vhdx_writer.h"

namespace hotcell::guest {
namespace {

int Probe(std::span<const std::byte> head, uint64_t /*file_size*/) {
  const auto identifier = LoadStruct<vhdx::FileTypeIdentifier>(head);
  return vhdx::HasSignature(identifier.Signature, vhdx::kFileSignature) ? 100 : 0;
}

}  // namespace

Result<std::unique_ptr<ImageReader>> OpenVhdx(IoChannel& io, const FileHandle& file,
                                              const OpenOptions& options) {
  auto layout = vhdx::ReadLayout(io, file);
  if (!layout.ok()) return layout.status();
  HOTCELL_RETURN_IF_ERROR(CheckVirtualSize("vhdx", layout->metadata.virtual_size, options));
  return std::unique_ptr<ImageReader>(std::make_unique<vhdx::Reader>(std::move(*layout)));
}

constinit const FormatDriver kVhdxFormat = {.name = "vhdx",
                                            .probe = Probe,
                                            .open = OpenVhdx,
                                            .create = CreateVhdx,
                                            .check = CheckVhdx,
                                            .survey = SurveyVhdx};

}  // namespace hotcell::guest
