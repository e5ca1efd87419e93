#include "tensor/image_header.hpp"

#include <gtest/gtest.h>

namespace ddls::tensor::image_header_test {
namespace {

std::string png(char bits, char colour, const std::string& chunks = "") {
  return std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01", 24) + bits + colour + std::string(3, '\0') +
         "CRC_" + chunks + std::string("\0\0\0\0IDATCRC_", 12);
}

using Conversions = std::vector<std::string>;

TEST(ImageHeader, of_png) {
  EXPECT_EQ(image_header(png(8, 0)).format, "PNG 8-bit grey");
  EXPECT_EQ(image_header(png(8, 2)).conversions, Conversions{});
  EXPECT_EQ(image_header(png(16, 6)).format, "PNG 16-bit RGB with alpha");
  EXPECT_EQ(image_header(png(16, 6)).conversions, (Conversions{"16_bit", "alpha"}));
  EXPECT_EQ(image_header(png(1, 0)).conversions, Conversions{"low_bit_depth"});
  const std::string transparency = std::string("\0\0\0\x02pHYsxxCRC_\0\0\0\x01tRNSxCRC_", 27);
  EXPECT_EQ(image_header(png(4, 3, transparency)).conversions, (Conversions{"palette", "alpha"}));
}

TEST(ImageHeader, of_jpeg) {
  const auto jpeg = [](const std::string& segments, char components) {
    return "\xFF\xD8\xFF" + segments + std::string("\xFF\xC0\0\x11\x08\0\1\0\1", 9) + components +
           std::string(16, '\0');
  };
  const auto adobe = [](char transform) {
    return std::string(
               "\xEE\0\x0E"
               "Adobe\0\x64\0\0\0\0",
               14) +
           transform;
  };
  EXPECT_EQ(image_header(jpeg("", 1)).format, "JPEG grey");
  EXPECT_EQ(image_header(jpeg(std::string("\xE0\0\x04xx", 5), 3)).format, "JPEG YCbCr");
  EXPECT_EQ(image_header(jpeg(adobe(0), 3)).format, "JPEG RGB");
  EXPECT_EQ(image_header(jpeg(adobe(2), 4)).format, "JPEG YCCK");
  EXPECT_EQ(image_header(jpeg(adobe(0), 4)).conversions, Conversions{"cmyk"});
}

TEST(ImageHeader, of_what_is_cut_or_nothing) {
  const std::string whole = png(8, 0);
  for (size_t length = 0; length < 29; ++length) EXPECT_EQ(image_header(whole.substr(0, length)).format, "unknown");
  for (const std::string bytes : {"GIF89a", "\xFF\xD8\xFF", "\xFF\xD8\xFF\xE0\xFF"})
    EXPECT_EQ(image_header(bytes).format, "unknown");
  EXPECT_EQ(image_header(png(8, 5)).format, "unknown");
}

}  // namespace
}  // namespace ddls::tensor::image_header_test
