#include "data/tar_file.hpp"

#include <zlib.h>

#include "scratch_folder.hpp"
#include "unit/data/tar_writer.hpp"

namespace ddls::data::tar_file_test {
namespace {

using namespace test;

TarIndex index_of(const std::filesystem::path& path) { return read_tar_index(TarFile(path, true)); }

TarIndex index_of_bytes(const ScratchFolder& folder, const std::string& bytes) {
  put_bytes(folder / "a.tar", bytes);
  return index_of(folder / "a.tar");
}

std::string two_members() {
  return tar_member("a/", "", '5') + tar_member("a/one", "1") + tar_member("a/two", std::string(600, '2')) + tar_end();
}

TEST(TarFile, members_with_offsets_and_contents) {
  const ScratchFolder folder;
  put_bytes(folder / "a.tar", two_members());
  for (const bool keep_open : {true, false}) {
    const TarFile file(folder / "a.tar", keep_open);
    const TarIndex index = read_tar_index(file);
    EXPECT_EQ(index.damage, "");
    ASSERT_EQ(index.members.size(), 3);
    EXPECT_EQ(index.members[0].type, '5');
    EXPECT_EQ(index.members[1].name, "a/one");
    EXPECT_EQ(file.read(index.members[1].offset, index.members[1].size), "1");
    EXPECT_EQ(file.read(index.members[2].offset, index.members[2].size), std::string(600, '2'));
    EXPECT_EQ(file.read(file.size() - 3, 10), std::string(3, '\0'));
    EXPECT_EQ(file.read(file.size() + 3, 10), "");
  }
}

TEST(TarFile, long_names_of_every_kind) {
  const ScratchFolder folder;
  const std::string deep = std::string(150, 'd') + "/" + std::string(120, 'n') + ".png";
  const std::string bytes = gnu_long(deep, "gnu") + pax_long(deep, "pax") + tar_header("file", 1, '0', "pre/fix") +
                            padded("u") + tar_member("global", "", 'g') + tar_member("after", "x") + tar_end();
  const TarIndex index = index_of_bytes(folder, bytes);
  EXPECT_EQ(index.damage, "");
  ASSERT_EQ(index.members.size(), 4);
  EXPECT_EQ(index.members[0].name, deep);
  EXPECT_EQ(index.members[1].name, deep);
  EXPECT_EQ(index.members[1].size, 3);
  EXPECT_EQ(index.members[2].name, "pre/fix/file");
  EXPECT_EQ(index.members[3].name, "after");
}

// GNU's numbers of 8 GiB and more.
TEST(TarFile, binary_sizes) {
  const ScratchFolder folder;
  std::string header = tar_header("big", 0);
  header.replace(124, 12, std::string("\x80\0\0\0\0\0\0\0\0\0\0\x03", 12));
  header.replace(148, 8, "        ");
  uint64_t sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  header.replace(148, 7, fmt::format("{:06o}", sum) + '\0');
  const TarIndex index = index_of_bytes(folder, header + padded("abc") + tar_end());
  EXPECT_EQ(index.damage, "");
  ASSERT_EQ(index.members.size(), 1);
  EXPECT_EQ(index.members[0].size, 3);
}

TEST(TarFile, every_truncation_is_noticed) {
  const ScratchFolder folder;
  const std::string bytes = two_members();
  for (size_t length = 0; length < bytes.size() - 512; length += 64) {
    const TarIndex index = index_of_bytes(folder, bytes.substr(0, length));
    EXPECT_TRUE(contains(index.damage, "a.tar' is damaged or truncated at byte")) << length << index.damage;
    EXPECT_EQ(index.members.size(), (length >= 512) + (length > 1024) + (length >= 2648)) << length;
  }
  EXPECT_EQ(index_of_bytes(folder, bytes.substr(0, bytes.size() - 512)).damage, "");  // one zero block suffices
}

TEST(TarFile, every_flipped_bit_of_a_header_is_noticed) {
  const ScratchFolder folder;
  const std::string bytes = two_members();
  for (size_t i = 512; i < 1024; i += 7) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << i % 8));
    const TarIndex index = index_of_bytes(folder, flipped);
    const bool checksum_padding = i == 512 + 155;  // behind the end of the number: nobody reads it
    EXPECT_EQ(index.damage.empty(), checksum_padding) << i;
    EXPECT_EQ(index.members.size(), checksum_padding ? 3 : 1) << i;
  }
}

TEST(TarFile, headers_that_lie) {
  const ScratchFolder folder;
  const auto damage = [&](const std::string& bytes) { return index_of_bytes(folder, bytes + tar_end()).damage; };
  EXPECT_TRUE(contains(damage(tar_header("a", 077777777777)), "ends within a member"));
  EXPECT_TRUE(contains(damage(tar_member("x", "99 path=a\n", 'x')), "pax"));
  EXPECT_TRUE(contains(damage(tar_member("x", "no record", 'x')), "pax"));
  EXPECT_TRUE(contains(damage(tar_member("x", std::string(2 << 20, 'a'), 'L')), "unlikely length"));
  EXPECT_TRUE(contains(damage(std::string(512, 'a')), "checksum"));
}

TEST(TarFile, bytes_behind_the_end_mark_are_noticed) {
  const ScratchFolder folder;
  EXPECT_EQ(index_of_bytes(folder, two_members() + std::string(100'000, '\0')).damage, "");
  for (const std::string& bytes : {two_members() + two_members(), two_members() + "x",
                                   two_members() + std::string(100'000, '\0') + two_members()}) {
    const TarIndex index = index_of_bytes(folder, bytes);
    EXPECT_TRUE(contains(index.damage, "a.tar' ends at byte 3072, but")) << index.damage;
    EXPECT_EQ(index.members.size(), 3);
  }
}

TEST(TarFile, compressed_archives_are_read_into_memory) {
  const ScratchFolder folder;
  const std::string bytes = two_members(), path = folder / "a.tar.gz";
  gzFile gz = gzopen(path.c_str(), "wb");
  gzwrite(gz, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(gz);
  const TarFile file(path, false);
  EXPECT_EQ(file.size(), bytes.size());
  EXPECT_EQ(read_tar_index(file).members.size(), 3);
  const std::string packed = get_bytes(path);
  put_bytes(path, packed.substr(0, packed.size() - 20));
  const auto thrown = thrown_by([&] { TarFile(path, true); });
  EXPECT_EQ(thrown.code, Exit::data);
  EXPECT_TRUE(contains(thrown.message, "a.tar.gz")) << thrown.message;
  EXPECT_EQ(thrown_by([&] { TarFile(folder / "none.tar", true); }).code, Exit::missing);
}

TEST(TarFile, other_compressions_are_named) {
  const ScratchFolder folder;
  for (const auto& [bytes, name] : {std::pair{"\xFD"
                                              "7zXZ",
                                              "xz"},
                                    {"\x28\xB5\x2F\xFDxx", "zstd"},
                                    {"BZh91AY&SY", "bzip2"}}) {
    put_bytes(folder / "a.tar", std::string(bytes) + std::string(600, '\0'));
    const auto thrown = thrown_by([&] { TarFile(folder / "a.tar", true); });
    EXPECT_EQ(thrown.code, Exit::data);
    EXPECT_TRUE(contains(thrown.message, fmt::format("compressed by {}", name))) << thrown.message;
  }
  EXPECT_EQ(index_of_bytes(folder, tar_member("BZh9.png", "x") + tar_end()).damage, "");
}

}  // namespace
}  // namespace ddls::data::tar_file_test
