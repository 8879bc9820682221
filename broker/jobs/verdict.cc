#include "hotcell/verdict.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "broker/files/file_state.h"
#include "hotcell/failure.h"
#include "hotcell/remedy.h"
#include "hotcell/text.h"

namespace hotcell {
namespace {

// The longest name that an image format can hold is shown in full.
constexpr size_t kMaxShown = 8192;

std::string Shown(std::string_view bytes) { return Escape(bytes, kMaxShown); }

// VMDK: one file, and nothing but the disk in it.
constexpr std::array<std::string_view, 2> kSafeVmdkTypes = {"monolithicSparse", "streamOptimized"};

// Whether the image's file begins with bytes of the disk, which may look like anything.
bool BeginsWithDisk(const Inspection& inspection) {
  return inspection.format == "raw" || inspection.format == "dmg" ||
         (inspection.format == "vpc" && inspection.info && inspection.info->variant == "fixed");
}

// Signatures that a file of its format has anyway.
bool IsOwnSignature(const Inspection& inspection, SignatureKind kind) {
  const std::string& format = inspection.format;
  switch (kind) {
    case SignatureKind::kVhdFooter:
      return format == "vpc";
    case SignatureKind::kDmgTrailer:
      return format == "dmg";
    case SignatureKind::kVmdkImage:
    case SignatureKind::kVmdkDescriptor:
      return format == "vmdk";
    case SignatureKind::kScript:
      return format == "cloop";
    default:
      return false;
  }
}

// A disk with an ISO 9660 file system, be it alone or beside partitions that start computers from a
// stick: whoever takes the file for a disc sees the bytes of the disk.
bool IsDisc(const Inspection& inspection, std::string_view other) {
  return other == "iso9660" && BeginsWithDisk(inspection);
}

// Whether the signature is of something that stands on a disk; others are of files of another kind.
bool IsOnDisks(SignatureKind kind) {
  const SignatureClass found = ClassOf(kind);
  return found == SignatureClass::kPartitionTable || found == SignatureClass::kFileSystem ||
         found == SignatureClass::kVolume;
}

class Judgement {
 public:
  Judgement(const InspectReply& reply, const VerdictPolicy& policy, const Limits& limits)
      : reply_(reply), inspection_(reply.inspection), policy_(policy), limits_(limits) {}

  Verdict Run() {
    JudgeFormat();
    JudgeSignatures();
    if (!reply_.failure.ok()) {
      Against(VerdictCode::kCannotOpen, "the image cannot be opened: ", reply_.failure);
    }
    if (inspection_.info) {
      JudgeImage(*inspection_.info);
    } else if (reply_.failure.ok()) {
      Against(VerdictCode::kCannotOpen, "the guest says nothing of the image");
    }
    JudgeConcerns();
    JudgeCheck();
    for (const ChangedFile& file : reply_.worker.changed_files) {
      Against(VerdictCode::kChanged, broker::ChangeText(file.name, file.attributes_only, "judged"));
    }
    for (const std::string& warning : reply_.warnings) Note(VerdictCode::kWarning, warning);
    return std::move(verdict_);
  }

 private:
  void Against(VerdictCode code, std::string text) {
    verdict_.reasons.push_back({code, std::move(text)});
  }
  void Against(VerdictCode code, absl::string_view what, const absl::Status& error) {
    const absl::Status told = Reworded(error, absl::StrCat(what, error.message()));
    verdict_.reasons.push_back({code, std::string(told.message()), RemedyOf(told)});
  }
  void Note(VerdictCode code, std::string text) {
    verdict_.anomalies.push_back({code, std::move(text)});
  }

