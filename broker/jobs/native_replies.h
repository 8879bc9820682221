// The results of a report, as clients get them: without its messages. Numbers of enumerations that
// are none become kUnknown.
//
// What is taken out of a report is gone from it. Of its many small parts each is freed as soon as
// it is taken; what one takes in a reply is bounded (report_budget.h).
#ifndef HOTCELL_BROKER_JOBS_NATIVE_REPLIES_H_
#define HOTCELL_BROKER_JOBS_NATIVE_REPLIES_H_

#include "hotcell/image_info.h"
#include "hotcell/replies.h"
#include "protos/report.pb.h"

namespace hotcell::broker {

ConvertResult TakeNative(v1::ConvertResult& result);
// Without the failure.
CompareResult TakeNative(v1::CompareResult& result);
DigestResult TakeNative(v1::DigestResult& result);
MeasureResult TakeNative(v1::MeasureResult& result);
ResizeResult TakeNative(v1::ResizeResult& result);
RebaseResult TakeNative(v1::RebaseResult& result);
ImageInfo TakeNative(v1::ImageInfo& info);
CheckReport TakeNative(v1::CheckReport& report);
// Without the failures.
Inspection TakeNative(v1::Inspection& inspection);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_JOBS_NATIVE_REPLIES_H_
