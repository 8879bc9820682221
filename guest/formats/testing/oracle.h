// Comparing images with what qemu-img makes of them.
#ifndef HOTCELL_GUEST_FORMATS_TESTING_ORACLE_H_
#define HOTCELL_GUEST_FORMATS_TESTING_ORACLE_H_

#include <nlohmann/json.hpp>
#include <string>

#include "guest/formats/common/format.h"
#include "guest/formats/testing/qemu_img.h"

namespace hotcell::guest {

// Reads the image `name` of the directory, with the files of the directory that it refers to, and
// compares it with qemu-img's conversion to raw. Empty: they are alike; else what is wrong.
// `format` empty: probed.
std::string CompareWithQemuImg(const TemporaryDirectory& directory, const std::string& name,
                               const std::string& format);

// What an image says of itself beyond what all formats have, as qemu-img's "format-specific"; the
// image's own name is `own_name`.
nlohmann::json FormatSpecific(const ImageDescription& description, const std::string& own_name);

// What `qemu-img info --output=json` says of the image, without what only the host's file system
// tells.
nlohmann::json QemuImgInfo(const TemporaryDirectory& directory, const std::string& name,
                           const std::string& format);
// What QemuImgInfo() returns, made from the reader's description: for formats without a
// format-specific part.
nlohmann::json DescribedInfo(const TemporaryDirectory& directory, const std::string& name,
                             const std::string& format);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_TESTING_ORACLE_H_
