// What other programs make of a VMDK file that OpenVmdk() takes: a header, perhaps a footer, and a
// descriptor, of which each says again what another one says.
#include "guest/formats/common/survey.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "guest/formats/vmdk/descriptor.h"
#include "guest/formats/vmdk/descriptor_survey.h"
#include "guest/formats/vmdk/on_disk.h"
#include "guest/formats/vmdk/sparse_layout.h"
#include "guest/formats/vmdk/vmdk.h"

namespace hotcell::guest {
namespace vmdk {
namespace {

// Where QEMU looks for the parent and the content IDs, whatever the header says of the descriptor.
constexpr uint64_t kWindowOffset = kSectorSize;
constexpr uint64_t kWindowSize = 20 * kSectorSize;

constexpr uint32_t kKnownFlags = kFlagNewlineDetection | kFlagRedundantTables | kFlagZeroedGrains |
                                 kFlagCompressed | kFlagMarkers;

// QEMU keeps this many grain tables.
constexpr uint64_t kCachedTables = 16;

template <typename T>
Result<T> ReadStruct(IoChannel& io, const FileHandle& file, uint64_t offset,
                     std::string_view what) {
  std::array<std::byte, sizeof(T)> bytes;
  HOTCELL_RETURN_IF_ERROR(ReadExact(io, file, offset, bytes, what));
  return LoadStruct<T>(bytes);
}

// Cut at the end of the file.
Result<std::string> ReadText(IoChannel& io, const FileHandle& file, uint64_t offset,
                             uint64_t size) {
  if (offset >= file.size) return std::string();
  std::string text(std::min(size, file.size - offset), '\0');
  HOTCELL_RETURN_IF_ERROR(
      ReadExact(io, file, offset, std::as_writable_bytes(std::span(text)), "vmdk: the descriptor"));
  return text;
}

class SparseSurvey {
 public:
  SparseSurvey(IoChannel& io, const FileHandle& file, Survey& survey)
      : io_(io), file_(file), survey_(survey) {}

  Status Run() {
    auto header = ReadStruct<SparseExtentHeader>(io_, file_, 0, "vmdk: the header");
    if (!header.ok()) return header.status();
    auto layout = ReadSparseLayout(io_, file_);
    if (!layout.ok()) return layout.status();
    CheckHeader(*header, *layout);
    HOTCELL_RETURN_IF_ERROR(CheckFooter(*header));
    AddMemory(*layout);
    return CheckText(*layout);
  }

 private:
  void ReadersDiffer(std::string text) {
    survey_.Add(ConcernKind::kReadersDiffer, std::move(text));
  }

  void CheckHeader(const SparseExtentHeader& header, const SparseLayout& layout) {
    const uint32_t flags = header.flags;
    if ((flags & ~kKnownFlags) != 0) {
      survey_.Add(ConcernKind::kNotUnderstood,
                  StrCat("vmdk: the header has the unknown flags ", Hex(flags & ~kKnownFlags)));
    }
    if (header.capacity == 0) {
      ReadersDiffer(
          "vmdk: the header has a capacity of 0, for which some programs open the files of the "
          "descriptor's extents");
    }
    const bool deflate = header.compressAlgorithm == kCompressionDeflate;
    if (deflate != ((flags & kFlagCompressed) != 0) || deflate != ((flags & kFlagMarkers) != 0)) {
      ReadersDiffer(StrCat("vmdk: the header's flags ", Hex(flags),
                           " and its compression algorithm ", uint16_t{header.compressAlgorithm},
                           " do not agree on whether grains are compressed and have markers"));
    }
    // A stream is read from there on, marker by marker, by programs that do not go by its tables.
    const uint64_t descriptor_end = layout.descriptor_offset + layout.descriptor_size;
    if (deflate && header.overHead < descriptor_end / kSectorSize) {
      ReadersDiffer(StrCat("vmdk: the stream begins at sector ", uint64_t{header.overHead},
                           ", within the header's or the descriptor's"));
    }
    if ((flags & kFlagZeroedGrains) != 0) CheckZeroedGrains(header.version, deflate);
  }

