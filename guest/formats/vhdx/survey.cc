#include "guest/formats/common/survey.h"

#include <string>
#include <vector>

#include "base/text.h"
#include "guest/formats/vhdx/header.h"
#include "guest/formats/vhdx/metadata.h"
#include "guest/formats/vhdx/vhdx.h"

namespace hotcell::guest {
namespace vhdx {
namespace {

// QEMU compares each block of the disk with each region. More than these nobody has.
constexpr size_t kMaxRegionsInUse = 4;

void AddDifferences(const std::vector<std::string>& differences, Survey& survey) {
  for (const std::string& difference : differences) {
    survey.Add(ConcernKind::kReadersDiffer,
               StrCat(difference, "; which copy counts depends on the program"));
  }
}

void SurveyRegions(const Regions& regions, Survey& survey) {
  AddDifferences(regions.differences, survey);
  if (regions.unknown.size() > kMaxRegionsInUse) {
    survey.Add(ConcernKind::kNotUnderstood,
               StrCat("it has ", regions.unknown.size(),
                      " regions of which nothing is known; programs take long to open it"));
  } else {
    for (const FileRegion& region : regions.unknown) {
      survey.Add(ConcernKind::kOddity, StrCat("what its ", region.what, " is for is unknown"));
    }
  }
  // QEMU loads the whole region, however little of it the disk needs.
  survey.AddReaderMemory(regions.bat.size);
  survey.AddReaderMemory(kRegionTableSize + kMetadataTableSize);
}

void SurveyMetadata(const Metadata& metadata, Survey& survey) {
  constexpr uint32_t kKnownFlags = kLeaveBlockAllocated | kHasParent;
  if (metadata.has_parent_locator && !metadata.parent) {
    survey.Add(ConcernKind::kOddity, "it has a parent locator, but is not a differencing disk");
  }
  if ((metadata.flags & ~kKnownFlags) != 0) {
    survey.Add(ConcernKind::kOddity, StrCat("its file parameters have flags without a known "
                                            "meaning: ",
                                            Hex(metadata.flags & ~kKnownFlags)));
  }
  if (!metadata.item_flags_as_specified) {
    survey.Add(
        ConcernKind::kNotUnderstood,
        "items of its metadata have other flags than they must, on which VirtualBox crashes");
  }
  if (metadata.unknown_items != 0) {
    survey.Add(ConcernKind::kOddity,
               StrCat("what ", metadata.unknown_items, " items of its metadata mean is unknown"));
  }
}

}  // namespace
}  // namespace vhdx

Status SurveyVhdx(IoChannel& io, const FileHandle& file, Survey& survey) {
  const auto current = vhdx::ReadCurrentHeader(io, file);
  if (!current.ok()) return current.status();
  vhdx::AddDifferences(current->differences, survey);
  if (current->header.LogGuid != vhdx::kNoGuid) {
    // To replay it again would tell nothing more.
    survey.Add(
        ConcernKind::kReadersDiffer,
        "its log has to be replayed: some programs do, others read the disk as it was before "
        "or refuse it");
    return OkStatus();
  }
  vhdx::LoggedFile logged(file, {});
  const auto regions = vhdx::ReadRegions(io, logged);
  if (!regions.ok()) return regions.status();
  vhdx::SurveyRegions(*regions, survey);
  const auto metadata = vhdx::ReadMetadata(io, logged, regions->metadata);
  if (!metadata.ok()) return metadata.status();
  vhdx::SurveyMetadata(*metadata, survey);
  return OkStatus();
}

}  // namespace hotcell::guest
