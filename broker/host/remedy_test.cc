#include "hotcell/remedy.h"

#include <gtest/gtest.h>

#include "absl/strings/cord.h"
#include "hotcell/failure.h"

namespace hotcell {
namespace {

RemedyNote NoteOf(const absl::Status& status) { return RemedyOf(status).value_or(RemedyNote()); }

TEST(RemedyTest, StandsAtTheEndOfTheMessage) {
  const RemedyNote note =
      NoteOf(WithRemedy(absl::ResourceExhaustedError("12345"), Remedy::kRaiseMemory));
  EXPECT_EQ(note.remedy, Remedy::kRaiseMemory);
  EXPECT_EQ(note.subject, "");
  EXPECT_EQ(note.place, 5u);
  EXPECT_EQ(note.replaced, 0u);
}

TEST(RemedyTest, MayBeAboutAnyName) {
  const RemedyNote written = {.remedy = Remedy::kRaiseWallTime,
                              .subject = std::string("a b\0\n 7", 7),
                              .place = 1,
                              .replaced = 2};
  const RemedyNote read = NoteOf(WithRemedy(absl::InternalError("message"), written));
  EXPECT_EQ(read.subject, written.subject);
  EXPECT_EQ(read.place, 1u);
  EXPECT_EQ(read.replaced, 2u);
}

TEST(RemedyTest, TheLaterOneStaysAndNoneChangesNothing) {
  absl::Status status = WithRemedy(absl::InternalError("x"), Remedy::kRaiseWallTime);
  status = WithRemedy(WithRemedy(status, Remedy::kRaiseMemory), Remedy::kNone);
  EXPECT_EQ(NoteOf(status).remedy, Remedy::kRaiseMemory);
}

TEST(RemedyTest, OkHasNone) {
  EXPECT_FALSE(RemedyOf(WithRemedy(absl::OkStatus(), Remedy::kRaiseMemory)).has_value());
  EXPECT_FALSE(RemedyOf(absl::InternalError("x")).has_value());
}

TEST(RemedyTest, KeepsItsPlaceAmongWordsThatAreAdded) {
  const absl::Status status = WithRemedy(absl::InternalError("fact"), Remedy::kRaiseMemory);
  EXPECT_EQ(NoteOf(Reworded(status, "fact; more")).place, 4u);
  EXPECT_EQ(NoteOf(Reworded(status, "file: fact")).place, 10u);
  EXPECT_EQ(NoteOf(Reworded(Reworded(status, "fact; more"), "file: fact; more")).place, 10u);
}

TEST(RemedyTest, IsNotReadFromWhatIsNone) {
  for (const char* const payload : {"", "1", "1 2 3", "0 0 0 ", "-1 0 0 ", "9999 0 0 ", "1 x 0 "}) {
    absl::Status status = absl::InternalError("x");
    status.SetPayload("hotcell/remedy-note", absl::Cord(payload));
    EXPECT_FALSE(RemedyOf(status).has_value()) << payload;
  }
}

}  // namespace
}  // namespace hotcell
