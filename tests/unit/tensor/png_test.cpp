#include <png.h>
#include <ATen/ATen.h>
#include <zlib.h>

#include "scratch_folder.hpp"
#include "tensor/image_io.hpp"
#include "unit/tensor/exif_block.hpp"

namespace ddls::tensor::png_test {
namespace {

using test::contains;
using test::exif_block;
using test::thrown_by;
using Rows = std::vector<std::vector<uint8_t>>;

std::string big_endian(uint32_t value, int bytes = 4) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> 8 * i & 0xFF);
  return text;
}

std::string chunk(const std::string& type, const std::string& data) {
  const std::string typed = type + data;
  const auto crc = crc32(0, reinterpret_cast<const Bytef*>(typed.data()), static_cast<uInt>(typed.size()));
  return big_endian(static_cast<uint32_t>(data.size())) + typed + big_endian(static_cast<uint32_t>(crc));
}

// `png` with a chunk before its first one of type `before`.
std::string with_chunk(const std::string& png, const std::string& type, const std::string& data,
                       const std::string& before = "IDAT") {
  return std::string(png).insert(png.find(before) - 4, chunk(type, data));
}

struct PngForm {
  int type = PNG_COLOR_TYPE_GRAY, bits = 8;
  uint32_t width = 1;
  int interlace = PNG_INTERLACE_NONE;
  std::string palette = {};  // PLTE
};

