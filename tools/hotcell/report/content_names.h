// What the bytes of a raw disk look like, in words.
#ifndef HOTCELL_TOOLS_HOTCELL_REPORT_CONTENT_NAMES_H_
#define HOTCELL_TOOLS_HOTCELL_REPORT_CONTENT_NAMES_H_

#include <string>
#include <vector>

#include "hotcell/image_info.h"

namespace hotcell::cli {

// "MBR partition table", "ISO 9660 file system", "qcow2 image": its contents, each once where marks
// of the same follow each other, and the formats that it could be.
std::vector<std::string> ContentNames(const ImageInfo& info);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_REPORT_CONTENT_NAMES_H_
