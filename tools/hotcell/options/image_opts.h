// `--image-opts`: an image described by keys in place of a path, in the simple forms that scripts
// use: a format over a file.
#ifndef HOTCELL_TOOLS_HOTCELL_OPTIONS_IMAGE_OPTS_H_
#define HOTCELL_TOOLS_HOTCELL_OPTIONS_IMAGE_OPTS_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace hotcell::cli {

struct ImageOpts {
  std::string path;
  std::string format;            // empty: probe
  bool without_backing = false;  // the image alone, whatever it stands on
};

// "driver=qcow2,file.driver=file,file.filename=x.qcow2", with driver and file.driver optional, or
// "driver=file,filename=x" and "filename=x", which are raw and probed as in qemu-img. Values double
// their commas. Other keys and drivers are refused by name.
absl::StatusOr<ImageOpts> ParseImageOpts(std::string_view text);

// "json:{...}" with the same keys, nested or joined by dots, as qemu-img takes it in place of a
// path. "backing": null is taken, and has an effect only where the command says so.
absl::StatusOr<ImageOpts> ParseJsonName(std::string_view text);

// What a command's operand names: keys with `image_opts`, else a path (file_names.h). Acting as
// qemu-img, what begins with "json:" and ends with a brace is JSON, unless a file has that very
// name (kInvalidArgument): under its own name hotcell opens no file but the one that is named.
absl::StatusOr<ImageOpts> ParseImageOperand(std::string_view operand, bool image_opts);
// ParseImageOperand() into what a command has of the image: `format` stays where the operand names
// none. `operand` may be `path`.
absl::Status SetImage(std::string_view operand, bool image_opts, std::string& path,
                      std::string& format);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_OPTIONS_IMAGE_OPTS_H_
