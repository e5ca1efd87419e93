#include <ATen/ATen.h>

#include <random>

#include "scratch_folder.hpp"
#include "tensor/image_io.hpp"
#include "unit/tensor/exif_block.hpp"
#include "unit/tensor/jpeg_writer.hpp"

namespace ddls::tensor::jpeg_test {
namespace {

using test::contains;
using test::exif_block;
using test::jpeg_of;
using test::JpegForm;
using test::thrown_by;

std::vector<uint8_t> repeated(const std::vector<uint8_t>& pixel, int count) {
  std::vector<uint8_t> pixels;
  for (int i = 0; i < count; ++i) pixels.insert(pixels.end(), pixel.begin(), pixel.end());
  return pixels;
}

std::vector<uint8_t> noise(size_t count) {
  std::mt19937 engine(7);
  std::vector<uint8_t> pixels(count);
  for (uint8_t& value : pixels) value = static_cast<uint8_t>(engine());
  return pixels;
}

// The colour of an image all of whose pixels are alike, within `tolerance`.
void expect_colour(const at::Tensor& image, const std::vector<int>& colour, int tolerance) {
  ASSERT_EQ(image.size(0), static_cast<int64_t>(colour.size()));
  for (size_t c = 0; c < colour.size(); ++c) {
    const at::Tensor off = (image[static_cast<int64_t>(c)].to(at::kInt) - colour[c]).abs();
    EXPECT_LE(off.max().item<int>(), tolerance) << "channel " << c;
  }
}

// A JPEG of `width` x `height` pixels that gets brighter to the right and lower down.
std::string sloped_jpeg(int width, int height, const JpegForm& form) {
  const int components = form.colours == JCS_GRAYSCALE ? 1 : form.colours == JCS_CMYK ? 4 : 3;
  std::vector<uint8_t> pixels;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < components; ++c)
        pixels.push_back(static_cast<uint8_t>(c == 3 ? 255 : 40 + 100 * x / width + 80 * y / height));
  return jpeg_of(pixels, width, height, form);
}

std::string with_exif(const std::string& jpeg, const std::string& block) {
  const std::string content = std::string("Exif\0\0", 6) + block;
  const size_t length = content.size() + 2;
  return jpeg.substr(0, 2) + "\xFF\xE1" + static_cast<char>(length >> 8) + static_cast<char>(length) + content +
         jpeg.substr(2);
}

// Where the marker FF `code` begins.
size_t place_of(const std::string& bytes, int code) {
  const size_t place = bytes.find(std::string{'\xFF', static_cast<char>(code)});
  EXPECT_NE(place, std::string::npos) << code;
  return place;
}

TEST(Jpeg, grey_and_colour) {
  const std::string grey = jpeg_of(repeated({77}, 12 * 9), 12, 9, {.colours = JCS_GRAYSCALE});
  EXPECT_EQ(decode_image(grey, 0, "g").sizes(), (std::vector<int64_t>{1, 9, 12}));
  expect_colour(decode_image(grey, 0, "g"), {77}, 0);
  expect_colour(decode_image(grey, 3, "g"), {77, 77, 77}, 0);
  for (const J_COLOR_SPACE stored : {JCS_YCbCr, JCS_RGB}) {
    const std::string colour = jpeg_of(repeated({200, 100, 50}, 12 * 9), 12, 9, {.stored = stored});
    EXPECT_EQ(decode_image(colour, 0, "c").sizes(), (std::vector<int64_t>{3, 9, 12}));
    expect_colour(decode_image(colour, 0, "c"), {200, 100, 50}, 2);
    expect_colour(decode_image(colour, 1, "c"), {124}, 2);  // 0.299 * 200 + 0.587 * 100 + 0.114 * 50
  }
}

TEST(Jpeg, inks_become_colours) {
  const std::vector<uint8_t> inks = repeated({255, 128, 0, 200}, 16 * 8);  // inverted: 255 is no ink
  for (const J_COLOR_SPACE stored : {JCS_CMYK, JCS_YCCK}) {
    for (const bool subsampled : {false, true}) {
      const std::string bytes = jpeg_of(inks, 16, 8, {.colours = JCS_CMYK, .stored = stored, .subsampled = subsampled});
      PixelNotes notes;
      expect_colour(decode_image(bytes, 0, "cmyk", 0, {}, &notes), {200, 100, 0}, 2);
      EXPECT_TRUE(notes.inks);
      expect_colour(decode_image(bytes, 1, "cmyk"), {119}, 3);
    }
  }
}

TEST(Jpeg, two_components_are_refused) {
  const std::string bytes = jpeg_of(repeated({1, 2}, 64), 8, 8, {.colours = JCS_UNKNOWN});
  const auto thrown = thrown_by([&] { decode_image(bytes, 0, "two.jpg"); });
  EXPECT_EQ(thrown.code, Exit::data);
  EXPECT_TRUE(contains(thrown.message, "two.jpg': a JPEG of 2 components")) << thrown.message;
}

TEST(Jpeg, every_truncation_is_noticed) {
  for (const bool progressive : {false, true}) {
    const std::string bytes = jpeg_of(noise(16 * 16 * 3), 16, 16, {.progressive = progressive});
    EXPECT_EQ(decode_image(bytes, 0, "x").numel(), 768);
    for (size_t length = 0; length < bytes.size(); ++length) {
      const auto thrown = thrown_by([&] { decode_image(bytes.substr(0, length), 0, "cut.jpg"); });
      EXPECT_EQ(thrown.code, Exit::data) << length << " of " << bytes.size();
      EXPECT_TRUE(contains(thrown.message, "cut.jpg")) << thrown.message;
    }
  }
}

// Each of these is read by every common program, and libjpeg warns of it.
TEST(Jpeg, what_concerns_no_pixel_is_no_damage) {
  const std::string good = sloped_jpeg(40, 24, {.restart = 2});
  const at::Tensor pixels = decode_image(good, 0, "x");
  const size_t scan = place_of(good, 0xDA), app0 = place_of(good, 0xE0);
  // Longer than what the entropy decoder takes ahead and never looks at.
  const std::string stray(20, '\1'), adobe(
                                         "\xFF\xEE\x00\x0E"
                                         "Adobe\x00\x64\x00\x00\x00\x00\x05",
                                         16);
  std::string parameters = good, revision = good;
  parameters.replace(scan + 11, 3, 3, '\0');  // behind marker, length, and the three components
  revision[app0 + 9] = 2;                     // behind marker, length, and "JFIF"
  const auto before = [&](int code) { return std::string(good).insert(place_of(good, code), stray); };
  const std::vector<std::pair<std::string, std::string>> files{
      {"Invalid SOS parameters", parameters},
      {"JFIF revision", revision},
      {"extraneous bytes before marker 0xdb", before(0xDB)},
      {"extraneous bytes before marker 0xc4", before(0xC4)},
      {"extraneous bytes before marker 0xda", before(0xDA)},
      {"extraneous bytes before marker 0xd0", before(0xD0)},
      {"extraneous bytes before marker 0xd9", before(0xD9)},
      {"Adobe color transform code 5", good.substr(0, app0) + adobe + good.substr(app0 + 18)}};
  for (const auto& [warning, bytes] : files) {
    PixelNotes notes;
    EXPECT_TRUE(at::equal(decode_image(bytes, 0, "x", 0, {}, &notes), pixels)) << warning;
    EXPECT_TRUE(contains(notes.oddity, warning)) << notes.oddity << ", not " << warning;
  }
  PixelNotes notes;
  decode_image(good, 0, "x", 0, {}, &notes);
  EXPECT_EQ(notes.oddity, "");
}

TEST(Jpeg, lost_data_is_damage) {
  const std::string good = sloped_jpeg(64, 48, {.restart = 2, .quality = 90});
  const size_t first = place_of(good, 0xD0), second = place_of(good, 0xD1);
  std::string other_number = good, ones = good, gap = good;
  other_number[first + 1] = '\xD3';                     // not the restart that comes next
  for (size_t i = first + 2; i + 1 < second; i += 2) {  // no Huffman code is all ones
    ones[i] = '\xFF';
    ones[i + 1] = '\0';
  }
  gap.erase(first + 2, second - first - 2);  // the data of an interval
  for (const std::string& bytes : {other_number, ones, gap}) {
    const auto thrown = thrown_by([&] { decode_image(bytes, 0, "bad.jpg"); });
    EXPECT_EQ(thrown.code, Exit::data);
    EXPECT_TRUE(contains(thrown.message, "bad.jpg': damaged")) << thrown.message;
  }
}

TEST(Jpeg, decoded_small_where_less_is_needed) {
  struct Case {
    int64_t at_least, height, width;
  };
  for (const Case& c : {Case{0, 96, 160}, Case{97, 96, 160}, Case{49, 96, 160}, Case{48, 48, 80}, Case{25, 48, 80},
                        Case{24, 24, 40}, Case{12, 12, 20}, Case{1, 12, 20}}) {
    for (const J_COLOR_SPACE colours : {JCS_GRAYSCALE, JCS_RGB, JCS_CMYK}) {
      const bool grey = colours == JCS_GRAYSCALE;
      const std::string bytes = sloped_jpeg(160, 96, {.colours = colours, .subsampled = !grey});
      const at::Tensor image = decode_image(bytes, 0, "x", c.at_least);
      EXPECT_EQ(image.sizes(), (std::vector<int64_t>{grey ? 1 : 3, c.height, c.width}));
      // The same picture: its middle and its corner.
      EXPECT_NEAR(image[0][c.height / 2][c.width / 2].item<int>(), 130, 6) << c.at_least;
      EXPECT_NEAR(image[0][0][0].item<int>(), 40, 6 + static_cast<int>(180 / c.height)) << c.at_least;
    }
  }
  EXPECT_EQ(decode_image(sloped_jpeg(15, 17, {}), 0, "x", 4).sizes(),
            (std::vector<int64_t>{3, 5, 4}));  // 15/4 and 17/4, rounded up
}

TEST(Jpeg, decoding_goes_on_after_damage) {
  for (const bool progressive : {false, true}) {
    const std::string bytes = sloped_jpeg(64, 64, {.subsampled = true, .progressive = progressive});
    const at::Tensor whole = decode_image(bytes, 0, "x");
    for (size_t length = 3; length < bytes.size(); length += 13) {
      EXPECT_EQ(thrown_by([&] { decode_image(bytes.substr(0, length), 0, "x"); }).code, Exit::data) << length;
      EXPECT_TRUE(at::equal(decode_image(bytes, 0, "x"), whole)) << length;
    }
  }
}

// Orientation o is undone by these: a transposition first, then flips of rows (1) and columns (2).
at::Tensor seen(const at::Tensor& image, int orientation) {
  const at::Tensor turned = orientation >= 5 ? image.transpose(1, 2) : image;
  switch (orientation) {
    case 2:
    case 6:
      return turned.flip({2});
    case 3:
    case 7:
      return turned.flip({1, 2});
    case 4:
    case 8:
      return turned.flip({1});
    default:
      return turned;
  }
}

TEST(Jpeg, exif_turns_images_on_request_only) {
  const std::string plain = sloped_jpeg(24, 16, {});
  const at::Tensor image = decode_image(plain, 0, "x"), small = decode_image(plain, 0, "x", 8);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    for (const bool big_endian : {false, true}) {
      const std::string bytes = with_exif(plain, exif_block(orientation, big_endian));
      PixelNotes notes;
      EXPECT_TRUE(at::equal(decode_image(bytes, 0, "x", 0, {}, &notes), image));
      EXPECT_EQ(notes.orientation, orientation);
      EXPECT_EQ(notes.oddity, "");
      const PixelRules apply{.apply_exif = true};
      EXPECT_TRUE(at::equal(decode_image(bytes, 0, "x", 0, apply), seen(image, orientation))) << orientation;
      EXPECT_TRUE(at::equal(decode_image(bytes, 0, "x", 8, apply), seen(small, orientation))) << orientation;
    }
  }
}

TEST(Jpeg, exif_that_says_nothing_or_nonsense_turns_nothing) {
  const std::string plain = sloped_jpeg(24, 16, {}), block = exif_block(6);
  const at::Tensor image = decode_image(plain, 0, "x");
  for (const int orientation : {0, 9, 500}) {
    PixelNotes notes;
    const std::string bytes = with_exif(plain, exif_block(orientation));
    EXPECT_TRUE(at::equal(decode_image(bytes, 0, "x", 0, {.apply_exif = true}, &notes), image)) << orientation;
  }
  for (size_t length = 0; length < block.size() - 4; ++length) {  // the last four: where the next directory is
    PixelNotes notes;
    const std::string bytes = with_exif(plain, block.substr(0, length));
    const at::Tensor read = decode_image(bytes, 0, "x", 0, {.apply_exif = true}, &notes);
    if (length >= 20) continue;  // the value itself is there
    EXPECT_TRUE(at::equal(read, image)) << length;
    EXPECT_TRUE(contains(notes.oddity, "EXIF")) << length;
  }
}

}  // namespace
}  // namespace ddls::tensor::jpeg_test
