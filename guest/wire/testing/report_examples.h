// Reports encoded by the guest's code, for a test that decodes them with the host's protobuf.
#ifndef HOTCELL_GUEST_WIRE_TESTING_REPORT_EXAMPLES_H_
#define HOTCELL_GUEST_WIRE_TESTING_REPORT_EXAMPLES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hotcell::guest {

// Each returns the bytes that EncodeReport() left in an area of `capacity` bytes.
std::string EncodedError(uint8_t code, std::string_view message, size_t capacity);
std::string EncodedConvert(size_t capacity);
// A qcow2 image with everything there is: two snapshots, a bitmap, a backing file whose name and
// format are not UTF-8, an external data file.
std::string EncodedRichInfo(size_t capacity);
std::string EncodedChain(size_t capacity);
std::string EncodedRawInfo(size_t capacity);
// One concern of each kind, and more memory than there is.
std::string EncodedConcerns(size_t capacity);
std::string EncodedInfoWithSnapshots(size_t count, size_t capacity);
std::string EncodedInfoWithBitmaps(size_t count, size_t capacity);

// Runs AnswerJob() on one lane over an image of 4 MiB and returns the report's bytes.
std::string ReportOnJob(std::string_view job);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_WIRE_TESTING_REPORT_EXAMPLES_H_
