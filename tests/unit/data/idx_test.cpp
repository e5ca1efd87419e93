#include "data/idx.hpp"

#include <ATen/ATen.h>
#include <zlib.h>

#include "scratch_folder.hpp"

namespace ddls::data::idx_test {
namespace {

using test::contains;
using test::get_bytes;
using test::put_bytes;
using test::ScratchFolder;
using test::thrown_by;

std::string big_endian(uint32_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8), static_cast<char>(v)};
}

// Two images of 2 x 3 pixels: 0, 1, ..., 11.
std::string two_images() {
  std::string bytes = big_endian(0x803) + big_endian(2) + big_endian(2) + big_endian(3);
  for (char i = 0; i < 12; ++i) bytes += i;
  return bytes;
}

std::string three_labels() { return big_endian(0x801) + big_endian(3) + std::string("\x07\x00\xFF", 3); }

void put_gzip(const std::filesystem::path& path, const std::string& bytes) {
  gzFile file = gzopen(path.c_str(), "wb9");
  ASSERT_EQ(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())), static_cast<int>(bytes.size()));
  gzclose(file);
}

TEST(Idx, images_and_labels_plain_and_compressed) {
  const ScratchFolder folder;
  put_bytes(folder / "images", two_images());
  put_gzip(folder / "images.gz", two_images());
  put_bytes(folder / "labels", three_labels());
  put_gzip(folder / "labels.gz", three_labels());
  const at::Tensor images = at::arange(12, at::kByte).reshape({2, 1, 2, 3});
  const at::Tensor labels = at::tensor({int64_t{7}, int64_t{0}, int64_t{255}});
  for (const char* end : {"", ".gz"}) {
    EXPECT_TRUE(at::equal(read_idx_images(folder / (std::string("images") + end)), images));
    const at::Tensor read = read_idx_labels(folder / (std::string("labels") + end));
    EXPECT_EQ(read.scalar_type(), at::kLong);
    EXPECT_TRUE(at::equal(read, labels));
  }
}

TEST(Idx, wrong_kind_of_file) {
  const ScratchFolder folder;
  EXPECT_EQ(thrown_by([&] { read_idx_images(folder / "none"); }).code, Exit::missing);
  put_bytes(folder / "labels", three_labels());
  const auto swapped = thrown_by([&] { read_idx_images(folder / "labels"); });
  EXPECT_EQ(swapped.code, Exit::data);
  EXPECT_TRUE(contains(swapped.message, "0x00000801, expected 0x00000803")) << swapped.message;
  EXPECT_EQ(thrown_by([&] { read_idx_images(folder.path()); }).code, Exit::data);
}

TEST(Idx, every_truncation_is_noticed_and_so_are_bytes_left_over) {
  const ScratchFolder folder;
  const std::string bytes = two_images();
  for (size_t length = 0; length < bytes.size(); ++length) {
    put_bytes(folder / "cut", bytes.substr(0, length));
    EXPECT_EQ(thrown_by([&] { read_idx_images(folder / "cut"); }).code, Exit::data) << length;
    put_gzip(folder / "cut.gz", bytes.substr(0, length));
    EXPECT_EQ(thrown_by([&] { read_idx_images(folder / "cut.gz"); }).code, Exit::data) << length;
  }
  put_bytes(folder / "long", bytes + "x");
  const auto thrown = thrown_by([&] { read_idx_images(folder / "long"); });
  EXPECT_EQ(thrown.code, Exit::data);
  EXPECT_TRUE(contains(thrown.message, "bytes behind")) << thrown.message;
}

TEST(Idx, damaged_gzip) {
  const ScratchFolder folder;
  put_gzip(folder / "a.gz", two_images());
  const std::string gzip = get_bytes(folder / "a.gz");
  for (size_t length = 0; length < gzip.size(); ++length) {
    put_bytes(folder / "cut.gz", gzip.substr(0, length));
    EXPECT_EQ(thrown_by([&] { read_idx_images(folder / "cut.gz"); }).code, Exit::data) << length;
  }
  for (size_t i = 10; i < gzip.size(); ++i) {  // the ten bytes before hold a date and the like
    std::string flipped = gzip;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << i % 8));
    put_bytes(folder / "b.gz", flipped);
    EXPECT_EQ(thrown_by([&] { read_idx_images(folder / "b.gz"); }).code, Exit::data) << i;
  }
}

TEST(Idx, a_header_that_claims_too_much_takes_no_memory) {
  const ScratchFolder folder;
  const std::string huge = big_endian(0x803) + big_endian(0xFFFFFFFF) + big_endian(0xFFFFFFFF) + big_endian(0xFFFFFFFF);
  put_bytes(folder / "huge", huge);
  EXPECT_EQ(thrown_by([&] { read_idx_images(folder / "huge"); }).code, Exit::data);
  put_bytes(folder / "wide", big_endian(0x801) + big_endian(0xFFFFFFFF) + "abc");
  EXPECT_EQ(thrown_by([&] { read_idx_labels(folder / "wide"); }).code, Exit::data);
  put_bytes(folder / "zero", big_endian(0x801) + big_endian(0));
  EXPECT_EQ(thrown_by([&] { read_idx_labels(folder / "zero"); }).code, Exit::data);
}

}  // namespace
}  // namespace ddls::data::idx_test
