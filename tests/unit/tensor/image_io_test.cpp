#include "tensor/image_io.hpp"

#include <png.h>
#include <ATen/ATen.h>
#include <turbojpeg.h>

#include <random>

#include "scratch_folder.hpp"

namespace ddls {
namespace {

using test::contains;
using test::get_bytes;
using test::put_bytes;
using test::ScratchFolder;
using test::thrown_by;

at::Tensor random_image(int64_t channels, int64_t height, int64_t width) {
  std::mt19937 engine(7);
  at::Tensor image = at::empty({channels, height, width}, at::kByte);
  for (int64_t i = 0; i < image.numel(); ++i) image.data_ptr<uint8_t>()[i] = static_cast<uint8_t>(engine());
  return image;
}

// A PNG of `width` pixels in one row, in one of libpng's 8 or 16 bit formats.
template <typename Value>
std::string png_of(uint32_t format, int bit_depth, const std::vector<Value>& values) {
  std::string bytes;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &bytes,
      [](png_structp p, png_bytep data, size_t n) {
        static_cast<std::string*>(png_get_io_ptr(p))->append(reinterpret_cast<const char*>(data), n);
      },
      [](png_structp) {});
  const size_t channels = format == PNG_COLOR_TYPE_GRAY         ? 1
                          : format == PNG_COLOR_TYPE_GRAY_ALPHA ? 2
                          : format == PNG_COLOR_TYPE_RGB        ? 3
                                                                : 4;
  png_set_IHDR(png, info, static_cast<png_uint_32>(values.size() / channels), 1, bit_depth, static_cast<int>(format),
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  if (bit_depth == 16) png_set_swap(png);
  png_write_row(png, reinterpret_cast<png_const_bytep>(values.data()));
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

std::string jpeg_of(const std::vector<uint8_t>& pixels, int width, int height, int format, int subsampling,
                    int flags = 0) {
  tjhandle handle = tjInitCompress();
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  EXPECT_EQ(tjCompress2(handle, pixels.data(), width, 0, height, format, &buffer, &size, subsampling, 100, flags), 0);
  std::string bytes(reinterpret_cast<char*>(buffer), size);
  tjFree(buffer);
  tjDestroy(handle);
  return bytes;
}

std::vector<uint8_t> repeated(const std::vector<uint8_t>& pixel, int count) {
  std::vector<uint8_t> pixels;
  for (int i = 0; i < count; ++i) pixels.insert(pixels.end(), pixel.begin(), pixel.end());
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

TEST(Png, round_trip_is_exact) {
  const ScratchFolder folder;
  for (const int64_t channels : {1, 3}) {
    const at::Tensor image = random_image(channels, 5, 7);
    write_png(folder / "a.png", image);
    EXPECT_TRUE(at::equal(read_image(folder / "a.png"), image));
    EXPECT_EQ(get_bytes(folder / "a.png"), encode_png(image));
  }
  const at::Tensor turned = random_image(3, 5, 7).transpose(1, 2);
  EXPECT_TRUE(at::equal(decode_image(encode_png(turned), 0, "turned"), turned));
}

TEST(Png, alpha_lies_over_black) {
  const std::string grey = png_of<uint8_t>(PNG_COLOR_TYPE_GRAY_ALPHA, 8, {200, 255, 200, 0, 200, 128});
  EXPECT_TRUE(at::equal(decode_image(grey, 0, "g").flatten(), at::tensor({200, 0, 100}, at::kByte)));
  const std::string colour = png_of<uint8_t>(PNG_COLOR_TYPE_RGB_ALPHA, 8, {10, 20, 255, 255, 10, 20, 255, 51});
  EXPECT_TRUE(
      at::equal(decode_image(colour, 0, "c"), at::tensor({10, 2, 20, 4, 255, 51}, at::kByte).reshape({3, 1, 2})));
}

TEST(Png, sixteen_bits_become_eight_without_a_brightness_curve) {
  const std::string grey = png_of<uint16_t>(PNG_COLOR_TYPE_GRAY, 16, {0, 257, 128 * 257, 65535, 100 * 257 + 3});
  EXPECT_TRUE(at::equal(decode_image(grey, 0, "g").flatten(), at::tensor({0, 1, 128, 255, 100}, at::kByte)));
  const std::string colour = png_of<uint16_t>(PNG_COLOR_TYPE_RGB, 16, {257, 2 * 257, 200 * 257});
  EXPECT_TRUE(at::equal(decode_image(colour, 0, "c").flatten(), at::tensor({1, 2, 200}, at::kByte)));
}

TEST(Png, every_truncation_and_every_flipped_bit_is_noticed) {
  const std::string bytes = encode_png(random_image(3, 4, 4));
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_EQ(thrown_by([&] { decode_image(bytes.substr(0, length), 0, "x"); }).code, Exit::data) << length;
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << i % 8));
    EXPECT_EQ(thrown_by([&] { decode_image(flipped, 0, "x"); }).code, Exit::data) << i;
  }
}

TEST(Jpeg, grey_and_colour) {
  const std::string grey = jpeg_of(repeated({77}, 12 * 9), 12, 9, TJPF_GRAY, TJSAMP_GRAY);
  EXPECT_EQ(decode_image(grey, 0, "g").sizes(), (std::vector<int64_t>{1, 9, 12}));
  expect_colour(decode_image(grey, 0, "g"), {77}, 0);
  expect_colour(decode_image(grey, 3, "g"), {77, 77, 77}, 0);
  const std::string colour = jpeg_of(repeated({200, 100, 50}, 12 * 9), 12, 9, TJPF_RGB, TJSAMP_420);
  EXPECT_EQ(decode_image(colour, 0, "c").sizes(), (std::vector<int64_t>{3, 9, 12}));
  expect_colour(decode_image(colour, 0, "c"), {200, 100, 50}, 2);
  expect_colour(decode_image(colour, 1, "c"), {124}, 2);  // 0.299 * 200 + 0.587 * 100 + 0.114 * 50
}

TEST(Jpeg, inks_become_colours) {
  const std::vector<uint8_t> inks = repeated({255, 128, 0, 200}, 16 * 8);  // inverted: 255 is no ink
  for (const int subsampling : {TJSAMP_444, TJSAMP_420}) {
    const std::string bytes = jpeg_of(inks, 16, 8, TJPF_CMYK, subsampling);
    expect_colour(decode_image(bytes, 0, "cmyk"), {200, 100, 0}, 2);
    expect_colour(decode_image(bytes, 1, "cmyk"), {119}, 3);
  }
}

TEST(Jpeg, every_truncation_is_noticed) {
  const at::Tensor noise = random_image(3, 16, 16).permute({1, 2, 0}).contiguous();
  const std::vector<uint8_t> pixels(noise.data_ptr<uint8_t>(), noise.data_ptr<uint8_t>() + noise.numel());
  for (const int flags : {0, TJFLAG_PROGRESSIVE}) {
    const std::string bytes = jpeg_of(pixels, 16, 16, TJPF_RGB, TJSAMP_444, flags);
    EXPECT_EQ(decode_image(bytes, 0, "x").numel(), 768);
    for (size_t length = 0; length < bytes.size(); ++length) {
      const auto thrown = thrown_by([&] { decode_image(bytes.substr(0, length), 0, "cut.jpg"); });
      EXPECT_EQ(thrown.code, Exit::data) << length << " of " << bytes.size();
      EXPECT_TRUE(contains(thrown.message, "cut.jpg")) << thrown.message;
    }
  }
}

TEST(Jpeg, stray_bytes_before_the_end_marker_are_no_damage) {
  std::string bytes = jpeg_of(repeated({77}, 64), 8, 8, TJPF_GRAY, TJSAMP_GRAY);
  bytes.insert(bytes.size() - 2, "\x01\x02\x03");
  expect_colour(decode_image(bytes, 0, "x"), {77}, 0);
}

// A JPEG of `width` x `height` pixels that gets brighter to the right and lower down.
std::string sloped_jpeg(int width, int height, int format, int subsampling, int flags = 0) {
  std::vector<uint8_t> pixels;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < tjPixelSize[format]; ++c)
        pixels.push_back(static_cast<uint8_t>(c == 3 ? 255 : 40 + 100 * x / width + 80 * y / height));
  return jpeg_of(pixels, width, height, format, subsampling, flags);
}