  void JudgeFormat() {
    const std::string& format = inspection_.format;
    const std::vector<std::string>& allowed = policy_.allowed_formats;
    if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), format) == allowed.end()) {
      Against(VerdictCode::kFormatNotAllowed,
              absl::StrCat("format ", format, " is not among those allowed"));
    }
    if (allowed.empty() && format == "qed") {
      Against(VerdictCode::kFormatNotAllowed, "format qed is given up by QEMU");
    }
    for (const std::string& other : inspection_.other_formats) {
      if (IsDisc(inspection_, other)) continue;
      Against(VerdictCode::kAmbiguousFormat,
              absl::StrCat("the file could also be taken for ", other));
    }
  }

  void JudgeSignatures() {
    const bool begins_with_disk = BeginsWithDisk(inspection_);
    bool gpt = false;
    bool mbr = false;
    for (const Signature& signature : inspection_.signatures) {
      const SignatureKind kind = signature.kind;
      gpt |= kind == SignatureKind::kGpt;
      mbr |= kind == SignatureKind::kMbr;
      if (IsOwnSignature(inspection_, kind)) continue;
      const std::string what =
          absl::StrCat("there is the mark of a ", std::string(SignatureName(kind)), " at offset ",
                       signature.offset);
      if (begins_with_disk && IsOnDisks(kind)) continue;
      // It is the disk's last sector where that is the file's: nobody looks for it in an image.
      if (kind == SignatureKind::kGptBackup) continue;
      // Two bytes are no proof: a boot sector may begin with them.
      if (begins_with_disk &&
          (kind == SignatureKind::kDosProgram || kind == SignatureKind::kScript)) {
        Note(VerdictCode::kSignature, what);
        continue;
      }
      Against(VerdictCode::kForeignSignature, what);
    }
    if (begins_with_disk && gpt && !mbr) {
      Note(VerdictCode::kNoProtectiveMbr, "the GPT has no protective MBR before it");
    }
  }

  void JudgeImage(const ImageInfo& info) {
    for (const ReferenceInfo& reference : info.references) {
      Against(VerdictCode::kReference,
              absl::StrCat("it names another file, '", Shown(reference.name), "'"));
    }
    if (info.references.empty() && !info.backing_file.empty()) {
      Against(VerdictCode::kReference,
              absl::StrCat("it names another file, '", Shown(info.backing_file), "'"));
    }
    if (info.encrypted) {
      Against(VerdictCode::kEncrypted,
              info.encryption.empty() ? std::string("it is encrypted")
                                      : absl::StrCat("it is encrypted (", info.encryption, ")"));
    }
    if (inspection_.format == "vmdk" &&
        std::ranges::find(kSafeVmdkTypes, info.variant) == kSafeVmdkTypes.end()) {
      Against(VerdictCode::kVmdkType,
              absl::StrCat("VMDK of type '", info.variant,
                           "': only monolithicSparse and streamOptimized are one file"));
    }
    if (info.corrupt) Against(VerdictCode::kCorrupt, "it is marked as corrupt");
    JudgeSize(info.virtual_size);
    if (info.dirty) Note(VerdictCode::kDirty, "it was not closed");
    if (!info.snapshots.empty()) {
      Note(VerdictCode::kSnapshots,
           absl::StrCat(info.snapshots.size(), " internal snapshots are in it"));
    }
  }

  void JudgeSize(uint64_t size) {
    const uint64_t most = policy_.max_virtual_size == 0
                              ? limits_.virtual_size
                              : std::min(policy_.max_virtual_size, limits_.virtual_size);
    if (size > most) {
      Against(VerdictCode::kTooBig,
              absl::StrCat("the disk has ", size, " bytes, more than the ", most, " allowed"));
    }
    if (policy_.max_expansion != 0 &&
        Expansion(reply_) > static_cast<double>(policy_.max_expansion)) {
      Against(VerdictCode::kExpansion,
              absl::StrFormat("the disk is %.1f times as big as the file, more than "
                              "the %d allowed",
                              Expansion(reply_), policy_.max_expansion));
    }
  }

  void JudgeConcerns() {
    for (const Concern& concern : inspection_.concerns) {
      std::string text = Shown(concern.text);
      switch (concern.kind) {
        case ConcernKind::kReadersDiffer:
          Against(VerdictCode::kReadersDiffer, std::move(text));
          break;
        case ConcernKind::kHiddenReference:
          Against(VerdictCode::kReference, std::move(text));
          break;
        case ConcernKind::kNestedImage:
          Against(VerdictCode::kNestedImage, std::move(text));
          break;
        case ConcernKind::kOtherDisk:
          Against(VerdictCode::kReadersDiffer,
                  absl::StrCat("the file begins like a disk with ", ContentName(concern.mark),
                               ", which is not the disk that its trailer describes"));
          break;
        case ConcernKind::kOddity:
          Note(VerdictCode::kOddity, std::move(text));
          break;
        default:
          Against(VerdictCode::kNotUnderstood, std::move(text));
          break;
      }
    }
    if (inspection_.reader_memory > policy_.max_reader_memory) {
      Against(VerdictCode::kReaderMemory,
              absl::StrCat("programs take ", inspection_.reader_memory,
                           " bytes of memory to open it, more than the ", policy_.max_reader_memory,
                           " allowed"));
    }
  }

  void JudgeCheck() {
    if (!reply_.check_failure.ok()) {
      Against(VerdictCode::kCheckFailed, "its tables cannot be read: ", reply_.check_failure);
    }
    if (!inspection_.check) return;
    const CheckReport& check = *inspection_.check;
    uint64_t errors = check.corruptions + check.check_errors;
    if (errors < check.corruptions) errors = UINT64_MAX;  // a guest may say any numbers
    if (errors != 0) {
      std::string text = absl::StrCat("its tables have ", errors, " errors");
      for (const CheckFinding& finding : check.findings) {
        if (finding.kind == FindingKind::kLeak) continue;
        absl::StrAppend(&text, ", the first: ", Shown(finding.text));
        break;
      }
      Against(VerdictCode::kCorrupt, text);
    }
    if (check.leaks != 0)
      Note(VerdictCode::kLeaks, absl::StrCat(check.leaks, " clusters of the file have no use"));
    const uint64_t end = check.image_end_offset.value_or(0);
    if (end != 0 && end < reply_.file_size) {
      Note(VerdictCode::kTrailingData,
           absl::StrCat(reply_.file_size - end, " bytes follow the end of the image"));
    }
  }

  const InspectReply& reply_;
  const Inspection& inspection_;
  const VerdictPolicy& policy_;
  const Limits& limits_;
  Verdict verdict_;
};

}  // namespace