  // Sector 1 stands for a grain of zeroes. The specification's version 1 has none, and VirtualBox
  // reads version 3, but not 2, without knowing them: it takes the descriptor for the grain's data.
  // In a stream, sector 1 is no compressed grain to any program.
  void CheckZeroedGrains(uint32_t version, bool deflate) {
    if (version == 1 || (version != 2 && !deflate)) {
      ReadersDiffer(StrCat("vmdk: the header has zeroed grains in version ", version,
                           ", in which not all programs know them"));
    } else {
      survey_.Add(ConcernKind::kOddity,
                  "vmdk: the image may have zeroed grains, which libvmdk does not know");
    }
  }

  // Programs take one of the two, and not the same one for every field.
  Status CheckFooter(const SparseExtentHeader& header) {
    const bool promised = header.gdOffset == kGdAtEnd;
    const bool possible = file_.size >= sizeof(StreamEnd) + kSectorSize;
    if (!possible || (!promised && header.compressAlgorithm == kCompressionNone)) return OkStatus();
    auto end =
        ReadStruct<StreamEnd>(io_, file_, file_.size - sizeof(StreamEnd), "vmdk: the footer");
    if (!end.ok()) return end.status();
    if (end->footer.magicNumber != kSparseMagic || end->footer_marker.type != kMarkerFooter) {
      return OkStatus();
    }
    CompareFooter(header, end->footer);
    if (!promised && end->footer.gdOffset != header.gdOffset) {
      ReadersDiffer("vmdk: the file ends with a footer whose grain directory is not the header's");
    }
    return OkStatus();
  }

  void CompareFooter(const SparseExtentHeader& header, const SparseExtentHeader& footer) {
    struct Field {
      std::string_view name;
      uint64_t of_header;
      uint64_t of_footer;
    };
    const Field fields[] = {
        {"version", header.version, footer.version},
        {"flags", header.flags, footer.flags},
        {"capacity", header.capacity, footer.capacity},
        {"grainSize", header.grainSize, footer.grainSize},
        {"descriptorOffset", header.descriptorOffset, footer.descriptorOffset},
        {"descriptorSize", header.descriptorSize, footer.descriptorSize},
        {"overHead", header.overHead, footer.overHead},
        {"numGTEsPerGT", header.numGTEsPerGT, footer.numGTEsPerGT},
        {"compressAlgorithm", header.compressAlgorithm, footer.compressAlgorithm},
    };
    for (const Field& field : fields) {
      if (field.of_header == field.of_footer) continue;
      ReadersDiffer(StrCat("vmdk: the header has ", field.name, " ", field.of_header,
                           ", the footer ", field.of_footer));
    }
  }

  // QEMU reads the start of the file, the grain directories, and sets room for tables aside.
  void AddMemory(const SparseLayout& layout) {
    const uint64_t directory = layout.gd_entries * layout.entry_size;
    survey_.AddReaderMemory(std::min(file_.size, kMaxDescriptorBytes));
    survey_.AddReaderMemory(layout.rgd_offset != 0 ? 2 * directory : directory);
    survey_.AddReaderMemory(kCachedTables * layout.table_size());
  }

  Status CheckText(const SparseLayout& layout) {
    auto text = ReadText(io_, file_, layout.descriptor_offset, layout.descriptor_size);
    if (!text.ok()) return text.status();
    auto window = ReadText(io_, file_, kWindowOffset, kWindowSize);
    if (!window.ok()) return window.status();
    SurveyDescriptor(*text, DescriptorPlace::kEmbedded, survey_);
    if (const size_t nul = FindHiddenText(*text); nul != std::string_view::npos) {
      survey_.Add(ConcernKind::kNotUnderstood,
                  "vmdk: the descriptor goes on behind a NUL byte that ends it");
      SurveyNeighbours(std::string_view(*text).substr(nul), "what is behind that NUL", survey_);
    }
    if (layout.descriptor_offset != kWindowOffset) {
      ReadersDiffer(StrCat("vmdk: the header has the descriptor at ", Hex(layout.descriptor_offset),
                           "; some programs look for it at ", Hex(kWindowOffset), " all the same"));
      SurveyNeighbours(*window, "what is there", survey_);
    } else {
      CheckWindow(*text, *window);
    }
    auto descriptor = ParseDescriptor(*text);
    if (!descriptor.ok()) return descriptor.status();
    CompareWithHeader(*descriptor, layout);
    return OkStatus();
  }

