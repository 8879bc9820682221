#include "guest/formats/common/derived_uuid.h"

#include <gtest/gtest.h>

#include <set>

namespace hotcell::guest {
namespace {

TEST(DerivedUuidTest, IsTheSameForTheSameImageOnly) {
  const FormatOption option = {.key = "static", .value = "on"};
  const CreateOptions plain = {.name = "a.vdi", .virtual_size = 1 << 20};
  CreateOptions renamed = plain;
  renamed.name = "b.vdi";
  CreateOptions resized = plain;
  resized.virtual_size = 2 << 20;
  CreateOptions changed = plain;
  changed.options = {&option, 1};

  EXPECT_EQ(DeriveUuid("image", plain), DeriveUuid("image", plain));
  EXPECT_EQ((std::set{DeriveUuid("image", plain), DeriveUuid("snapshot", plain),
                      DeriveUuid("image", renamed), DeriveUuid("image", resized),
                      DeriveUuid("image", changed)}
                 .size()),
            5u);
}

TEST(DerivedUuidTest, SaysItsVersionAndVariant) {
  const auto uuid = DeriveUuid("image", {});
  EXPECT_EQ(uuid[6] >> 4, std::byte{8});
  EXPECT_EQ(uuid[8] >> 6, std::byte{2});
}

}  // namespace
}  // namespace hotcell::guest
