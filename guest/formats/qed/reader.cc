#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "guest/formats/common/two_level_reader.h"
#include "guest/formats/qed/header.h"
#include "guest/formats/qed/on_disk.h"
#include "guest/formats/qed/qed.h"

namespace hotcell::guest {
namespace qed {
namespace {

class Reader : public TwoLevelReader {
 public:
  explicit Reader(ImageHeader header) : TwoLevelReader(header.layout), header_(std::move(header)) {
    if (Has(kFeatureNeedCheck)) {
      AddWarning("qed: the image was not closed cleanly and needs a check; its data can be read");
    }
  }

  // Damage that does not keep the description from being true.
  void AddWarning(std::string text) { warnings_.push_back(std::move(text)); }

  std::optional<Reference> backing() const override { return header_.backing; }

  ImageDescription Describe() const override {
    ImageDescription description;
    description.format = "qed";
    description.virtual_size = layout().virtual_size;
    description.cluster_size = layout().cluster_size;
    description.backing = header_.backing;
    if (header_.backing) description.references.push_back(*header_.backing);
    if (Has(kFeatureBackingFile)) description.features.emplace_back("incompatible: backing file");
    if (Has(kFeatureNeedCheck)) description.features.emplace_back("incompatible: need check");
    if (Has(kFeatureBackingFormatNoProbe)) {
      description.features.emplace_back("incompatible: raw backing file");
    }
    description.warnings = warnings_;
    return description;
  }

 protected:
  Result<Extent> Decode(uint64_t entry, uint64_t cluster) const override {
    if (entry == kZeroCluster) {
      return Extent{.kind = Extent::Kind::kZero, .length = layout().cluster_size};
    }
    if (entry % layout().cluster_size != 0) {
      return CorruptImage(StrCat("qed: the cluster of disk offset ", Hex(cluster), " lies at ",
                                 Hex(entry), ", which is not a cluster boundary"));
    }
    return Extent{.kind = Extent::Kind::kData,
                  .length = layout().cluster_size,
                  .slot = layout().file.slot,
                  .offset = entry};
  }

 private:
  bool Has(uint64_t feature) const { return (header_.features & feature) != 0; }

  const ImageHeader header_;
  std::vector<std::string> warnings_;
};

}  // namespace
}  // namespace qed

Result<std::unique_ptr<ImageReader>> OpenQed(IoChannel& io, const FileHandle& file,
                                             const OpenOptions& options) {
  auto header = qed::ReadHeader(io, file);
  if (!header.ok()) return header.status();
  HOTCELL_RETURN_IF_ERROR(CheckVirtualSize("qed", header->layout.virtual_size, options));
  auto reader = std::make_unique<qed::Reader>(std::move(*header));
  const Status tables = reader->CheckTables(io);
  if (!options.describe_only) HOTCELL_RETURN_IF_ERROR(tables);
  if (!tables.ok()) reader->AddWarning(tables.message());
  return std::unique_ptr<ImageReader>(std::move(reader));
}

}  // namespace hotcell::guest
