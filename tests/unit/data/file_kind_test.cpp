#include "data/file_kind.hpp"

#include <gtest/gtest.h>

namespace ddls::data::file_kind_test {
namespace {

TEST(FileKind, is_told_by_the_name) {
  for (const char* name : {"a.png", "x/b.PNG", "1.2.Jpg", "a.jpeg", ".tar.png"})
    EXPECT_EQ(kind_of(name), FileKind::image) << name;
  for (const char* name : {"a.tar", "a.TAR", "x.1.tar.gz", "a.tgz"})
    EXPECT_EQ(kind_of(name), FileKind::archive) << name;
  for (const char* name : {"a.tar.xz", "a.tar.ZST", "a.tbz2", "a.tar.lz4"})
    EXPECT_EQ(kind_of(name), FileKind::packed_archive) << name;
  for (const char* name : {"a.webp", "a.Tiff", "a.png.bmp", "a.gif"})
    EXPECT_EQ(kind_of(name), FileKind::other_image) << name;
  for (const char* name : {"a", "png", "x.png/a", "a.txt", "a.png~", "a.", "target", "a.xz", ""})
    EXPECT_EQ(kind_of(name), FileKind::other) << name;
  EXPECT_EQ(kind_of("a.zip"), FileKind::other_archive);
  EXPECT_EQ(kind_of("a.cls"), FileKind::label);
  EXPECT_EQ(extension_of("x/a.b.TAR.Zst"), "tar.zst");
  EXPECT_EQ(extension_of("x.y/a"), "");
}

TEST(FileKind, hidden_is_what_lies_behind_a_dot) {
  EXPECT_EQ(hidden_part(".a"), 2);
  EXPECT_EQ(hidden_part("x/.git/y"), 6);
  EXPECT_EQ(hidden_part("x/y/._1.png"), 11);
  for (const char* path : {"", "a.b/c.d", "./a", "../a", "x/../y", "x//y", "/x"})
    EXPECT_FALSE(hidden_part(path)) << path;
}

TEST(FileKind, sums_of_what_was_left_out) {
  LeftOut one, other;
  for (const char* name : {"a.webp", "a.txt", "a"}) one.add(name);
  for (const char* name : {"b.webp", "b.bmp", "b.zip"}) other.add(name);
  other.add_hidden_file(".x.png");
  other.hidden_folders = 2;
  EXPECT_FALSE(LeftOut().maybe_images());
  EXPECT_EQ(LeftOut().text(), "");
  one += other;
  EXPECT_EQ(one.files(), 7);
  EXPECT_TRUE(one.maybe_images());
  EXPECT_EQ(one.text(),
            "3 images of formats that are not read (1 bmp, 2 webp), 1 archive (1 zip), 1 hidden image, 2 hidden "
            "folders, 2 other "
            "files (1 without an ending, 1 txt)");
}

}  // namespace
}  // namespace ddls::data::file_kind_test
