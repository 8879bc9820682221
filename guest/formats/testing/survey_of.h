// What the survey of a format says of an image in memory, for tests.
#ifndef HOTCELL_GUEST_FORMATS_TESTING_SURVEY_OF_H_
#define HOTCELL_GUEST_FORMATS_TESTING_SURVEY_OF_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "guest/formats/common/format.h"
#include "guest/formats/common/survey.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {

// `format` opens the file to describe it and surveys it, as for `inspect`; neither may fail.
inline Survey SurveyOf(const FormatDriver& format, std::unique_ptr<NativeFile> contents) {
  NativeFiles files;
  NativeChannel io(files);
  const FileHandle file = files.Add(std::move(contents));
  const auto reader = format.open(io, file, {.describe_only = true});
  EXPECT_TRUE(reader.ok()) << reader.status().message();
  Survey survey;
  const Status status = format.survey(io, file, survey);
  EXPECT_TRUE(status.ok()) << status.message();
  return survey;
}
inline Survey SurveyOf(const FormatDriver& format, std::vector<std::byte> bytes) {
  return SurveyOf(format, std::make_unique<MemoryFile>(std::move(bytes)));
}

inline std::vector<ConcernKind> KindsOf(const Survey& survey) {
  std::vector<ConcernKind> kinds;
  for (const Concern& concern : survey.concerns()) kinds.push_back(concern.kind);
  return kinds;
}

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_TESTING_SURVEY_OF_H_