TEST(Jpeg, decoded_small_where_less_is_needed) {
  struct Case {
    int64_t at_least, height, width;
  };
  for (const Case& c : {Case{0, 96, 160}, Case{97, 96, 160}, Case{49, 96, 160}, Case{48, 48, 80}, Case{25, 48, 80},
                        Case{24, 24, 40}, Case{12, 12, 20}, Case{1, 12, 20}}) {
    for (const int format : {TJPF_GRAY, TJPF_RGB, TJPF_CMYK}) {
      const std::string bytes = sloped_jpeg(160, 96, format, format == TJPF_GRAY ? TJSAMP_GRAY : TJSAMP_420);
      const at::Tensor image = decode_image(bytes, 0, "x", c.at_least);
      EXPECT_EQ(image.sizes(), (std::vector<int64_t>{format == TJPF_GRAY ? 1 : 3, c.height, c.width}));
      // The same picture: its middle and its corner.
      EXPECT_NEAR(image[0][c.height / 2][c.width / 2].item<int>(), 130, 6) << c.at_least;
      EXPECT_NEAR(image[0][0][0].item<int>(), 40, 6 + 180 / c.height) << c.at_least;
    }
  }
  EXPECT_EQ(decode_image(sloped_jpeg(15, 17, TJPF_RGB, TJSAMP_444), 0, "x", 4).sizes(),
            (std::vector<int64_t>{3, 5, 4}));  // 15/4 and 17/4, rounded up
}