std::string_view VerdictCodeName(VerdictCode code) {
  switch (code) {
    case VerdictCode::kAmbiguousFormat:
      return "ambiguous-format";
    case VerdictCode::kCannotOpen:
      return "cannot-open";
    case VerdictCode::kChanged:
      return "changed";
    case VerdictCode::kCheckFailed:
      return "check-failed";
    case VerdictCode::kCorrupt:
      return "corrupt";
    case VerdictCode::kEncrypted:
      return "encrypted";
    case VerdictCode::kExpansion:
      return "expansion";
    case VerdictCode::kForeignSignature:
      return "foreign-signature";
    case VerdictCode::kFormatNotAllowed:
      return "format-not-allowed";
    case VerdictCode::kNestedImage:
      return "nested-image";
    case VerdictCode::kNotUnderstood:
      return "not-understood";
    case VerdictCode::kReaderMemory:
      return "reader-memory";
    case VerdictCode::kReadersDiffer:
      return "readers-differ";
    case VerdictCode::kReference:
      return "reference";
    case VerdictCode::kTooBig:
      return "too-big";
    case VerdictCode::kVmdkType:
      return "vmdk-type";
    case VerdictCode::kDirty:
      return "dirty";
    case VerdictCode::kLeaks:
      return "leaks";
    case VerdictCode::kNoProtectiveMbr:
      return "no-protective-mbr";
    case VerdictCode::kOddity:
      return "oddity";
    case VerdictCode::kSignature:
      return "signature";
    case VerdictCode::kSnapshots:
      return "snapshots";
    case VerdictCode::kTrailingData:
      return "trailing-data";
    case VerdictCode::kWarning:
      return "warning";
  }
  return {};
}

Verdict Judge(const InspectReply& reply, const VerdictPolicy& policy, const Limits& limits) {
  return Judgement(reply, policy, limits).Run();
}

absl::Status VerdictStatus(const Verdict& verdict) {
  constexpr size_t kMostReasons = 8;
  if (verdict.safe()) return absl::OkStatus();
  std::string text = "the image is not safe";
  RemedyNote first_remedy;
  for (size_t i = 0; i < verdict.reasons.size() && i < kMostReasons; ++i) {
    absl::StrAppend(&text, i == 0 ? ": " : "; ", verdict.reasons[i].text);
    const std::optional<RemedyNote>& remedy = verdict.reasons[i].remedy;
    if (first_remedy.remedy != Remedy::kNone || !remedy.has_value()) continue;
    first_remedy = *remedy;
    first_remedy.place += text.size() - verdict.reasons[i].text.size();
  }
  if (verdict.reasons.size() > kMostReasons) {
    absl::StrAppend(&text, "; and ", verdict.reasons.size() - kMostReasons, " more reasons");
  }
  return WithFailureKind(WithRemedy(absl::FailedPreconditionError(text), first_remedy),
                         FailureKind::kUnsafe);
}

double Expansion(const InspectReply& reply) {
  if (!reply.inspection.info || reply.file_size == 0) return 0;
  return static_cast<double>(reply.inspection.info->virtual_size) /
         static_cast<double>(reply.file_size);
}

}  // namespace hotcell
