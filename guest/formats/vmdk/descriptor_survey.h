// What other programs find in the text of a descriptor. They disagree: VMware, VirtualBox and
// libvmdk go by lines, QEMU takes the first mention of a key wherever it stands, and its extent
// lines may be broken by any white space. Only a text that leaves no choice means the same to all.
#ifndef HOTCELL_GUEST_FORMATS_VMDK_DESCRIPTOR_SURVEY_H_
#define HOTCELL_GUEST_FORMATS_VMDK_DESCRIPTOR_SURVEY_H_

#include <string_view>

#include "guest/formats/common/survey.h"

namespace hotcell::guest::vmdk {

enum class DescriptorPlace : uint8_t {
  kEmbedded,  // in the sparse extent that is the whole disk
  kOwnFile,
};

// Adds a concern for everything in `text`, which ends at its first NUL, that is not on a line that
// all programs understand, and for each line that names another file in another way than as the
// parent or as an extent.
void SurveyDescriptor(std::string_view text, DescriptorPlace place, Survey& survey);

// Surveys bytes that are no descriptor by the header, but where programs may look for one: adds a
// concern if a key of a descriptor is among them. `where` says where they are.
void SurveyNeighbours(std::string_view bytes, std::string_view where, Survey& survey);

// Whether a file that begins with `head` is a descriptor to some program, though not to one that
// goes by the specification: with a byte order mark, blanks or foreign line ends before or in the
// first lines, or with keys in another case.
bool LooksLikeDescriptor(std::string_view head);

}  // namespace hotcell::guest::vmdk

#endif  // HOTCELL_GUEST_FORMATS_VMDK_DESCRIPTOR_SURVEY_H_