TEST(Jpeg, decoding_goes_on_after_damage) {
  for (const int flags : {0, TJFLAG_PROGRESSIVE}) {
    const std::string bytes = sloped_jpeg(64, 64, TJPF_RGB, TJSAMP_420, flags);
    const at::Tensor whole = decode_image(bytes, 0, "x");
    for (size_t length = 3; length < bytes.size(); length += 13) {
      EXPECT_EQ(thrown_by([&] { decode_image(bytes.substr(0, length), 0, "x"); }).code, Exit::data) << length;
      EXPECT_TRUE(at::equal(decode_image(bytes, 0, "x"), whole)) << length;
    }
  }
}

TEST(Png, palettes_few_bits_transparency_and_interlacing) {
  const auto write = [](int type, int bits, int interlace, std::vector<std::vector<uint8_t>> rows, uint32_t width) {
    std::string bytes;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(
        png, &bytes,
        [](png_structp p, png_bytep data, size_t n) {
          static_cast<std::string*>(png_get_io_ptr(p))->append(reinterpret_cast<const char*>(data), n);
        },
        [](png_structp) {});
    png_set_IHDR(png, info, width, static_cast<png_uint_32>(rows.size()), bits, type, interlace,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    const png_color colours[] = {{0, 0, 0}, {10, 20, 30}, {200, 100, 50}};
    const png_byte alpha[] = {255, 0};
    if (type == PNG_COLOR_TYPE_PALETTE) {
      png_set_PLTE(png, info, colours, 3);
      png_set_tRNS(png, info, alpha, 2, nullptr);
    }
    png_write_info(png, info);
    std::vector<png_bytep> pointers;
    for (auto& row : rows) pointers.push_back(row.data());
    png_write_image(png, pointers.data());
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return bytes;
  };
  // Two bits per pixel: 2, 1, 0, 2; colour 1 is transparent.
  EXPECT_TRUE(at::equal(decode_image(write(PNG_COLOR_TYPE_PALETTE, 2, PNG_INTERLACE_NONE, {{0b10010010}}, 4), 0, "p"),
                        at::tensor({200, 0, 0, 200, 100, 0, 0, 100, 50, 0, 0, 50}, at::kByte).view({3, 1, 4})));
  EXPECT_TRUE(at::equal(decode_image(write(PNG_COLOR_TYPE_GRAY, 1, PNG_INTERLACE_NONE, {{0b01100000}}, 3), 0, "b"),
                        at::tensor({0, 255, 255}, at::kByte).view({1, 1, 3})));
  EXPECT_TRUE(at::equal(decode_image(write(PNG_COLOR_TYPE_GRAY, 4, PNG_INTERLACE_NONE, {{0x0F, 0x30}}, 3), 0, "n"),
                        at::tensor({0, 255, 51}, at::kByte).view({1, 1, 3})));
  EXPECT_TRUE(
      at::equal(decode_image(write(PNG_COLOR_TYPE_GRAY, 8, PNG_INTERLACE_ADAM7, {{1, 2, 3}, {4, 5, 6}}, 3), 0, "i"),
                at::tensor({1, 2, 3, 4, 5, 6}, at::kByte).view({1, 2, 3})));
}

TEST(ReadImage, missing_and_unknown_files) {
  const ScratchFolder folder;
  EXPECT_EQ(thrown_by([&] { read_image(folder / "none.png"); }).code, Exit::missing);
  put_bytes(folder / "a.png", "GIF89a");
  const auto thrown = thrown_by([&] { read_image(folder / "a.png"); });
  EXPECT_EQ(thrown.code, Exit::data);
  EXPECT_TRUE(contains(thrown.message, "a.png") && contains(thrown.message, "neither PNG nor JPEG")) << thrown.message;
}

TEST(WithChannels, grey_is_repeated_and_colour_becomes_luma) {
  const at::Tensor grey = at::tensor({0, 100, 255, 7}, at::kByte).reshape({2, 1, 1, 2});
  EXPECT_TRUE(at::equal(with_channels(grey, 3), grey.expand({2, 3, 1, 2})));
  EXPECT_TRUE(at::equal(with_channels(with_channels(grey, 3), 1), grey));
  const at::Tensor red_green_blue = (at::eye(3) * 255).to(at::kByte).reshape({3, 1, 3});
  EXPECT_TRUE(at::equal(with_channels(red_green_blue, 1).flatten(), at::tensor({76, 150, 29}, at::kByte)));
}

TEST(ImageGrid, layout) {
  const at::Tensor images = at::tensor({1, 2, 3, 4, 5, 6}, at::kByte).reshape({3, 1, 1, 2});
  const at::Tensor expected = at::tensor({1, 2, 9, 3, 4, 9, 9, 9, 9, 9, 5, 6, 9, 9, 9}, at::kByte).view({3, 5});
  EXPECT_TRUE(at::equal(image_grid(images, 2, 1, 9), expected.unsqueeze(0)));
  EXPECT_TRUE(at::equal(image_grid(images, 3, 0), images.flatten().reshape({1, 1, 6})));
}

TEST(Quantise, table) {
  const at::Tensor x = at::tensor({-1.0F, 0.0F, 1.0F, -3.0F, 3.0F, 0.0039F, -0.0040F, 0.5F});
  EXPECT_TRUE(at::equal(quantise(x), at::tensor({0, 128, 255, 0, 255, 128, 127, 191}, at::kByte)));
}

TEST(Quantise, undoes_dequantise_for_every_value) {
  const at::Tensor all = at::arange(256, at::kInt).to(at::kByte);
  const at::Tensor x = dequantise(all);
  EXPECT_EQ(x.scalar_type(), at::kFloat);
  EXPECT_EQ(x[0].item<float>(), -1.0F);
  EXPECT_EQ(x[255].item<float>(), 1.0F);
  EXPECT_TRUE(at::equal(quantise(x), all));
}

}  // namespace
}  // namespace ddls
