#include "broker/files/file_attributes.h"

#include <endian.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/posix_acl_xattr.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "broker/testing/temp_dir.h"

namespace hotcell::broker {
namespace {

constexpr char kAccessAcl[] = "system.posix_acl_access";
constexpr uid_t kStranger = 12345;

struct AclEntry {
  uint16_t tag;
  uint16_t rights;
  uint32_t id;
};

std::string MakeAcl(std::initializer_list<AclEntry> entries) {
  const posix_acl_xattr_header header = {htole32(2)};
  std::string acl(reinterpret_cast<const char*>(&header), sizeof(header));
  for (const AclEntry& one : entries) {
    const posix_acl_xattr_entry entry = {htole16(one.tag), htole16(one.rights), htole32(one.id)};
    acl.append(reinterpret_cast<const char*>(&entry), sizeof(entry));
  }
  return acl;
}

// Owner rw, user 12345 rw, group r, mask rw, others nothing: mode 0660.
std::string AclForAStranger() {
  constexpr uint32_t kNobody = UINT32_MAX;
  return MakeAcl({{0x01, 6, kNobody},
                  {0x02, 6, kStranger},
                  {0x04, 4, kNobody},
                  {0x10, 6, kNobody},
                  {0x20, 0, kNobody}});
}

class FileAttributesTest : public testing::Test {
 protected:
  FileAttributesTest()
      : old_(dir_.Open("old", O_CREAT | O_RDWR)), new_(dir_.Open("new", O_CREAT | O_RDWR)) {}
  int Give() {
    struct stat info {};
    EXPECT_EQ(fstat(old_.get(), &info), 0);
    return GiveAttributes(dir_.Open("old", O_PATH).get(), info, new_.get());
  }
  struct stat New() {
    struct stat info {};
    EXPECT_EQ(fstat(new_.get(), &info), 0);
    return info;
  }
  mode_t NewMode() { return New().st_mode & 07777; }
  std::string NewAttribute(const char* name) {
    std::string value(256, '\0');
    const ssize_t size = fgetxattr(new_.get(), name, value.data(), value.size());
    value.resize(size < 0 ? 0 : static_cast<size_t>(size));
    return value;
  }
  bool SetOld(const char* name, const std::string& value) {
    return fsetxattr(old_.get(), name, value.data(), value.size(), 0) == 0;
  }

  TempDir dir_;
  UniqueFd old_;
  UniqueFd new_;
};

TEST_F(FileAttributesTest, GivesPermissionsWithoutSetIdBits) {
  ASSERT_EQ(fchmod(old_.get(), 06754), 0);
  EXPECT_EQ(Give(), 0);
  EXPECT_EQ(NewMode(), 0754u);
}

TEST_F(FileAttributesTest, GivesTheOwnerAndTheGroup) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  ASSERT_EQ(fchown(old_.get(), kStranger, kStranger + 1), 0);
  EXPECT_EQ(Give(), 0);
  EXPECT_EQ(New().st_uid, kStranger);
  EXPECT_EQ(New().st_gid, kStranger + 1);
}

TEST_F(FileAttributesTest, GivesExtendedAttributes) {
  if (!SetOld("user.origin", "upload 7")) GTEST_SKIP() << "no extended attributes here";
  EXPECT_EQ(Give(), 0);
  EXPECT_EQ(NewAttribute("user.origin"), "upload 7");
}

TEST_F(FileAttributesTest, GivesTheAclAndItsMask) {
  if (!SetOld(kAccessAcl, AclForAStranger())) GTEST_SKIP() << "no ACLs here";
  EXPECT_EQ(Give(), 0);
  EXPECT_EQ(NewAttribute(kAccessAcl), AclForAStranger());
  EXPECT_EQ(NewMode(), 0660u);
}

TEST_F(FileAttributesTest, GivesNoRightsToAGroupThatIsNotTheOldOne) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  constexpr gid_t kOtherGroup = 54321;
  ASSERT_EQ(chmod(dir_.path().c_str(), 0755), 0);
  ASSERT_EQ(fchown(old_.get(), kStranger, kOtherGroup), 0);
  ASSERT_EQ(fchown(new_.get(), kStranger, kStranger), 0);
  for (const auto& [old_mode, new_mode] :
       {std::pair{0664u, 0644u}, {0660u, 0600u}, {0606u, 0600u}}) {
    ASSERT_EQ(fchmod(old_.get(), old_mode), 0);
    ASSERT_EQ(seteuid(kStranger), 0);
    const int error = Give();
    ASSERT_EQ(seteuid(0), 0);
    EXPECT_EQ(error, 0);
    EXPECT_EQ(New().st_gid, kStranger);
    // Who is in the new file's group had the others' rights, and who was in the old one's is an
    // other.
    EXPECT_EQ(NewMode(), new_mode) << old_mode;
  }
}

TEST_F(FileAttributesTest, TakesNoMaskForTheRightsOfAGroup) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  if (!SetOld(kAccessAcl, AclForAStranger())) GTEST_SKIP() << "no ACLs here";
  ASSERT_EQ(chmod(dir_.path().c_str(), 0755), 0);
  ASSERT_EQ(fchown(old_.get(), kStranger, 54321), 0);
  ASSERT_EQ(fchown(new_.get(), kStranger, kStranger), 0);
  ASSERT_EQ(seteuid(kStranger), 0);
  const int error = Give();
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_EQ(error, 0);
  EXPECT_EQ(NewMode(), 0600u);
  EXPECT_EQ(NewAttribute(kAccessAcl), "");
}

}  // namespace
}  // namespace hotcell::broker