// `rows`: as packed in the file.
std::string png_of(const PngForm& form, Rows rows) {
  std::string bytes;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &bytes,
      [](png_structp p, png_bytep data, size_t n) {
        static_cast<std::string*>(png_get_io_ptr(p))->append(reinterpret_cast<const char*>(data), n);
      },
      [](png_structp) {});
  png_set_IHDR(png, info, form.width, static_cast<png_uint_32>(rows.size()), form.bits, form.type, form.interlace,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!form.palette.empty())
    png_set_PLTE(png, info, reinterpret_cast<png_const_colorp>(form.palette.data()),
                 static_cast<int>(form.palette.size() / 3));
  png_write_info(png, info);
  std::vector<png_bytep> pointers;
  for (auto& row : rows) pointers.push_back(row.data());
  png_write_image(png, pointers.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

// Of one row of pixels of 8 bits, or of 16.
std::string png_row(int type, const std::vector<int>& values, int bits = 8) {
  std::vector<uint8_t> row;
  for (const int value : values) {
    if (bits == 16) row.push_back(static_cast<uint8_t>(value >> 8));
    row.push_back(static_cast<uint8_t>(value));
  }
  const size_t channels = type == PNG_COLOR_TYPE_GRAY         ? 1
                          : type == PNG_COLOR_TYPE_GRAY_ALPHA ? 2
                          : type == PNG_COLOR_TYPE_RGB        ? 3
                                                              : 4;
  return png_of({type, bits, static_cast<uint32_t>(values.size() / channels)}, {row});
}

using Values = std::vector<int64_t>;

// [C, H, W] flattened: channel by channel.
Values values(const std::string& png, Alpha alpha = Alpha::drop, PixelNotes* notes = nullptr) {
  const at::Tensor image = decode_image(png, 0, "x", 0, {.alpha = alpha}, notes).to(at::kLong).contiguous();
  return {image.data_ptr<int64_t>(), image.data_ptr<int64_t>() + image.numel()};
}

TEST(Png, gamma_profiles_and_the_like_change_no_sample) {
  const std::string srgb(1, '\0'), linear = big_endian(100000), mac = big_endian(55556);
  std::string primaries;
  for (const uint32_t value : {31270, 32900, 70000, 20000, 10000, 60000, 15000, 6000}) primaries += big_endian(value);
  for (const int bits : {8, 16}) {
    const int scale = bits == 16 ? 257 : 1;
    const std::string grey = png_row(PNG_COLOR_TYPE_GRAY, {0, 1 * scale, 100 * scale, 255 * scale}, bits);
    const std::string colour = png_row(PNG_COLOR_TYPE_RGB, {10 * scale, 128 * scale, 250 * scale}, bits);
    for (const auto& [type, data] :
         std::vector<std::pair<std::string, std::string>>{{"gAMA", linear},
                                                          {"gAMA", mac},
                                                          {"gAMA", big_endian(45455)},
                                                          {"sRGB", srgb},
                                                          {"cHRM", primaries},
                                                          {"iCCP", std::string("p\0\0no profile", 13)},
                                                          {"sBIT", "\x05\x05\x05"},
                                                          {"bKGD", std::string(6, 1)}}) {
      EXPECT_EQ(values(with_chunk(grey, type, data)), (Values{0, 1, 100, 255})) << type << bits;
      EXPECT_EQ(values(with_chunk(colour, type, data)), (Values{10, 128, 250})) << type << bits;
    }
    EXPECT_EQ(values(with_chunk(with_chunk(colour, "gAMA", mac), "cHRM", primaries)), (Values{10, 128, 250}));
  }
}

TEST(Png, transparency_is_dropped_or_laid_over_black_or_white) {
  const std::string grey = png_row(PNG_COLOR_TYPE_GRAY_ALPHA, {200, 255, 200, 0, 200, 128});
  EXPECT_EQ(values(grey), (Values{200, 200, 200}));
  EXPECT_EQ(values(grey, Alpha::black), (Values{200, 0, 100}));
  EXPECT_EQ(values(grey, Alpha::white), (Values{200, 255, 227}));
  const std::string colour = png_row(PNG_COLOR_TYPE_RGB_ALPHA, {10, 20, 255, 255, 10, 20, 255, 51});
  EXPECT_EQ(values(colour), (Values{10, 10, 20, 20, 255, 255}));
  EXPECT_EQ(values(colour, Alpha::black), (Values{10, 2, 20, 4, 255, 51}));
  EXPECT_EQ(values(colour, Alpha::white), (Values{10, 206, 20, 208, 255, 255}));
  const std::string deep = png_row(PNG_COLOR_TYPE_GRAY_ALPHA, {200 * 257, 65535, 200 * 257, 0}, 16);
  EXPECT_EQ(values(deep), (Values{200, 200}));
  EXPECT_EQ(values(deep, Alpha::white), (Values{200, 255}));
  // A colour that stands for transparency; it is compared as stored, in 16 bits too.
  const std::string keyed =
      with_chunk(png_row(PNG_COLOR_TYPE_RGB, {1, 2, 3, 4, 5, 6}), "tRNS", std::string("\0\1\0\2\0\3", 6));
  EXPECT_EQ(values(keyed), (Values{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(values(keyed, Alpha::black), (Values{0, 4, 0, 5, 0, 6}));
  const std::string deep_key =
      with_chunk(png_row(PNG_COLOR_TYPE_GRAY, {25700, 25701}, 16), "tRNS", big_endian(25701, 2));
  EXPECT_EQ(values(deep_key, Alpha::black), (Values{100, 0}));
}

TEST(Png, notes_tell_what_was_met) {
  const auto notes_of = [](const std::string& png) {
    PixelNotes notes;
    values(png, Alpha::drop, &notes);
    return notes;
  };
  EXPECT_TRUE(notes_of(png_row(PNG_COLOR_TYPE_GRAY_ALPHA, {7, 255, 7, 254})).transparent);
  EXPECT_FALSE(notes_of(png_row(PNG_COLOR_TYPE_GRAY_ALPHA, {7, 255, 7, 255})).transparent);
  EXPECT_TRUE(notes_of(png_row(PNG_COLOR_TYPE_GRAY, {7}, 16)).sixteen_bits);
  EXPECT_FALSE(notes_of(png_row(PNG_COLOR_TYPE_GRAY, {7})).sixteen_bits);
}

TEST(Png, sixteen_bits_become_eight_by_rounding) {
  const Values stored{0, 128, 129, 255, 257, 385, 386, 100 * 257 + 3, 128 * 257, 65406, 65407, 65535};
  const Values rounded{0, 0, 1, 1, 1, 1, 2, 100, 128, 254, 255, 255};  // round(v / 257)
  EXPECT_EQ(values(png_row(PNG_COLOR_TYPE_GRAY, {stored.begin(), stored.end()}, 16)), rounded);
  EXPECT_EQ(values(png_row(PNG_COLOR_TYPE_RGB, {257, 386, 200 * 257}, 16)), (Values{1, 2, 200}));
}

TEST(Png, palettes_and_few_bits) {
  const std::string palette("\0\0\0\x0A\x14\x1E\xC8\x64\x32", 9);
  const PngForm two_bits{.type = PNG_COLOR_TYPE_PALETTE, .bits = 2, .width = 4, .palette = palette};
  // 2, 1, 0, 2; colour 1 is transparent.
  const std::string paletted = with_chunk(png_of(two_bits, {{0b10010010}}), "tRNS", std::string("\xFF\0", 2));
  EXPECT_EQ(values(paletted), (Values{200, 10, 0, 200, 100, 20, 0, 100, 50, 30, 0, 50}));
  EXPECT_EQ(values(paletted, Alpha::black), (Values{200, 0, 0, 200, 100, 0, 0, 100, 50, 0, 0, 50}));
  EXPECT_EQ(values(png_of({.bits = 1, .width = 3}, {{0b01100000}})), (Values{0, 255, 255}));
  EXPECT_EQ(values(png_of({.bits = 2, .width = 4}, {{0b00011011}})), (Values{0, 85, 170, 255}));
  EXPECT_EQ(values(png_of({.bits = 4, .width = 3}, {{0x0F, 0x30}})), (Values{0, 255, 51}));
  const std::string keyed = with_chunk(png_of({.bits = 2, .width = 4}, {{0b00011011}}), "tRNS", big_endian(2, 2));
  EXPECT_EQ(values(keyed, Alpha::black), (Values{0, 85, 0, 255}));
}

TEST(Png, interlacing) {
  const PngForm form{.width = 3, .interlace = PNG_INTERLACE_ADAM7};
  EXPECT_EQ(values(png_of(form, {{1, 2, 3}, {4, 5, 6}})), (Values{1, 2, 3, 4, 5, 6}));
}

TEST(Png, exif_turns_images_on_request_only) {
  const std::string png = png_of({.width = 3}, {{1, 2, 3}, {4, 5, 6}});
  for (const std::string& bytes :
       {with_chunk(png, "eXIf", exif_block(6)), with_chunk(png, "eXIf", exif_block(6), "IEND")}) {
    PixelNotes notes;
    EXPECT_EQ(values(bytes, Alpha::drop, &notes), (Values{1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(notes.orientation, 6);
    const at::Tensor turned = decode_image(bytes, 0, "x", 0, {.apply_exif = true});
    EXPECT_TRUE(at::equal(turned, at::tensor({4, 1, 5, 2, 6, 3}, at::kByte).view({1, 3, 2})));
  }
}

TEST(Png, every_truncation_and_every_flipped_bit_is_noticed) {
  const std::string bytes = encode_png(at::arange(48).to(at::kByte).view({3, 4, 4}));
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_EQ(thrown_by([&] { decode_image(bytes.substr(0, length), 0, "x"); }).code, Exit::data) << length;
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << i % 8));
    EXPECT_EQ(thrown_by([&] { decode_image(flipped, 0, "x"); }).code, Exit::data) << i;
  }
}

TEST(Png, pixels_that_are_missing_are_damage) {
  const std::string short_of_rows = png_of({.width = 3}, {{1, 2, 3}});
  std::string taller = short_of_rows;  // an IHDR of two rows, with its checksum
  const size_t header = taller.find("IHDR") - 4;
  taller.replace(header, 25, chunk("IHDR", big_endian(3) + big_endian(2) + std::string("\x08\0\0\0\0", 5)));
  const auto thrown = thrown_by([&] { decode_image(taller, 0, "tall.png"); });
  EXPECT_EQ(thrown.code, Exit::data);
  EXPECT_TRUE(contains(thrown.message, "tall.png': damaged PNG")) << thrown.message;
}

TEST(Png, which_files_have_more_than_samples) {
  const std::string plain = png_row(PNG_COLOR_TYPE_RGB, {1, 2, 3});
  for (const std::string& bytes :
       {plain, with_chunk(plain, "tEXt", std::string("a\0b", 3)), std::string("no PNG"), plain.substr(0, 40)})
    EXPECT_FALSE(png_is_more_than_samples(bytes));
  EXPECT_TRUE(png_is_more_than_samples(with_chunk(plain, "gAMA", big_endian(100000))));
  EXPECT_TRUE(png_is_more_than_samples(with_chunk(plain, "tRNS", "123456")));
  EXPECT_TRUE(png_is_more_than_samples(png_row(PNG_COLOR_TYPE_GRAY_ALPHA, {1, 255})));
}

}  // namespace
}  // namespace ddls::tensor::png_test