  // `text` is all that the header calls the descriptor, `window` what QEMU takes for it.
  void CheckWindow(const std::string& text, const std::string& window) {
    const size_t size = std::min(text.find('\0'), text.size());
    if (size >= kWindowSize) {
      ReadersDiffer(StrCat("vmdk: the descriptor has ", size, " bytes; some programs read ",
                           kWindowSize - 1, " of them"));
    }
    if (text.size() >= window.size()) return;
    const std::string_view behind = std::string_view(window).substr(text.size());
    if (size == text.size() && behind[0] != '\0') {
      ReadersDiffer(
          "vmdk: the descriptor fills its sectors, so that some programs read on behind them");
    }
    SurveyNeighbours(behind, "what follows the descriptor", survey_);
  }

  void CompareWithHeader(const Descriptor& descriptor, const SparseLayout& layout) {
    const std::string_view type = layout.compressed ? "streamOptimized" : "monolithicSparse";
    if (descriptor.create_type != type) {
      ReadersDiffer(StrCat("vmdk: the descriptor says createType '", descriptor.create_type,
                           "', the header that of ", type));
    }
    if (descriptor.parent_cid != kNoParentCid) {
      survey_.Add(ConcernKind::kHiddenReference,
                  StrCat("vmdk: the image stands on a parent, whose content ID is ",
                         CidText(descriptor.parent_cid.value_or(0))));
    }
    if (descriptor.extents.size() != 1) {
      return ReadersDiffer(StrCat("vmdk: the embedded descriptor has ", descriptor.extents.size(),
                                  " extent lines, where one should be"));
    }
    const ExtentLine& line = descriptor.extents[0];
    if (line.type != "SPARSE" || line.access == "NOACCESS") {
      ReadersDiffer(StrCat("vmdk: the embedded descriptor's extent is '", line.access,
                           "' of type '", line.type, "', where 'RW' of type 'SPARSE' should be"));
    }
    const uint64_t capacity = layout.capacity / kSectorSize;
    if (line.sectors != capacity) {
      ReadersDiffer(StrCat("vmdk: the descriptor says that the disk has ", line.sectors,
                           " sectors, the header ", capacity));
    }
  }

  IoChannel& io_;
  const FileHandle file_;
  Survey& survey_;
};

// The text is a disk only together with other files, which OpenVmdk() reports.
Status SurveyText(IoChannel& io, const FileHandle& file, Survey& survey) {
  auto text = ReadText(io, file, 0, kMaxDescriptorBytes);
  if (!text.ok()) return text.status();
  SurveyDescriptor(*text, DescriptorPlace::kOwnFile, survey);
  auto descriptor = ParseDescriptor(*text);
  if (!descriptor.ok()) return descriptor.status();
  if (descriptor->parent_cid != kNoParentCid && !descriptor->parent_hint) {
    survey.Add(ConcernKind::kHiddenReference,
               StrCat("vmdk: the image stands on a parent, whose content ID is ",
                      CidText(descriptor->parent_cid.value_or(0))));
  }
  const auto in_file = [](const ExtentLine& line) { return !line.name.empty(); };
  if (std::none_of(descriptor->extents.begin(), descriptor->extents.end(), in_file)) {
    survey.Add(ConcernKind::kReadersDiffer,
               "vmdk: the descriptor has no extent in a file, which not all programs can read");
  }
  survey.AddReaderMemory(file.size);
  return OkStatus();
}

}  // namespace
}  // namespace vmdk

Status SurveyVmdk(IoChannel& io, const FileHandle& file, Survey& survey) {
  auto magic = vmdk::ReadStruct<Le32>(io, file, 0, "vmdk: the file's start");
  if (!magic.ok()) return magic.status();
  if (*magic != vmdk::kSparseMagic) return vmdk::SurveyText(io, file, survey);
  return vmdk::SparseSurvey(io, file, survey).Run();
}

}  // namespace hotcell::guest
